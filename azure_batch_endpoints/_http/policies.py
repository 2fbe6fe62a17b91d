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

from azure_batch_endpoints._clouds import Cloud
from azure_batch_endpoints._http.clock import Clock, Deadline
from azure_batch_endpoints._loopback import is_loopback
from azure_batch_endpoints.errors import ForeignHostError, TransportError, redact

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
    """The hosts a credential may go to: the base URL's own, the cloud's management, and those the workspace named."""

    def __init__(self, base_url: str, cloud: Cloud) -> None:
        own = _origin(base_url)
        self._own_is_local = is_loopback(own[1])
        self._cloud = cloud
        # Behind a gateway, the links of an answer may still lead to the management service itself.
        self._allowed = {own} if self._own_is_local else {own, _origin(cloud.management_url)}
        self._scoring: set[_Origin] = set()

    def allow(self, url: str, named_by: str, *, scoring: bool) -> None:
        """Let the host of ``url`` have credentials.

        Args:
            url: the address.
            named_by: what named it, e.g. "the endpoint's scoringUri".
            scoring: it is a scoring URI, and gets tokens for scoring only: the host is one of many in a domain where
                other people's endpoints are too.

        Raises:
            ForeignHostError: it lies outside the cloud's domains (or, for a local service, outside this machine), or
                the URL is not https.
        """
        origin = _origin_of(url, named_by)
        if origin in self._allowed:
            return
        domains = (self._cloud.scoring_domain,) if scoring else self._cloud.api_domains
        if not self._is_under(origin[1], domains):
            raise self._foreign(origin, named_by, f"no host of Azure Machine Learning in {self._cloud.name}")
        (self._scoring if scoring else self._allowed).add(origin)

    def check(self, url: str, named_by: str, audience: str) -> None:
        """Refuse a URL that would get a credential of ``audience`` and whose host nobody named for that.

        Raises:
            ForeignHostError: the host may not get one.
        """
        origin = _origin_of(url, named_by)
        if origin not in self._allowed and not (audience == "ml" and origin in self._scoring):
            raise self._foreign(origin, named_by, "not the service's own and not one that the workspace named")

    def check_signed(self, url: str, named_by: str) -> None:
        """Refuse a URL that carries its own signature and leads neither to the service nor to its storage.

        Raises:
            ForeignHostError: it does not.
        """
        origin = _origin_of(url, named_by)
        domains = (*self._cloud.api_domains, *self._cloud.blob_domains)
        if origin not in self._allowed and not self._is_under(origin[1], domains):
            raise self._foreign(origin, named_by, f"neither the service's own nor of storage in {self._cloud.name}")

    def _is_under(self, host: str, domains: Sequence[str]) -> bool:
        if self._own_is_local or is_loopback(host):
            return self._own_is_local and is_loopback(host)
        return f".{host}".endswith(tuple(f".{domain}" for domain in domains))

    def _foreign(self, origin: _Origin, named_by: str, what: str) -> ForeignHostError:
        host = origin[1] if origin[2] in (80, 443) else f"{origin[1]}:{origin[2]}"
        remedy = "If a proxy or gateway rewrites the service's links, make it keep the host."
        if self._own_is_local:
            what, remedy = "not this machine, where the service is", "Check what stands in between."
        return ForeignHostError(
            f"The host '{host}', named by {named_by}, is {what}. Nothing was sent there, no token either. {remedy}",
            host=host,
        )


def _origin_of(url: str, named_by: str) -> _Origin:
    try:
        return _origin(url)
    except TransportError as error:
        host = url.partition("://")[2].split("/")[0].split("?")[0].rpartition("@")[2]
        raise ForeignHostError(f"{error} It was named by {named_by}.", host=redact(host)[:200]) from error


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
