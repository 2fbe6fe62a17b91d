"""Every exception this package raises, and the one place where an HTTP answer becomes one of them.

    BatchEndpointsError
    ├─ InvalidInputError (ValueError)             found before anything was sent
    │  ├─ SpecError                .path .line .field
    │  ├─ ScoringScriptError       .path .line
    │  └─ LocalPathError (FileNotFoundError)      .path
    ├─ TransportError                             no answer: DNS, TLS, connection, local service gone
    │  └─ ForeignHostError         .host          an answer named a host that is not the service's
    ├─ ServiceError                .status_code .code .target .request_id
    │  ├─ AuthenticationError 401 · PermissionDeniedError 403 · NotFoundError 404 · ConflictError 409
    │  └─ TooManyRequestsError 429 .retry_after · ServerError 5xx
    ├─ UploadError                 .path .uri
    ├─ ResultsError                               the job's rows cannot be read
    ├─ OperationFailedError        .resource      an endpoint, deployment or compute ended Failed or Canceled
    ├─ JobFailedError              .job           the scoring script or the data
    │  └─ JobCanceledError
    ├─ WaitTimeoutError (TimeoutError) .resource  we stopped waiting; it did not stop
    └─ LocalServiceError                          port, blob store, engine or worker of the local service

A message says what happened, which input, and what to do, with the user's own names in quotes. Nothing here imports
the rest of the package or a third-party library.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure_batch_endpoints.computes import Compute
    from azure_batch_endpoints.deployments import BatchDeployment
    from azure_batch_endpoints.endpoints import BatchEndpoint
    from azure_batch_endpoints.job import Job


class BatchEndpointsError(Exception):
    """Base of every error this package raises."""


class InvalidInputError(BatchEndpointsError, ValueError):
    """An argument, path or file was wrong; nothing was sent."""


class SpecError(InvalidInputError):
    """A spec given by keywords or read from YAML is wrong; nothing was sent.

    Attributes:
        path: the YAML file, or None for keywords.
        line: line in that file, counted from 1, or None.
        field: dotted name of the offending setting, e.g. ``retry_settings.timeout``, or None.
    """

    def __init__(
        self, message: str, *, path: Path | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        where = "" if path is None else f"{path.name}, line {line}: " if line else f"{path.name}: "
        super().__init__(where + message)
        self.path = path
        self.line = line
        self.field = field


class ScoringScriptError(InvalidInputError):
    """The scoring script cannot work; nothing was sent.

    Attributes:
        path: the script.
        line: the offending line, counted from 1, or None.
    """

    def __init__(self, message: str, *, path: Path, line: int | None = None) -> None:
        where = f"{path.name}, line {line}: " if line else f"{path.name}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


class LocalPathError(InvalidInputError, FileNotFoundError):
    """A local path does not exist, is empty, or is not what was asked for.

    Attributes:
        path: the path as the user gave it.
    """

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path

    def __str__(self) -> str:
        """Return the message alone (OSError would add its errno fields)."""
        return str(self.args[0])


class TransportError(BatchEndpointsError):
    """No answer came: name look-up, TLS, connection or time-out; the local service may be gone."""


class ForeignHostError(TransportError):
    """An answer named an address that is not one of the service; nothing was sent there.

    Attributes:
        host: the host that was named, or what stands in its place; empty when there is none.
    """

    def __init__(self, message: str, *, host: str) -> None:
        super().__init__(message)
        self.host = host


class ServiceError(BatchEndpointsError):
    """The service answered with an error.

    Attributes:
        status_code: HTTP status.
        code: the service's own error code, innermost first known, or None.
        target: what the service says the error is about, or None.
        request_id: quote it to support; None when the service sent none.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        target: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code
        self.target = target
        self.request_id = request_id


class AuthenticationError(ServiceError):
    """401: no valid token."""


class PermissionDeniedError(ServiceError):
    """403: the credential lacks a role."""


class NotFoundError(ServiceError):
    """404: there is no such thing."""


class ConflictError(ServiceError):
    """409: it exists already, or is busy."""


class TooManyRequestsError(ServiceError):
    """429: too many requests.

    Attributes:
        retry_after: seconds to wait as the service said, or None.
    """

    retry_after: float | None = None


class ServerError(ServiceError):
    """5xx: the service failed."""


class UploadError(BatchEndpointsError):
    """A local file could not be uploaded.

    Attributes:
        path: the file.
        uri: where it was going, without any credential.
    """

    def __init__(self, message: str, *, path: Path, uri: str) -> None:
        super().__init__(message)
        self.path = path
        self.uri = uri


class ResultsError(BatchEndpointsError):
    """A job's results are not there, or cannot be read as asked."""


class OperationFailedError(BatchEndpointsError):
    """An endpoint, deployment or compute ended Failed or Canceled.

    Attributes:
        resource: the object as it is now.
    """

    def __init__(self, message: str, resource: object) -> None:
        super().__init__(message)
        self.resource = cast("BatchEndpoint | BatchDeployment | Compute", resource)


class JobFailedError(BatchEndpointsError):
    """A job ended Failed: the scoring script or the data; ``str(error)`` names the first cause.

    Attributes:
        job: the job, refreshed.
    """

    def __init__(self, message: str, job: Job) -> None:
        super().__init__(message)
        self.job = job


class JobCanceledError(JobFailedError):
    """A job ended Canceled."""


class WaitTimeoutError(BatchEndpointsError, TimeoutError):
    """The time to wait was over; what was waited for goes on.

    Attributes:
        resource: the object as last seen.
    """

    def __init__(self, message: str, resource: object) -> None:
        super().__init__(message)
        self.resource = cast("BatchEndpoint | BatchDeployment | Compute | Job", resource)

    def __str__(self) -> str:
        """Return the message alone (OSError would add its errno fields)."""
        return str(self.args[0])


class LocalServiceError(BatchEndpointsError):
    """The local service, its blob store, engine or a worker could not start or stopped working."""


_BY_STATUS: dict[int, type[ServiceError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: TooManyRequestsError,
}
_REMEDY = {
    401: "Sign in again (az login) or pass another credential.",
    403: "Ask for the role 'AzureML Data Scientist' on the workspace, 'Storage Blob Data Contributor' on its storage.",
    429: "Wait and try again.",
}
_SECRET = re.compile(
    r"(?i)((?:sig|sv|se|AccountKey|SharedAccessSignature)=)[^&;\s\"']+|(Bearer )\S+|(://)[^/\s:@]*:[^/\s@]+(?=@)"
)


def redact(text: str) -> str:
    """Return ``text`` with signatures, keys, bearer tokens and names with passwords blotted out."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2] or found[3]}***", text)


def from_response(
    status_code: int, headers: Mapping[str, str], body: object, *, action: str, remedy: str | None = None
) -> ServiceError:
    """Make the exception for an HTTP answer that is an error.

    Understands the ARM body ``{"error": {"code", "message", "details": [...]}}``, the data plane's nested
    ``innerError``, plain text and an empty body (the service sends one for an unknown compute).

    Args:
        status_code: HTTP status, 400 or more.
        headers: answer headers; names in any case.
        body: the decoded JSON, or the text, or None.
        action: what was being done, as it continues "Could not …", e.g. ``create endpoint 'heart'``.
        remedy: what to do about it; None: the status's usual advice.
    """
    named = {name.lower(): value for name, value in headers.items()}
    code, said, target = _read_error(body)
    request_id = named.get("x-ms-request-id") or named.get("x-request-id") or named.get("x-ms-correlation-request-id")
    missing = "there is no such thing; check the name" if status_code == 404 else f"the service answered {status_code}"
    parts = [f"Could not {action}: {said or missing}".rstrip(".") + "."]
    if advice := _REMEDY.get(status_code, "") if remedy is None else remedy:
        parts.append(advice)
    if request_id:
        parts.append(f"Request id {request_id}.")
    kind = _BY_STATUS.get(status_code, ServerError if status_code >= 500 else ServiceError)
    error = kind(redact(" ".join(parts)), status_code=status_code, code=code, target=target, request_id=request_id)
    if isinstance(error, TooManyRequestsError):
        error.retry_after = _seconds(named.get("retry-after"))
    return error


def _read_error(body: object) -> tuple[str | None, str | None, str | None]:
    if isinstance(body, str):
        return None, body.strip()[:1000] or None, None
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None, None, None
    details = [d for d in error.get("details") or [] if isinstance(d, dict)]
    message = str(error.get("message") or "").strip()
    extra = [str(d["message"]).strip() for d in details if d.get("message") and str(d["message"]) != message]
    code = next((str(d["code"]) for d in details if d.get("code")), None) or error.get("code")
    target = error.get("target") or next((d["target"] for d in details if d.get("target")), None)
    return code, " ".join([message, *extra]).strip() or None, target


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None
