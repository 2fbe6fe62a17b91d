"""Policies of the azure-core pipeline that differ from the stock ones, and the rule for which host may get a token.

No call of the service is described here; ``session`` puts the policies in order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from urllib.parse import SplitResult, urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    HttpLoggingPolicy,
    HTTPPolicy,
    SansIOHTTPPolicy,
)
from azure.core.rest import HttpRequest, HttpResponse

from azure_batch_endpoints._clouds import Cloud
from azure_batch_endpoints._http.clock import Deadline
from azure_batch_endpoints._loopback import is_loopback
from azure_batch_endpoints.errors import ForeignHostError, TransportError, redact

CONNECTION_TIMEOUT = 10.0
READ_TIMEOUT = 60.0

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

_HTTP_1_1 = 11
_LAST_SECONDS = 10
"""Of a token's life, in which a request may not be there in time."""
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
            f"The address '{_shown(url)}' is not https. Plain http is used to this machine "
            "only. Nothing was sent. Write https://."
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
    raise TransportError(f"The address '{_shown(url)}' cannot be used. Nothing was sent. Write https://<host>.")


def _shown(url: str) -> str:
    return redact(url.partition("?")[0])[:200]


class TimeLimitPolicy(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """Give each try its time-outs, cut to what the call's deadline leaves."""

    def __init__(self, read_timeout: float) -> None:
        super().__init__()
        self._read_timeout = read_timeout

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Set the transport's time-outs for this try."""
        deadline: Deadline | None = request.context.setdefault(
            "deadline", request.context.options.pop("deadline", None)
        )
        left = self._read_timeout
        if deadline is not None:
            deadline.check()
            left = deadline.remaining()
        request.context.options["connection_timeout"] = min(CONNECTION_TIMEOUT, left)
        request.context.options["read_timeout"] = min(self._read_timeout, left)


class WholeHeadersPolicy(HTTPPolicy[HttpRequest, HttpResponse]):
    """Notice an answer that was cut off in its headers.

    ``http.client`` takes the end of the connection for the end of the headers: of a cut answer an empty one would be
    left, a job without a name or a log without lines. HTTP/1.1 says how long a body is, or that the end is the end.
    """

    def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, HttpResponse]:
        """Send; an answer that says neither is no answer, and neither is one whose headers cannot be read."""
        try:
            response = self.next.send(request)
        except (ValueError, HTTPException, OSError) as error:
            raise ServiceResponseError(error, error=error) from error
        http, stream = response.http_response, request.context.options.get("stream")
        if not _says_its_end(request.http_request, http) and (stream or not http.content):
            http.close()
            raise ServiceResponseError("The answer broke off in its headers.")
        return response


def _says_its_end(request: HttpRequest, http: HttpResponse) -> bool:
    if http.status_code in (204, 304) or http.status_code < 200 or request.method == "HEAD":
        return True
    named = http.headers
    told = named.get("Content-Length", "")[:1].isdigit() or "Transfer-Encoding" in named
    return told or "close" in named.get("Connection", "").lower() or _version(http) != _HTTP_1_1


def _version(http: HttpResponse) -> object:
    raw = getattr(getattr(http, "_internal_response", None), "raw", None)
    return getattr(raw, "version", None)


class NoToken(Exception):
    """The credential could not give a token."""


class _TokenPolicy(BearerTokenCredentialPolicy[HttpRequest, HttpResponse]):
    """azure-core's policy, which keeps the token, renews it before it ends and answers challenges, for one audience.

    A token that is refused all the same, revoked perhaps or outlived by a machine that slept, is replaced once.
    """

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Add the token; plain http is right for this machine only, which ``Hosts`` has seen to."""
        if request.http_request.url.startswith("http:"):
            request.context.options["enforce_https"] = False
        kept = self._token
        try:
            super().on_request(request)
        except Exception as error:  # azure-identity's, or whatever a credential of one's own raises
            # Tokens are renewed five minutes before they end: until then a credential may stumble.
            if kept is None or kept.expires_on <= time.time() + _LAST_SECONDS:
                raise NoToken(str(error) or type(error).__name__) from error
            self._update_headers(request.http_request.headers, kept.token)
        request.context["token_is_new"] = self._token is not kept

    def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, HttpResponse]:
        """Send; when a token that was kept from before is refused, once more with a new one.

        A request that was refused so was not carried out, whatever its method.
        """
        response = super().send(request)
        refused = request.http_request.headers.get("Authorization")
        if response.http_response.status_code != 401 or request.context["token_is_new"]:
            return response
        self.on_request(request)
        if request.http_request.headers.get("Authorization") == refused:
            return response  # the credential knows no other
        response.http_response.close()
        return self.next.send(request)


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
