"""The code of a deployment with ``instrument=True``: the user's folder as it is, and one more file beside it.

The file stands in the user's cache, never in the folder.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from azure_batch_endpoints._storage.hashing import LocalFile, LocalTree
from azure_batch_endpoints.errors import LocalPathError
from azure_batch_endpoints.instrument import DRIVER, driver_path, driver_text


def driven(code: LocalTree, scoring_script: str) -> LocalTree:
    """Return a code folder with the driver of its scoring script in it; the folder itself is not touched.

    Raises:
        LocalPathError: the folder has a file of the driver's name, or the driver cannot be written to this machine.
    """
    name = driver_path(scoring_script)
    if code.holds(name):
        raise LocalPathError(
            f"Code '{code.path}' holds '{name}', which is the name of the file that instrument=True adds. "
            "Rename it, or leave instrument out. Nothing was sent.",
            path=code.path / name,
        )
    file = _written(driver_text(scoring_script).encode())
    about = file.stat()
    entries = (*code.entries, (DRIVER, LocalFile(file, name, about.st_size, about.st_mtime_ns)))
    return replace(code, entries=entries)


def _written(data: bytes) -> Path:
    """Keep the driver where it stays until the upload has ended; the same text is the same file."""
    folder = _cache() / hashlib.sha256(data).hexdigest()[:16]
    file = folder / DRIVER
    try:
        if not file.is_file() or file.read_bytes() != data:
            import tempfile

            folder.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "wb") as part:
                part.write(data)
            Path(made).replace(file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LocalPathError(
            f"The driver of instrument=True cannot be written to '{folder}' ({reason}). "
            "Name another cache folder in the variable XDG_CACHE_HOME. Nothing was sent.",
            path=folder,
        ) from error
    return file


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "azure-batch-endpoints" / "drivers"
