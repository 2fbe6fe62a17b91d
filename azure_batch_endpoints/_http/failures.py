"""What to say when no answer came: azure-core's exceptions in this package's words.

Answers that are errors are not dealt with here; they become exceptions in ``errors.from_response``.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)
from azure.core.rest import HttpRequest

from azure_batch_endpoints._http.policies import CONNECTION_TIMEOUT, READ_TIMEOUT, REPEATABLE
from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints.errors import AuthenticationError, TransportError, redact


def not_signed_in(error: Exception, action: str) -> AuthenticationError:
    """Say that the credential gave no token, and why in its own first line."""
    said = (str(error).strip().splitlines() or ["no reason given"])[0]
    return AuthenticationError(
        redact(
            f"Could not {action}: the credential gave no token ({said.rstrip('.')}). Nothing was sent. "
            f"Sign in (az login) or pass another credential."
        ),
        status_code=401,
        code="CredentialUnavailable",
    )


def no_answer(request: HttpRequest, error: AzureError, action: str) -> TransportError:
    """Say which host gave no answer, why, and what to do; of a POST also that it may have been carried out."""
    parts = urlsplit(request.url)
    what, remedy = _explain(error, local=leads_here(request.url))
    if request.method not in REPEATABLE and not isinstance(error, ServiceRequestError):
        remedy = f"The service may have done it all the same: look before you try again. {remedy}"
    return TransportError(f"Could not {action}: '{parts.netloc}' {what}. {remedy}")


def _explain(error: AzureError, *, local: bool) -> tuple[str, str]:
    network = "Check the network, VPN and proxy (HTTPS_PROXY), then try again."
    causes = tuple(_causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return (
            "did not pass the TLS check",
            "Behind a proxy that opens TLS, name its certificate in REQUESTS_CA_BUNDLE.",
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "is not a known host name", f"Is the name spelt right? {network}"
    if isinstance(error, ServiceRequestTimeoutError):
        return f"took no connection within {CONNECTION_TIMEOUT:g} s", network
    if isinstance(error, ServiceResponseTimeoutError):
        return f"gave no answer within {READ_TIMEOUT:g} s", "Try again; if it persists, look at the service's health."
    refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes)
    if local:
        what = "refused the connection" if refused else "broke the connection off"
        return what, "The local service seems to have ended. Start it again with BatchClient.local()."
    if refused:
        return "refused the connection", network
    return "broke the connection off before the whole answer was there", network


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    inner = getattr(error, "inner_exception", None)
    seen: list[BaseException] = []
    waiting = [inner if isinstance(inner, BaseException) else error]
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        yield one
        waiting += [one.__cause__, one.__context__, *(arg for arg in one.args if isinstance(arg, BaseException))]
