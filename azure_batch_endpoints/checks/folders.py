"""The code folder and the model's as they are uploaded: what is left out, and what hardly belongs there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from azure_batch_endpoints._storage.ignoring import Ignored
from azure_batch_endpoints.checks.findings import Finding
from azure_batch_endpoints.checks.imports import is_left_out
from azure_batch_endpoints.checks.model import below

MUCH_CODE = 100_000_000
MANY_FILES = 2_000
MUCH_MODEL = 10_000_000_000
_LOOKED_AT = 20_000
_STRAY = (".git", ".venv", "venv", "node_modules", ".ipynb_checkpoints", "mlruns")


def check_code_folder(code: Path, script: str) -> list[Finding]:
    """Look at the folder of the scoring script."""
    found = list(_weighed(code, "code folder", MUCH_CODE, MANY_FILES))
    if is_left_out(Ignored.of(code), script):
        text = f"The ignore file of '{code}' leaves the scoring script '{script}' out. Take its line out."
        found.insert(0, Finding("error", text, code / script, blocks=True))
    return found


def check_model_folder(model: Path) -> list[Finding]:
    """Look at the folder of a model."""
    return list(_weighed(model, "model", MUCH_MODEL, _LOOKED_AT))


def _weighed(folder: Path, what: str, much: int, many: int) -> Iterator[Finding]:
    files = 0
    sizes: Counter[str] = Counter()
    for name in below(folder, Ignored.of(folder)):
        path = folder / name
        if path.is_file():
            files += 1
            sizes[name.partition("/")[0]] += path.stat().st_size
        if files > _LOOKED_AT:
            break
    size = sizes.total()
    remedy = f"List what is not needed in '{folder / '.amlignore'}'."
    stray = [one for one in _STRAY if one in sizes]
    if stray:
        text = f"The {what} '{folder}' holds '{stray[0]}', which would be uploaded too. {remedy}"
        yield Finding("warning", text, folder)
    if size > much or files > many:
        count = f"{files:,} files" if files <= _LOOKED_AT else f"more than {_LOOKED_AT:,} files"
        largest = sizes.most_common(1)[0]
        weight = f"{size / 1e6:,.0f} MB ('{largest[0]}' {largest[1] / 1e6:,.0f} MB)"
        text = f"The {what} '{folder}' has {count} and {weight}. {remedy}"
        yield Finding("warning", text, folder)
