"""A job's log files, read while they grow: signed addresses that need no token, ranges."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import Call, Entry, FileReply
from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.open_routes import LOGS, signature, signed

_FROM = re.compile(r"bytes=(\d+)-\d*")


def log_files(context: ServiceContext, job: str) -> dict[str, str]:
    """Return the address of each log file of a job, by its path in the log layout."""
    folder = _folder(context, job)
    return {path: _address(context, job, path) for path in sorted(_relative(folder))}


def _folder(context: ServiceContext, job: str) -> Path:
    return context.settings.job_folder(job) / "run"


def _relative(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name).relative_to(folder).as_posix()


def _address(context: ServiceContext, job: str, path: str) -> str:
    return f"{context.base_url}{LOGS}{quote(job)}/{quote(path)}?sig={signature(context.token, f'{job}/{path}')}"


def read(call: Call) -> FileReply:
    """Answer with a log file from the asked byte on; 416 when it has nothing there yet."""
    job, path = call.names["job"], call.names["path"]
    if not signed(call.context.token, f"{job}/{path}", call.query.get("sig", "")):
        raise ServiceFault(403, "AuthenticationFailed", "The signature of this address is not valid. Ask for it again.")
    folder = _folder(call.context, job).resolve()
    file = (folder / path).resolve()
    if not file.is_relative_to(folder) or not file.is_file():
        raise ServiceFault(404, "NotFound", f"Job '{job}' has no log file '{path}'. List its log files first.")
    wanted = _FROM.fullmatch(call.headers.get("range", "").strip())
    size = file.stat().st_size
    if wanted and int(wanted[1]) >= size:
        headers = {"Content-Range": f"bytes */{size}"}
        said = f"The log file '{path}' has {size} bytes now. Ask for fewer."
        raise ServiceFault(416, "InvalidRange", said, headers=headers)
    return FileReply(file)


ENTRIES = (Entry("GET", LOGS + "{job}/{path:path}", read),)
