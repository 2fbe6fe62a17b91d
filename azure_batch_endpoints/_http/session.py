"""One way to the service: build a request, send it through the azure-core pipeline, judge the answer.

Every request of the package but the transfers of ``_storage`` leaves here, and every exception of azure-core ends here.
What is sent, and where to, is decided elsewhere (``_wire``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from types import MappingProxyType, TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline import Pipeline, PipelineResponse
from azure.core.pipeline import transport as azure_transport
from azure.core.pipeline.policies import RequestIdPolicy, UserAgentPolicy
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.core.utils import case_insensitive_dict
from typing_extensions import Self

from azure_batch_endpoints._clouds import PUBLIC, Cloud
from azure_batch_endpoints._http.answer import Answer, Param
from azure_batch_endpoints._http.clock import Clock, Deadline, DeadlinePassed
from azure_batch_endpoints._http.failures import Refusals, no_answer, not_signed_in
from azure_batch_endpoints._http.policies import (
    CONNECTION_TIMEOUT,
    READ_TIMEOUT,
    AudiencePolicy,
    Hosts,
    NoToken,
    TimeLimitPolicy,
    WholeHeadersPolicy,
    logging_policy,
)
from azure_batch_endpoints._http.reading import decode, rest_of, with_defaults, with_query
from azure_batch_endpoints._http.retries import (
    REPEATABLE,
    SparingRetryPolicy,
    may_have_been_done,
    pause_asked,
    rest_asked,
)
from azure_batch_endpoints._http.reviving import Reviver, is_back
from azure_batch_endpoints._log_filter import blot_signatures
from azure_batch_endpoints._loopback import leads_here
from azure_batch_endpoints._version import __version__
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    ForeignHostError,
    ServerError,
    TooManyRequestsError,
    TransportError,
)

SUCCESS = (200, 201, 202, 204)


class Session:
    """A connection to one workspace's service; safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        credential: TokenCredential | None,
        scopes: Mapping[str, str],
        *,
        cloud: Cloud = PUBLIC,
        clock: Clock | None = None,
        transport: HttpTransport[HttpRequest, HttpResponse] | None = None,
        reviver: Reviver | None = None,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        """Prepare; nothing is sent and no connection is opened.

        Args:
            base_url: scheme, host and port of the management service, cloud or local.
            credential: gives the bearer tokens; None sends none.
            scopes: OAuth scope by audience name, e.g. ``{"management": "https://management.azure.com/.default"}``.
            cloud: whose domains :meth:`allow` believes.
            clock: for tests.
            transport: azure-core transport; None makes a ``RequestsTransport`` when the first request leaves. The
                session closes it. It must bear ``connection_timeout``, ``read_timeout`` and ``stream`` as keywords.
            reviver: of the local service. A request that it died under is sent again, whatever its method: the local
                service knows a job by its name, and everything else may be repeated anyway.
            read_timeout: seconds of silence after which an answer does not come any more.

        Raises:
            TransportError: ``base_url`` is not https and not this machine.
        """
        self.base_url = base_url.rstrip("/")
        self.cloud = cloud
        self.clock = clock or Clock()
        self.reviver = reviver
        self.is_local = leads_here(self.base_url)
        self.first_pause, self.longest_pause = (0.05, 0.5) if self.is_local else (0.5, 10.0)
        self._hosts = Hosts(self.base_url, cloud)
        self._retry = SparingRetryPolicy(self.clock, backoff=0.05 if self.is_local else 0.8)
        self._audiences = AudiencePolicy(credential, scopes)
        self._refusals = Refusals(credential, management=self.base_url)
        self._read_timeout = read_timeout
        self._transport = transport
        self._pipeline: Pipeline[HttpRequest, HttpResponse] | None = None
        self._closed = False
        self._lock = Lock()

    def allow(self, url: str, *, named_by: str, action: str, scoring: bool = False) -> None:
        """Let credentials go to the host of ``url``, which the workspace itself named (discovery, scoring URI).

        Args:
            url: the address.
            named_by: what named it, for the error.
            action: see :meth:`send`.
            scoring: it is a scoring URI; its host gets tokens for scoring only.

        Raises:
            ForeignHostError: the host is outside the cloud's domains (for a local service: outside this machine), or
                the URL is not https. Nothing was sent.
        """
        with _told(action):
            self._hosts.allow(url, named_by, scoring=scoring)

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Param] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        audience: str | None = "management",
        expected: Collection[int] = SUCCESS,
        retry_post: bool = False,
        named_by: str = "the call",
        action: str,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Send one request and return the answer, read and decoded.

        GET, HEAD, PUT, PATCH and DELETE are repeated up to three times when the service is busy or the connection
        breaks. A POST is repeated only after 429, which says that nothing was done, unless ``retry_post`` says that the
        service knows a repetition by its id. ``Retry-After`` is obeyed, up to two minutes a time and five in all.

        Args:
            method: HTTP method.
            url: a path of the base URL beginning with ``/``, or an absolute address as the service gave it.
            params: added to the query, quoted; None values are left out.
            json: the body, or None for none.
            headers: beside or instead of ``Accept: application/json``.
            audience: key of the constructor's ``scopes``; None sends no credential, then also to the cloud's storage.
            expected: the statuses that are not errors.
            retry_post: the POST is safe to repeat.
            named_by: what named ``url``, when an answer did.
            action: continues "Could not …" in an error's text, with the user's own names.
            deadline: time-outs and pauses are cut to it; None: no limit over all tries.

        Raises:
            ServiceError: the status is not in ``expected``.
            TransportError: no usable answer came.
            ForeignHostError: the host is not one to send to; nothing was sent.
            AuthenticationError: the credential gave no token (nothing was sent), or the service did not accept it.
            DeadlinePassed: ``deadline`` came first.
        """
        request = HttpRequest(method, self._absolute(url, params), json=json, headers=with_defaults(headers))
        self._check(request.url, audience, named_by, action)
        response = self._run(request, audience, action, stream=False, repeat=retry_post, deadline=deadline)
        http = response.http_response
        body = decode(http, strict=http.status_code in expected, action=action)
        if method == "DELETE" and http.status_code == 404 and may_have_been_done(response):
            body, expected = None, (404,)  # the first try did it
        self._judge(http, body, expected, action)
        return Answer(
            method=method,
            url=request.url,
            status=http.status_code,
            headers=MappingProxyType(case_insensitive_dict(http.headers)),
            body=body,
            retry_after=rest_asked(http.headers),
        )

    def stream_bytes(
        self,
        url: str,
        offset: int = 0,
        *,
        audience: str | None = None,
        named_by: str = "the call",
        action: str,
        deadline: Deadline | None = None,
    ) -> Iterator[bytes]:
        """Yield the content behind ``url`` from byte ``offset`` on, in chunks as they come.

        Args:
            url: usually pre-signed, and then sent without a credential to the service or its storage.
            offset: bytes to leave out at the beginning; a server that ignores ranges is cut here.
            audience: see :meth:`send`.
            named_by: see :meth:`send`.
            action: see :meth:`send`.
            deadline: see :meth:`send`.

        Raises:
            ServiceError: the service refused. An offset at the end is no error: nothing is yielded.
            ShorterThanThat: the content ends before the offset.
            TransportError: see :meth:`send`; also when the connection breaks midway.
        """
        # An empty blob answers a range with 416, and 200 when there is none (Azure Storage, recorded).
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        request = HttpRequest("GET", self._absolute(url, None), headers={"Accept-Encoding": "identity", **wanted})
        self._check(request.url, audience, named_by, action)
        http = self._run(request, audience, action, stream=True, deadline=deadline).http_response
        try:
            if http.status_code not in (200, 206, 416):
                http.read()
                self._judge(http, decode(http, strict=False, action=action), (), action)
            for chunk in rest_of(http, offset):
                yield chunk
                if deadline is not None:
                    deadline.check()
        except AzureError as error:
            raise no_answer(request, error, action, self.reviver) from error
        finally:
            http.close()

    def get_bytes(
        self, url: str, offset: int = 0, *, audience: str | None = None, named_by: str = "the call", action: str
    ) -> bytes:
        """Return the content behind ``url`` from byte ``offset`` on; see :meth:`stream_bytes`."""
        return b"".join(self.stream_bytes(url, offset, audience=audience, named_by=named_by, action=action))

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._closed

    def close(self) -> None:
        """Close the transport and its connections; twice is fine."""
        with self._lock:
            self._closed = True
            if self._transport is not None:
                self._transport.close()

    def __enter__(self) -> Self:
        """Return this session."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _absolute(self, url: str, params: Mapping[str, Param] | None) -> str:
        return with_query(self.base_url + url if url.startswith("/") else url, params)

    def _check(self, url: str, audience: str | None, named_by: str, action: str) -> None:
        with _told(action):
            if audience is None:
                self._hosts.check_signed(url, named_by)
            else:
                self._hosts.check(url, named_by, audience)

    def _run(
        self,
        request: HttpRequest,
        audience: str | None,
        action: str,
        *,
        stream: bool,
        repeat: bool = False,
        deadline: Deadline | None = None,
    ) -> PipelineResponse[HttpRequest, HttpResponse]:
        while True:
            times = self.reviver.times if self.reviver else 0
            try:
                return self._open(action).run(
                    request,
                    stream=stream,
                    audience=audience,
                    deadline=deadline,
                    retry_on_methods=REPEATABLE | {request.method} if repeat else REPEATABLE,
                )
            except (NoToken, ClientAuthenticationError) as error:
                raise not_signed_in(error, action) from error
            except (BatchEndpointsError, DeadlinePassed):
                raise
            except Exception as error:  # azure-core's, or what it lets through of the libraries below it
                if deadline is not None:
                    deadline.check()
                if not is_back(self.reviver, times, action, deadline):
                    raise no_answer(request, error, action, self.reviver) from error

    def _open(self, action: str) -> Pipeline[HttpRequest, HttpResponse]:
        with self._lock:
            if self._closed:
                raise TransportError(f"Could not {action}: the client is closed. Make a new one.")
            if self._pipeline is None:
                blot_signatures()
                self._transport = self._transport or _requests_transport(own_machine=self.is_local)
                self._transport.open()
                self._pipeline = Pipeline(self._transport, self._policies())
            return self._pipeline

    def _policies(self) -> list[Any]:
        return [
            RequestIdPolicy(),
            UserAgentPolicy(f"azure-batch-endpoints/{__version__}"),
            self._retry,
            TimeLimitPolicy(self._read_timeout),
            self._audiences,
            logging_policy(),
            WholeHeadersPolicy(),
        ]

    def _judge(self, http: HttpResponse, body: object, expected: Collection[int], action: str) -> None:
        if http.status_code in expected:
            return self._refusals.note(http.request.url)
        if 300 <= http.status_code < 400:
            target = urljoin(http.request.url, http.headers.get("Location", ""))
            self._check(target, "management", f"a redirect ({http.status_code})", action)
            raise TransportError(
                f"Could not {action}: the service answered with a redirect to '{urlsplit(target).hostname}', which is "
                f"not followed. Check the address of the service; a proxy or a sign-in page may be in between."
            )
        error = self._refusals.of(http, body, action)
        if isinstance(error, (TooManyRequestsError, ServerError)):
            error.retry_after = pause_asked(http.headers)
        raise error


@contextmanager
def _told(action: str) -> Iterator[None]:
    """Say what could not be done when a host is refused."""
    try:
        yield
    except ForeignHostError as refusal:
        raise ForeignHostError(f"Could not {action}. {refusal}", host=refusal.host) from refusal


def _requests_transport(*, own_machine: bool) -> HttpTransport[HttpRequest, HttpResponse]:
    # The attribute imports `requests` (0.1 s), which a client that sends nothing never needs. A proxy of the
    # environment must not come between this machine and itself: it would be handed the token.
    made: HttpTransport[HttpRequest, HttpResponse] = azure_transport.RequestsTransport(
        connection_timeout=CONNECTION_TIMEOUT, read_timeout=READ_TIMEOUT, use_env_settings=not own_machine
    )
    return made
