"""What a storage account's refusals and silences are called in this package's words.

The exceptions of azure-core end here; their texts are not passed on whole, for they can carry a signed URL.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from azure_batch_endpoints._http.reviving import Reviver, ended
from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._refusals import Asked, from_response
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    LocalPathError,
    ServiceError,
    TransportError,
    redact,
)

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError

_REMEDY = {
    404: "Check the name and the path.",
    409: "It exists already, or something else holds it.",
    412: "Something else changed it meanwhile. Try again.",
}
_BESIDE = (
    "It is the local service's blob store, a server of its own. Azurite is started again when it ends: try again in a "
    "moment; service.log in the root folder tells more."
)
NOT_AN_ACCOUNT = "NotAStorageAccount"
"""Code of the error when a web server answered with a page of its own."""
_CODE = re.compile(r"ErrorCode:\s*(\w+)")
_HOLDS = re.compile(r"Start\s*\[[^]]*]\s*-\s*Expiry\s*\[[^]]*]")
"""When a signature holds, as the account says when it is over."""
_MOST = 1000
"""Characters that are kept of a cause."""
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, SyntaxError, HTTPException)
"""What the library raises over an answer that it cannot read; SyntaxError is the XML parser's."""
_NETWORK = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
"""Numbers of errors of the network that have no class of their own."""
_BELOW = frozenset({"urllib3", "requests", "zlib", "brotli", "isodate", "cryptography"})
"""Libraries below azure-core whose own exceptions it lets through."""


@contextmanager
def translated(
    host: str,
    action: str,
    *,
    secret_url: bool,
    of_service: bool = False,
    beside_service: bool = False,
    reviver: Reviver | None = None,
    account: str = "",
    credential: str = "",
) -> Iterator[None]:
    """Turn what azure-core raises inside the block into this package's errors.

    Args:
        host: host and port of the account, for the text.
        action: continues "Could not …", with the user's own names.
        secret_url: the URLs carry a signature, so the cause, whose text may show it, is chained as a redacted copy.
        of_service: the account is the local service's own, answered by the service itself.
        beside_service: it is the local service's own, a server beside it (Azurite).
        reviver: of the local service.
        account: name of the account, for the text.
        credential: what signs the requests, for the text.

    Raises:
        ServiceError: the account answered with an error.
        TransportError: it gave no usable answer.
        LocalPathError: a local file could not be read or written.
    """
    from azure.core.exceptions import AzureError, DeserializationError, HttpResponseError  # with the first transfer

    remedy = ended(reviver) if of_service else _BESIDE if beside_service else _remedy(host)
    try:
        yield
    except HttpResponseError as error:
        asked = _asked(error, host, account or host, credential, signed=secret_url)
        refused = _refused(error, host, action, asked) if error.status_code else None
        raise refused or _silent(error, host, action, remedy) from _cause(error, secret_url=secret_url)
    except AzureError as error:
        raise _silent(error, host, action, remedy) from _cause(error, secret_url=secret_url)
    except (DeserializationError, *_UNREADABLE) as error:  # a web server answered with something of its own
        if isinstance(error, BatchEndpointsError):
            raise
        if isinstance(error, OSError):  # a certificate's: a ValueError as well
            raise _silent(error, host, action, remedy) from _cause(error, secret_url=secret_url)
        raise TransportError(
            f"Could not {action}: '{host}' does not answer as a storage account. Check the address."
        ) from _cause(error, secret_url=secret_url)
    except OSError as error:
        if _of_network(error):
            raise _silent(error, host, action, remedy) from _cause(error, secret_url=secret_url)
        raise _local(error, action) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _BELOW and not isinstance(error, RecursionError):
            raise
        raise TransportError(f"Could not {action}: '{host}' gave no whole answer. {remedy}") from _cause(
            error, secret_url=secret_url
        )


def _cause(error: Exception, *, secret_url: bool) -> Exception:
    return RuntimeError(redact(f"{type(error).__name__}: {error}")[:_MOST]) if secret_url else error


def _asked(error: HttpResponseError, host: str, account: str, credential: str, *, signed: bool) -> Asked:
    method = str(getattr(getattr(error.response, "request", None), "method", "GET"))
    return Asked("storage", method, host, credential=credential, account=account, signed=signed)


def _refused(error: HttpResponseError, host: str, action: str, asked: Asked) -> ServiceError:
    status = error.status_code or 0
    headers = dict(getattr(error.response, "headers", None) or {})
    if not any(name.lower().startswith("x-ms-") for name in headers):  # an account sends some with every answer
        said = f"'{host}' answered {status} as a web server, not as a storage account."
        page = {"error": {"code": NOT_AN_ACCOUNT, "message": said}}
        return from_response(status, headers, page, action=action, remedy="")
    text = str(error.message or "")
    found = _CODE.search(text)
    code = str(getattr(getattr(error, "error_code", None), "value", "")) or (found[1] if found else None)
    said = " ".join(line for line in text.splitlines()[:1] if line.strip()).rstrip(".") or f"answered {status}"
    message = f"{said}. {_REMEDY[status]}" if status in _REMEDY else said
    detail = _HOLDS.search(text)
    added = [{"message": detail[0]}] if detail else []
    body: dict[str, object] = {"error": {"code": code or "", "message": message, "details": added}}
    # 412: a condition such as "only if there is none" did not hold; for callers the same as a conflict.
    remedy = "" if status in _REMEDY else None
    return from_response(409 if status == 412 else status, headers, body, action=action, remedy=remedy, asked=asked)


def _of_network(error: OSError) -> bool:
    """Whether the network failed rather than a file, which an error of a file names."""
    kinds = (ConnectionError, TimeoutError, socket.gaierror, ssl.SSLError)
    return error.filename is None and (isinstance(error, kinds) or error.errno in _NETWORK)


def _silent(error: AzureError | OSError, host: str, action: str, remedy: str) -> TransportError:
    from azure.core.exceptions import ServiceRequestError

    what = "could not be reached" if isinstance(error, ServiceRequestError) else "gave no whole answer"
    return TransportError(f"Could not {action}: the storage account at '{host}' {what}. {remedy}")


def _remedy(host: str) -> str:
    if leads_here(f"//{host}"):
        return "It is an address of this machine: start the storage service there, or correct the address."
    return "Check the network, VPN and proxy (HTTPS_PROXY), then try again."


def _local(error: OSError, action: str) -> Exception:
    name = str(error.filename or "")
    reason = error.strerror or type(error).__name__
    return LocalPathError(
        f"Could not {action}: the local file '{name}' failed ({reason}). Check its permissions and the disk's space.",
        path=Path(name),
    )
