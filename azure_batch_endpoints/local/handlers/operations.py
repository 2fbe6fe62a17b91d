"""What became of an operation. Nothing here takes long: an operation has succeeded when its first answer is out.

Only a cancel may go on: it is asked after at ``mfeOperationResults`` and ends when its job has ended.
"""

from __future__ import annotations

from azure_batch_endpoints.local.exchange import REGION, Call, Entry, Reply, empty
from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.handlers import shapes

CANCEL = "jc"
_SOON = {"retry-after-ms": "200"}
"""For pollers that wait 30 s when nothing is said."""


def status(call: Call) -> Reply:
    """Answer how far an endpoint's or deployment's operation is."""
    operation = call.names["operation"]
    _check(call, operation)
    path = shapes.operation_url(call, "mfeOperationsStatus", operation).split("?")[0]
    return Reply({"id": path.removeprefix(call.context.base_url), "name": operation, "status": "Succeeded"})


def compute_status(call: Call) -> Reply:
    """Answer how far a compute's operation is."""
    _check(call, call.names["operation"])
    return Reply({"status": "Succeeded", "percentComplete": 100.0})


def results(call: Call) -> Reply:
    """Answer what an operation came to: nothing, once it has ended."""
    operation = call.names["operation"]
    kind, _, rest = operation.partition(":")
    if kind != CANCEL:
        _check(call, operation)
        return empty(200)
    job = call.context.state.job(rest.partition(":")[2])
    if job is None:
        raise _unknown(operation)
    if job.status.is_terminal:
        return empty(200)
    return Reply({}, 202, {"Location": shapes.operation_url(call, "mfeOperationResults", operation), **_SOON})


def _check(call: Call, operation: str) -> None:
    if call.context.state.resources.operation_started(operation) is None:
        raise _unknown(operation)


def _unknown(operation: str) -> ServiceFault:
    return ServiceFault(
        404, "NotFound", f"There is no operation '{operation}'. Ask for the URL of the answer that began it."
    )


ENTRIES = (
    Entry("GET", REGION + "/mfeOperationsStatus/{operation}", status),
    Entry("GET", REGION + "/mfeOperationResults/{operation}", results),
    Entry("GET", REGION + "/computeOperationsStatus/{operation}", compute_status),
)
