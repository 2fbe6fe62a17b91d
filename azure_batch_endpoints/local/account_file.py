"""A job's account as a file that any tool reads: one JSON object a line, one line an input file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from azure_batch_endpoints.local.ledger_reader import LedgerReader

NAME = "_ledger.jsonl"
"""In the output folder; by the underscore tools that read a whole folder as data know that it is none."""
MARK = "azure_batch_endpoints_account"
"""Metadata of such a file: a job that reads the output of another one passes it over."""
OF_DRIVER = "_abe/"
"""Folder in the output where the driver of a deployment with `instrument` keeps its own account; no input either."""
_LOOK = 10_000
"""Lines between two looks whether the job is to stop."""


def write_account(ledger: LedgerReader, target: Path, check: Callable[[], None] = lambda: None) -> None:
    """Write what became of each input, in the order of the inputs; nothing but a page of them is held.

    Args:
        ledger: the job's.
        target: the file; one that is there is replaced.
        check: called now and then; what it raises stops the writing.
    """
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for index, line in ledger.item_lines():
            if index % _LOOK == 0:
                check()
            file.write(f"{line}\n")
