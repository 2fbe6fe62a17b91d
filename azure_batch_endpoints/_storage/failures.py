"""What a storage account's refusals and silences are called in this package's words.

The exceptions of azure-core end here; their texts are not passed on whole, for they can carry a signed URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    LocalPathError,
    ServiceError,
    TransportError,
    from_response,
    redact,
)

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError

_REMEDY = {
    404: "Check the name and the path.",
    409: "It exists already, or something else holds it.",
    412: "Something else changed it meanwhile. Try again.",
}
_SERVICE_ENDED = "The local service seems to have ended. Start it again with BatchClient.local()."
_BESIDE = (
    "It is the local service's blob store, a server of its own. Azurite is started again when it ends: try again in a "
    "moment; service.log in the root folder tells more."
)
NOT_AN_ACCOUNT = "NotAStorageAccount"
"""Code of the error when a web server answered with a page of its own."""
_CODE = re.compile(r"ErrorCode:\s*(\w+)")


@contextmanager
def translated(
    host: str, action: str, *, secret_url: bool, of_service: bool = False, beside_service: bool = False
) -> Iterator[None]:
    """Turn what azure-core raises inside the block into this package's errors.

    Args:
        host: host and port of the account, for the text.
        action: continues "Could not …", with the user's own names.
        secret_url: the URLs carry a signature, so the cause (whose text may show it) is not chained.
        of_service: the account is the local service's own, answered by the service itself.
        beside_service: it is the local service's own, a server beside it (Azurite).

    Raises:
        ServiceError: the account answered with an error.
        TransportError: it gave no usable answer.
        LocalPathError: a local file could not be read or written.
    """
    from azure.core.exceptions import AzureError, DeserializationError, HttpResponseError  # with the first transfer

    remedy = _SERVICE_ENDED if of_service else _BESIDE if beside_service else _remedy(host)
    try:
        yield
    except HttpResponseError as error:
        refused = _refused(error, host, action, signed=secret_url) if error.status_code else None
        raise refused or _silent(error, host, action, remedy) from _cause(error, secret_url=secret_url)
    except AzureError as error:
        raise _silent(error, host, action, remedy) from _cause(error, secret_url=secret_url)
    except (DeserializationError, ValueError) as error:  # no AzureError: a web server answered with a page of its own
        if isinstance(error, BatchEndpointsError):
            raise
        raise TransportError(
            f"Could not {action}: '{host}' does not answer as a storage account. Check the address."
        ) from _cause(error, secret_url=secret_url)
    except OSError as error:
        raise _local(error, action) from error


def _cause(error: Exception, *, secret_url: bool) -> Exception | None:
    return None if secret_url else error


def _refused(error: HttpResponseError, host: str, action: str, *, signed: bool) -> ServiceError:
    status = error.status_code or 0
    headers = dict(getattr(error.response, "headers", None) or {})
    if not any(name.lower().startswith("x-ms-") for name in headers):  # an account sends some with every answer
        said = f"'{host}' answered {status} as a web server, not as a storage account."
        body = {"error": {"code": NOT_AN_ACCOUNT, "message": said}}
        return from_response(status, headers, body, action=action, remedy="")
    text = str(error.message or "")
    found = _CODE.search(text)
    code = str(getattr(getattr(error, "error_code", None), "value", "")) or (found[1] if found else None)
    said = " ".join(line for line in text.splitlines()[:1] if line.strip()).rstrip(".") or f"answered {status}"
    message = f"{said}. {_REMEDY[status]}" if status in _REMEDY else said
    # 412: a condition such as "only if there is none" did not hold; for callers the same as a conflict.
    body = {"error": {"code": code or "", "message": redact(message)}}
    # Nobody's roles count for a signature.
    remedy = (
        "Check until when the signature (SAS) holds, and what it allows." if signed and status in (401, 403) else None
    )
    return from_response(409 if status == 412 else status, headers, body, action=action, remedy=remedy)


def _silent(error: AzureError, host: str, action: str, remedy: str) -> TransportError:
    from azure.core.exceptions import ServiceRequestError

    what = "could not be reached" if isinstance(error, ServiceRequestError) else "gave no whole answer"
    return TransportError(f"Could not {action}: the storage account at '{host}' {what}. {remedy}")


def _remedy(host: str) -> str:
    if leads_here(f"//{host}"):
        return "It is an address of this machine: is a storage service running there?"
    return "Check the network, VPN and proxy (HTTPS_PROXY), then try again."


def _local(error: OSError, action: str) -> Exception:
    name = str(error.filename or "")
    reason = error.strerror or type(error).__name__
    return LocalPathError(
        f"Could not {action}: the local file '{name}' failed ({reason}). Check its permissions and the disk's space.",
        path=Path(name),
    )
