"""Policies of the azure-core pipeline that differ from the stock ones, and the rule for which host may get a token.

No call of the service is described here; ``session`` puts the policies in order.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    HttpLoggingPolicy,
    HTTPPolicy,
    RetryPolicy,
    SansIOHTTPPolicy,
)
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse

from azure_batch_endpoints._http.clock import Clock, Deadline
from azure_batch_endpoints._loopback import is_loopback
from azure_batch_endpoints.errors import TransportError, redact

CONNECTION_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
LONGEST_RETRY_AFTER = 120.0
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})

# Headers that carry no secret and help to find a request again. Location and Azure-AsyncOperation stay out: their
# queries are signed.
_LOGGED_HEADERS = (
    "azureml-model-deployment",
    "x-ms-async-operation-timeout",
    "x-ms-correlation-request-id",
    "x-ms-error-code",
    "x-ms-response-type",
    "x-request-time",
)

_Origin = tuple[str, str, int]


class Hosts:
    """The hosts a credential may go to: the base URL's own, and those the workspace named."""

    def __init__(self, base_url: str, domains: Sequence[str]) -> None:
        own = _origin(base_url)
        self._own_is_local = is_loopback(own[1])
        self._domains = tuple(f".{domain.lstrip('.').lower()}" for domain in domains)
        self._allowed = {own}

    def allow(self, url: str) -> None:
        """Let the host of ``url`` have credentials.

        Raises:
            TransportError: it lies outside the cloud's domains (or, for a local service, outside this machine), or the
                URL is not https.
        """
        origin = _origin(url)
        if origin in self._allowed:
            return
        if not self._believable(origin[1]):
            raise TransportError(
                f"The service named '{origin[1]}', which is not a host of Azure Machine Learning; no credential goes "
                f"there. Nothing was sent. Check the workspace's settings."
            )
        self._allowed.add(origin)

    def check(self, url: str) -> None:
        """Refuse a URL whose host nobody named.

        Raises:
            TransportError: the host may not get a credential.
        """
        origin = _origin(url)
        if origin not in self._allowed:
            raise TransportError(
                f"A credential was asked for by '{origin[1]}:{origin[2]}', a host that the workspace did not name. "
                f"Nothing was sent. If a proxy or gateway rewrites the service's links, make it keep the host."
            )

    def _believable(self, host: str) -> bool:
        if self._own_is_local or is_loopback(host):
            return self._own_is_local and is_loopback(host)
        return f".{host}".endswith(self._domains)


def check_url(url: str) -> None:
    """Refuse a URL that is neither https nor plain http to this machine, or that two parsers could read differently.

    Raises:
        TransportError: it is such a URL.
    """
    _origin(url)


def _origin(url: str) -> _Origin:
    """Return scheme, host and port of an absolute URL that is safe to be sent to."""
    parts = _split(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise TransportError(
            f"The address '{_shown(url)}' is not https. Plain http is used to this machine only. Nothing was sent."
        )
    return parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80)


def _split(url: str) -> SplitResult:
    # A backslash or a name before '@' is read as another host by urllib.parse than by the HTTP library: a token would
    # go to a host that was not checked.
    odd = "\\" in url or any(letter.isspace() or not letter.isprintable() for letter in url)
    try:
        parts = urlsplit(url)
        if not odd and parts.hostname and parts.netloc.isascii() and "@" not in parts.netloc and parts.port != 0:
            return parts
    except ValueError:
        pass  # brackets or a port that cannot be: refused like the rest
    raise TransportError(f"The address '{_shown(url)}' cannot be used. Nothing was sent.")


def _shown(url: str) -> str:
    return redact(url.partition("?")[0])[:200]


class SparingRetryPolicy(RetryPolicy[HttpRequest, HttpResponse]):
    """Send again only what is safe to send again, and never past the call's deadline.

    The stock policy sends a POST again after 500, 503 and 504, and any method after any error that carries
    ``Retry-After``: four jobs for one invoke (azure-core 1.41 ``_is_method_retryable``, ``is_retry``).
    """

    def __init__(self, clock: Clock, *, backoff: float) -> None:
        super().__init__(retry_backoff_factor=backoff)
        self._clock = clock

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        """Read the call's own settings, its deadline among them."""
        settings = super().configure_retries(options)
        settings["deadline"] = options.get("deadline") or Deadline(self._clock, None)
        return settings

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Tell whether this answer may be asked for again: the method and the status both allow it."""
        return (
            response.http_request.method in settings["methods"]
            and response.http_response.status_code in self._retry_on_status_codes
            and (self.get_retry_after(response) or 0) <= LONGEST_RETRY_AFTER
        )

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the seconds the service asked to wait; None when it did not say so, said 0, or nothing readable."""
        try:
            return super().get_retry_after(response) or None
        except (ValueError, OverflowError):
            return None

    def sleep(
        self,
        settings: dict[str, Any],
        transport: HttpTransport[HttpRequest, HttpResponse],  # noqa: ARG002 - azure-core's signature; our clock sleeps
        response: PipelineResponse[HttpRequest, HttpResponse] | None = None,
    ) -> None:
        """Wait before the next try, on our clock and within the deadline."""
        asked = self.get_retry_after(response) if response else None
        deadline: Deadline = settings["deadline"]
        deadline.sleep(asked or self.get_backoff_time(settings))


class TimeLimitPolicy(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """Give each try its time-outs, cut to what the call's deadline leaves."""

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Set the transport's time-outs for this try."""
        deadline: Deadline | None = request.context.setdefault(
            "deadline", request.context.options.pop("deadline", None)
        )
        left = READ_TIMEOUT
        if deadline is not None:
            deadline.check()
            left = deadline.remaining()
        request.context.options["connection_timeout"] = min(CONNECTION_TIMEOUT, left)
        request.context.options["read_timeout"] = min(READ_TIMEOUT, left)


class NoToken(Exception):
    """The credential could not give a token."""


class _TokenPolicy(BearerTokenCredentialPolicy[HttpRequest, HttpResponse]):
    """azure-core's policy, which keeps the token and answers challenges, for one audience."""

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Add the token; plain http is right for this machine only, which ``Hosts`` has seen to."""
        if request.http_request.url.startswith("http:"):
            request.context.options["enforce_https"] = False
        try:
            super().on_request(request)
        except AzureError as error:
            raise NoToken(str(error)) from error


class AudiencePolicy(HTTPPolicy[HttpRequest, HttpResponse]):
    """Add the bearer token of the audience that the call names; none when it names none."""

    def __init__(self, credential: TokenCredential | None, scopes: Mapping[str, str]) -> None:
        super().__init__()
        self._policies = {} if credential is None else {name: _TokenPolicy(credential, scopes[name]) for name in scopes}

    def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, HttpResponse]:
        """Send with the token of ``audience``, an option of the call that outlives its retries."""
        audience = request.context.setdefault("audience", request.context.options.pop("audience", None))
        if audience is None or not self._policies:
            return self.next.send(request)
        policy = self._policies[audience]
        policy.next = self.next
        return policy.send(request)


def logging_policy() -> HttpLoggingPolicy:
    """Return azure-core's logging of method, address, status and harmless headers, on our logger at DEBUG.

    Bodies are never logged; the values of queries (but ``api-version``) and of all other headers are blotted out.
    """
    from azure.mgmt.core.policies import ARMHttpLoggingPolicy  # knows the rate limit headers; 20 ms to import

    policy = ARMHttpLoggingPolicy(logging.getLogger("azure_batch_endpoints.http"), http_logging_level=logging.DEBUG)
    policy.allowed_header_names.update(_LOGGED_HEADERS)
    return policy
