"""What the service answers, one module a noun; each is a function from ``Call`` to ``Reply``, run in a thread.

A module reads with ``_wire.models``, keeps what was asked in the state, and fills in, recases and rewrites what the
real service does. It scores nothing and moves no bytes.
"""

from __future__ import annotations

from azure_batch_endpoints.local.handlers import (
    assets,
    codes,
    computes,
    containers,
    datastores,
    deployments,
    endpoints,
    finished_rows,
    history,
    job_changes,
    job_rows,
    jobs,
    logs,
    mini_batches,
    operations,
    region,
    scoring,
    studio,
    workspace,
)

_MODULES = (
    *(workspace, endpoints, deployments, operations, codes, assets, containers),
    *(
        datastores,
        computes,
        region,
        jobs,
        job_rows,
        finished_rows,
        job_changes,
        mini_batches,
        scoring,
        history,
        logs,
        studio,
    ),
)
ENTRIES = tuple(entry for module in _MODULES for entry in module.ENTRIES)
"""Every route; where two match, the first one answers."""
