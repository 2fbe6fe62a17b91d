"""Every exception this package raises. What an HTTP answer becomes is decided in ``_refusals``.

    BatchEndpointsError
    ├─ InvalidInputError (ValueError)             found before anything was sent
    │  ├─ SpecError                .path .line .field
    │  ├─ ScoringScriptError       .path .line
    │  └─ LocalPathError (FileNotFoundError)      .path
    ├─ TransportError                             no answer: DNS, TLS, connection, local service gone
    │  └─ ForeignHostError         .host          an answer named a host that is not the service's
    ├─ ServiceError                .status_code .code .target .request_id
    │  ├─ AuthenticationError 401 · PermissionDeniedError 403 · NotFoundError 404 · ConflictError 409
    │  └─ TooManyRequestsError 429, ServerError 5xx .retry_after
    ├─ UploadError                 .path .uri
    ├─ ResultsError                               the job's rows cannot be read
    ├─ OperationFailedError        .resource      an endpoint, deployment or compute ended Failed or Canceled
    ├─ NotKeptError                .resource .fields  the service accepted it and kept something else
    ├─ JobFailedError              .job           the scoring script or the data
    │  └─ JobCanceledError
    ├─ WaitTimeoutError (TimeoutError) .resource  we stopped waiting; it did not stop
    └─ LocalServiceError                          port, blob store, engine or worker of the local service

A message says what happened, which input, and what to do, with the user's own names in quotes. Nothing here imports
the rest of the package or a third-party library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from azure_batch_endpoints.assets import Dataset, Environment, Model
    from azure_batch_endpoints.computes import Compute
    from azure_batch_endpoints.deployments import BatchDeployment
    from azure_batch_endpoints.endpoints import BatchEndpoint
    from azure_batch_endpoints.job import Job


class BatchEndpointsError(Exception):
    """Base of every error this package raises; secrets in its text are blotted out, and it can be pickled.

    What is live (``.job``, ``.resource``) stays behind when an error goes to another process, and is None there.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))

    def __reduce__(self) -> tuple[object, ...]:
        """Return what pickle and copy need: the keyword-only arguments would otherwise be missed."""
        return _remade, (type(self), self.args, {**vars(self), **_gone(self)})


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
    """5xx: the service failed.

    Attributes:
        retry_after: seconds to wait as the service said, or None.
    """

    retry_after: float | None = None


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
        request_id: of the answer that told it; quote it to support. None when the service sent none.
    """

    def __init__(self, message: str, resource: object, *, request_id: str | None = None) -> None:
        super().__init__(f"{message} Request id {request_id}." if request_id else message)
        self.request_id = request_id
        self.resource = cast("BatchEndpoint | BatchDeployment | Compute", resource)


class JobFailedError(BatchEndpointsError):
    """A job ended Failed: the scoring script or the data; ``str(error)`` names the first cause.

    Attributes:
        job: the job, refreshed; of several, the first.
        jobs: every job that failed, where several were waited for.
    """

    def __init__(self, message: str, job: Job, *others: Job) -> None:
        super().__init__(message)
        self.job = job
        self.jobs: tuple[Job, ...] = (job, *others)


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


@dataclass(frozen=True)
class NotKept:
    """One field that the service did not keep as it was asked for."""

    field: str
    """As the spec or ``invoke`` calls it, e.g. ``default_deployment`` or ``environment_variables.MODE``."""
    asked: object
    """What was sent; ``***`` for the value of an environment variable, which may be a secret."""
    kept: object
    """What the service answered; None: nothing."""

    def __str__(self) -> str:
        """Return it as messages show it."""
        kept = "nothing" if self.kept is None else f"'{self.kept}'"
        return f"{self.field} (asked '{self.asked}', kept {kept})"


class NotKeptError(BatchEndpointsError):
    """The service accepted a request and kept something else, which changes what jobs do. The thing exists.

    Attributes:
        resource: the object, as the service keeps it.
        fields: what was not kept.
    """

    def __init__(self, message: str, resource: object, fields: Sequence[NotKept]) -> None:
        super().__init__(message)
        self.resource = cast(
            "BatchEndpoint | BatchDeployment | Compute | Model | Environment | Dataset | Job", resource
        )
        self.fields = list(fields)


class NotKeptWarning(UserWarning):
    """The service accepted a request and dropped what does not change what jobs do: a description, tags, properties.

    Also where it is not certain that it did: Azure's answer to an invoke may show the deployment's settings.
    """


class LocalServiceError(BatchEndpointsError):
    """The local service, its blob store, engine or a worker could not start or stopped working."""


_NO_CODE = r"(?![a-z_][\w.]*\s*[,()\[])"
"""Not a name or a call in a line of Python, as of a traceback: ``connect(password=password)``."""
_NAMES = "(?<![a-z])(?:client[-_]?secret|(?:access|refresh|sas)[-_]?token|account[-_]?key|password)"
_SECRET = re.compile(
    r"(?im)("
    r"(?:[?&;]|^)sig=|\bsig=(?=[^&\s\"']+&s\w{1,3}=|[a-z0-9+/%]{32})"  # of a query, or alone
    r"|(?:\b|%(?:25)*(?:3F|26))sig%(?:25)*3D"
    rf"|\b(?:AccountKey|SharedAccessSignature)=|{_NAMES}=(?=[^&;\s\"'<>]){_NO_CODE}"
    r"|;\s*pwd=|\bpwd=(?=[^;\s\"']+;)"  # of a connection string; elsewhere it is a folder
    rf"|{_NAMES}(?:\s*=\s*|[\"']\s*:\s*)[\"']|[\"']key[\"']\s*:\s*[\"'](?=[a-z0-9+/]{{8,}}=)"
    r"|\bSharedKey(?:Lite)? [^:\s]+:"
    r"|\bBearer (?!(?:token|auth\w*|realm|error\w*|scheme|scope|resource|credential\w*)(?:[\s.,;:=]|$))"
    r")[^&;\s\"'<>]+"
    r"|(://)[^/\s:@\"'<>]*:[^/\s@\"'<>]+(?=@)|\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?|(?<![\w+/])[a-z0-9+/]{86}=="
)


def redact(text: str) -> str:
    """Return ``text`` with signatures, keys, tokens and names with passwords blotted out."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2] or ''}***", str(text))


def _gone(error: BatchEndpointsError) -> dict[str, object]:
    return {name: () if name == "jobs" else None for name in ("job", "jobs", "resource") if name in vars(error)}


def _remade(kind: type[BatchEndpointsError], args: tuple[object, ...], fields: dict[str, object]) -> object:
    error: BatchEndpointsError = (OSError if issubclass(kind, OSError) else Exception).__new__(kind, *args)
    error.args = args
    vars(error).update(fields)
    return error
