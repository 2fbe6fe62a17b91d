"""What to say when no answer came, in place of azure-core's exceptions, and what an answer that is an error was about.

The words for answers that are errors are those of ``_refusals``; what it has to know of the request is gathered here.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from azure.core.exceptions import (
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseTimeoutError,
)
from azure.core.rest import HttpRequest, HttpResponse

from azure_batch_endpoints._http.policies import CONNECTION_TIMEOUT, READ_TIMEOUT
from azure_batch_endpoints._http.retries import REPEATABLE
from azure_batch_endpoints._http.reviving import Reviver, ended
from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._refusals import Asked, Plane, from_response
from azure_batch_endpoints.errors import AuthenticationError, ServiceError, TransportError

_WORKSPACE = re.compile(r"(?i)/subscriptions/[^/?]+/resourceGroups/[^/?]+/providers/[^/?]+/workspaces/[^/?]+")
_SIGNED = re.compile(r"[?&]sig=")


class Refusals:
    """Makes the exceptions of one session's refused requests; remembers which workspace the session speaks of."""

    def __init__(self, credential: object, *, management: str) -> None:
        """Keep the name of the credential's class and the host of the management service."""
        self._credential = "" if credential is None else type(credential).__name__
        self._management = urlsplit(management).netloc
        self._scope = ""

    def note(self, url: str) -> None:
        """Remember the workspace that a request was about: a scoring URI does not name it."""
        if not self._scope and (found := _WORKSPACE.search(url)):
            self._scope = found[0]

    def of(self, http: HttpResponse, body: object, action: str) -> ServiceError:
        """Return the exception for an answer that is an error."""
        url = http.request.url
        self.note(url)
        parts = urlsplit(url)
        signed = bool(_SIGNED.search(url))
        plane: Plane = "storage" if signed else "management" if parts.netloc == self._management else "ml"
        asked = Asked(
            plane=plane,
            method=http.request.method,
            host=parts.netloc,
            scope=self._scope,
            credential=self._credential,
            signed=signed,
            about_compute="/computes/" in parts.path,
            local=leads_here(url),
        )
        return from_response(http.status_code, http.headers, body, action=action, asked=asked)


def not_signed_in(error: Exception, action: str) -> AuthenticationError:
    """Say that the credential gave no token, and why in its own first line."""
    said = (str(error).strip().splitlines() or ["no reason given"])[0]
    return AuthenticationError(
        f"Could not {action}: the credential gave no token ({said[:500].rstrip('.')}). Nothing was sent. "
        f"Sign in (az login) or pass another credential.",
        status_code=401,
        code="CredentialUnavailable",
    )


def no_answer(request: HttpRequest, error: Exception, action: str, reviver: Reviver | None = None) -> TransportError:
    """Say which host gave no answer, why, and what to do; of a POST also that it may have been carried out."""
    parts = urlsplit(request.url)
    what, remedy = _explain(error, ended(reviver) if leads_here(request.url) else "")
    if request.method not in REPEATABLE and not isinstance(error, ServiceRequestError):
        remedy = f"The service may have done it all the same: look before you try again. {remedy}"
    return TransportError(f"Could not {action}: '{parts.netloc}' {what}. {remedy}")


def _explain(error: Exception, locally: str) -> tuple[str, str]:
    network = "Check the network, VPN and proxy (HTTPS_PROXY), then try again."
    below = tuple(causes_of(error))
    if any(isinstance(cause, ssl.SSLError) for cause in below):
        return (
            "did not pass the TLS check",
            "Behind a proxy that opens TLS, name its certificate in REQUESTS_CA_BUNDLE.",
        )
    if any(isinstance(cause, socket.gaierror) for cause in below):
        return "is not a known host name", f"Is the name spelt right? {network}"
    if isinstance(error, ServiceRequestTimeoutError):
        return f"took no connection within {CONNECTION_TIMEOUT:g} s", network
    if isinstance(error, ServiceResponseTimeoutError):
        return f"gave no answer within {READ_TIMEOUT:g} s", "Try again; if it persists, look at the service's health."
    refused = any(isinstance(cause, ConnectionRefusedError) for cause in below)
    if locally:
        return "refused the connection" if refused else "broke the connection off", locally
    if refused:
        return "refused the connection", network
    return "broke the connection off before the whole answer was there", network


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    inner = getattr(error, "inner_exception", None)
    seen: list[BaseException] = []
    waiting = [inner if isinstance(inner, BaseException) else error]
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        yield one
        inner = getattr(one, "inner_exception", None)
        more = [one.__cause__, one.__context__, inner, *one.args]
        waiting += [other for other in more if isinstance(other, BaseException)]
