"""What a region offers: here the one machine there is, as a size of nodes, and its worker processes as a quota."""

from __future__ import annotations

import os

from azure_batch_endpoints.local.exchange import REGION, Call, Entry, Reply
from azure_batch_endpoints.local.handlers.workspace import check_workspace
from azure_batch_endpoints.local.state import JobFilter
from azure_batch_endpoints.states import JobStatus

_MANY = 1000


def sizes(call: Call) -> Reply:
    """Answer with the sizes that nodes can have; others are recorded when a compute names them."""
    check_workspace(call)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    machine = {
        "name": "LOCAL",
        "family": "local",
        "vCPUs": os.cpu_count() or 1,
        "gpus": 0,
        "osVhdSizeMB": 0,
        "maxResourceVolumeMB": 0,
        "memoryGB": round(memory / 2**30, 1),
        "lowPriorityCapable": False,
        "premiumIO": False,
        "estimatedVMPrices": None,
        "supportedComputeTypes": ["AmlCompute"],
    }
    return Reply({"value": [machine]})


def usages(call: Call) -> Reply:
    """Answer with how many worker processes there may be, and how many the running jobs want."""
    check_workspace(call)
    running = call.context.state.jobs(JobFilter(status=JobStatus.RUNNING), None, _MANY)
    wanted = sum(
        row.request.settings.instance_count * row.request.settings.max_concurrency_per_instance for _, row in running
    )
    limit = call.context.settings.workers
    name = {"value": "Local Worker Processes", "localizedValue": "Local Worker Processes"}
    usage = {
        "id": f"{call.path.rstrip('/')}/LocalWorkerProcesses",
        "amlWorkspaceLocation": call.names["region"],
        "type": "Microsoft.MachineLearningServices/Usages",
        "unit": "Count",
        "currentValue": min(wanted, limit),
        "limit": limit,
        "name": name,
    }
    return Reply({"value": [usage]})


ENTRIES = (
    Entry("GET", REGION + "/vmSizes", sizes),
    Entry("GET", REGION + "/usages", usages),
)
