"""How the service says no: a fault raised anywhere below a handler, and the error envelope it becomes.

Here: the values, the envelope of wire answers, and the faults that several nouns share. Not here: when to raise one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from azure_batch_endpoints._wire import scalars
from azure_batch_endpoints.errors import redact
from azure_batch_endpoints.local.job import LOCATION

_NOT_VALID = "The {} request provided has the following validation errors. Please resolve them and try again."
SHOWN = 10
"""Names listed in a message that says what exists."""


@dataclass(frozen=True)
class Detail:
    """One entry of ``error.details``."""

    code: str
    message: str


class ServiceFault(Exception):
    """An answer of 400 or more, with the words for the user.

    Attributes:
        status: HTTP status.
        code: ``error.code``.
        message: what happened, which input, what to do.
        details: inner causes; the client reads the first one's code.
        inner: codes of the ``InnerError`` entry, outermost first.
        headers: of the answer.
        bare: no body at all; the service answers an unknown compute so.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Detail] = (),
        inner: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        bare: bool = False,
    ) -> None:
        self.message = redact(message)  # inputs are named in it, and a URL may carry a signature
        super().__init__(self.message)
        self.status = status
        self.code = code
        self.details = tuple(Detail(one.code, redact(one.message)) for one in details)
        self.inner = tuple(inner)
        self.headers = dict(headers or {})
        self.bare = bare


@dataclass(frozen=True)
class Correlation:
    """Ids that connect an answer with the service's log.

    Attributes:
        operation: the same in ``x-ms-correlation-request-id``.
        request: the same in ``x-ms-request-id``.
    """

    operation: str
    request: str
    time: str = field(default_factory=scalars.now)


def envelope(fault: ServiceFault, correlation: Correlation) -> dict[str, Any]:
    """Return the error body of the management frontend (``error.additionalInfo`` included)."""
    info: list[dict[str, Any]] = [
        _info("ComponentName", "managementfrontend"),
        _info("Correlation", {"operation": correlation.operation, "request": correlation.request}),
        _info("Environment", LOCATION),
        _info("Location", LOCATION),
        _info("Time", correlation.time),
    ]
    if fault.inner:
        info.append(_info("InnerError", _nested(fault.inner)))
    details = [{"code": d.code, "message": d.message, "details": [], "additionalInfo": []} for d in fault.details]
    return {
        "error": {"code": fault.code, "message": fault.message, "details": details, "additionalInfo": info},
    }


def data_plane_envelope(fault: ServiceFault, correlation: Correlation, component: str) -> dict[str, Any]:
    """Return the error body of the run history and its neighbours: the same said in another shape."""
    unset = ("severity", "messageFormat", "messageParameters", "referenceCode", "detailsUri", "target", "debugInfo")
    details = [{"code": one.code, "message": one.message, "details": []} for one in fault.details]
    return {
        "error": {
            "code": fault.code,
            "message": fault.message,
            **dict.fromkeys(unset),
            "details": details,
            "innerError": _nested(fault.inner),
            "additionalInfo": None,
        },
        "correlation": {"operation": correlation.operation, "request": correlation.request},
        "environment": LOCATION,
        "location": LOCATION,
        "time": correlation.time,
        "componentName": component,
    }


def _info(kind: str, value: object) -> dict[str, Any]:
    return {"type": kind, "info": {"value": value}}


def _nested(codes: Sequence[str]) -> dict[str, Any] | None:
    return {"code": codes[0], "innerError": _nested(codes[1:])} if codes else None


def existing(names: Iterable[str]) -> str:
    """Return a sentence that says which names there are."""
    known = sorted(names)
    if not known:
        return "There are none yet: create one first."
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return "There are: " + ", ".join(f"'{name}'" for name in known[:SHOWN]) + more + "."


def bad_request(message: str, *, code: str = "UserError") -> ServiceFault:
    """Return the 400 of an input that cannot be used."""
    return ServiceFault(400, code, message, inner=("BadArgument", "ArgumentInvalid"))


def job_refused(name: str, message: str, attempted: object, *, kind: str = "Job") -> ServiceFault:
    """Return the 400 of an invoke that does not pass the service's validation, in the words it has for that.

    Args:
        name: of the property, such as ``InputData.Values[0]``.
        message: what is wrong with it.
        attempted: what was sent.
        kind: of the request, as the words name it.
    """
    found = {
        "PropertyName": name,
        "ErrorMessage": message,
        "AttemptedValue": attempted,
        "ErrorCode": "PredicateValidator",
    }
    errors = json.dumps([found], indent=2, ensure_ascii=False)
    said = f"{_NOT_VALID.format(kind)}\nErrors:\n{errors}\n"
    return ServiceFault(400, "UserError", said, inner=("BadArgument", "ArgumentInvalid", "InvalidInputArguments"))


def not_found(code: str, message: str) -> ServiceFault:
    """Return the 404 with the frontend's general message and the particular one in ``details``."""
    return ServiceFault(404, "NotFound", "The specified resource was not found.", details=(Detail(code, message),))
