"""The way to the service and back: requests, operations, pages and waiting, over azure-core.

Knows no noun of Azure Machine Learning; what is sent is decided in ``_wire`` and by the entities. azure-core is
imported with the first session, not with the names here: it takes a quarter of what importing a client may take.
"""

from typing import TYPE_CHECKING

from azure_batch_endpoints._http.answer import Answer, Param, ShorterThanThat
from azure_batch_endpoints._http.clock import Clock, Deadline, DeadlinePassed, pauses
from azure_batch_endpoints._http.operation import Operation, OperationEnded
from azure_batch_endpoints._http.paging import paged
from azure_batch_endpoints._http.patience import Patience, never_left, told_more

if TYPE_CHECKING:
    from azure_batch_endpoints._http.session import Session

__all__ = [
    "Answer",
    "Clock",
    "Deadline",
    "DeadlinePassed",
    "Operation",
    "OperationEnded",
    "Param",
    "Patience",
    "Session",
    "ShorterThanThat",
    "never_left",
    "paged",
    "pauses",
    "told_more",
]


def __getattr__(name: str) -> object:
    if name != "Session":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from azure_batch_endpoints._http.session import Session

    return Session
