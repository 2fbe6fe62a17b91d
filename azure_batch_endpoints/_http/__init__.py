"""The way to the service and back: requests, operations, pages and waiting, over azure-core.

Knows no noun of Azure Machine Learning; what is sent is decided in ``_wire`` and by the entities.
"""

from azure_batch_endpoints._http.clock import Clock, Deadline, DeadlinePassed, pauses
from azure_batch_endpoints._http.operation import Operation, OperationEnded
from azure_batch_endpoints._http.paging import paged
from azure_batch_endpoints._http.session import AZURE_ML_DOMAINS, Answer, Param, Session

__all__ = [
    "AZURE_ML_DOMAINS",
    "Answer",
    "Clock",
    "Deadline",
    "DeadlinePassed",
    "Operation",
    "OperationEnded",
    "Param",
    "Session",
    "paged",
    "pauses",
]
