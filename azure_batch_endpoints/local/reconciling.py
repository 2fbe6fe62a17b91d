"""A job's account counted again, row by row, and compared: what does not add up, in words.

Here: reading and comparing. Not here: what becomes of a job whose account does not add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from azure_batch_endpoints.local.ledger_file import LedgerFile
from azure_batch_endpoints.local.ledger_values import Reconciliation

_RANGES = (
    "SELECT part, part_offset, part_length FROM"
    " (SELECT part, part_offset, part_length FROM mini_batches WHERE part IS NOT NULL"
    "  UNION ALL SELECT part, part_offset, part_length FROM pieces WHERE part IS NOT NULL)"
)
_TWICE = (
    "SELECT part, part_offset, length, next FROM"
    " (SELECT part, part_offset, part_length AS length,"
    "  lead(part_offset) OVER (PARTITION BY part ORDER BY part_offset, part_length) AS next"
    f" FROM ({_RANGES})) WHERE next < part_offset + length LIMIT 1"
)
_PIECES = (
    "SELECT p.mini_batch, m.failed, sum(p.failed), m.row_count, sum(p.row_count), m.items, sum(p.last - p.first + 1),"
    " min(p.first) - p.mini_batch * j.mini_batch_size, m.part"
    " FROM pieces p CROSS JOIN job j LEFT JOIN mini_batches m ON m.number = p.mini_batch GROUP BY p.mini_batch"
    " HAVING m.number IS NULL OR m.failed != sum(p.failed) OR m.row_count != sum(p.row_count)"
    " OR m.items != sum(p.last - p.first + 1) OR min(p.first) != p.mini_batch * j.mini_batch_size"
    " OR max(p.last) != p.mini_batch * j.mini_batch_size + m.items - 1 OR m.part IS NOT NULL LIMIT 1"
)


def reconcile(file: LedgerFile, *, rows_written: int | None, parts: Path | None, ended_early: bool) -> Reconciliation:
    """Count everything again and compare.

    Args:
        file: the ledger's.
        rows_written: rows that the writer put into the output; None: not compared.
        parts: folder of the segments that hold the rows; None: not looked at.
        ended_early: the job failed or was cancelled, so its listing need not be complete.
    """
    with file.transaction():  # nobody writes meanwhile
        by_status: dict[str, int] = dict(file.rows("SELECT status, count(*) FROM items GROUP BY status"))
        counted = file.rows("SELECT count(*), sum(items), sum(failed), sum(row_count) FROM mini_batches")[0]
        kept = file.rows("SELECT done, items_done, items_failed, row_count, listed, sealed FROM job")[0]
        found = [*_stray_failures(file), *_pieces(file), *_parts(file, parts)]
    succeeded, failed, pending = (by_status.get(status, 0) for status in ("succeeded", "failed", "pending"))
    batches, items, items_failed, rows = (value or 0 for value in counted)
    inputs = succeeded + failed + pending
    checks = {
        f"{inputs} inputs are recorded, {kept[4]} were listed": inputs == kept[4],
        "the listing was not finished": bool(kept[5]) or ended_early,
        f"{succeeded + failed} inputs are done, mini-batches say {items}": succeeded + failed == items,
        f"{failed} inputs failed, mini-batches say {items_failed}": failed == items_failed,
        f"running counts {kept[:4]} differ from {(batches, items, items_failed, rows)}": kept[:4]
        == (batches, items, items_failed, rows),
        f"{rows} rows were returned, {rows_written} written": rows_written in (None, rows),
    }
    problems = (*(text for text, fine in checks.items() if not fine), *found)
    return Reconciliation(inputs, succeeded, failed, pending, rows, problems)


def _stray_failures(file: LedgerFile) -> Iterator[str]:
    """Failures of files that no mini-batch which is done has."""
    for (index,) in file.rows(
        "SELECT f.idx FROM failures f CROSS JOIN job j LEFT JOIN inputs i ON i.idx = f.idx"
        " LEFT JOIN mini_batches m ON m.number = f.idx / j.mini_batch_size"
        " WHERE i.idx IS NULL OR m.number IS NULL LIMIT 1"
    ):
        yield f"input {index} failed, but its mini-batch is not done"


def _pieces(file: LedgerFile) -> Iterator[str]:
    """What a mini-batch that was split says of itself, and what its pieces say."""
    for row in file.rows(_PIECES):
        yield _of_pieces(*row)
    gap = file.rows(
        "SELECT mini_batch, last, next FROM (SELECT mini_batch, last,"
        " lead(first) OVER (PARTITION BY mini_batch ORDER BY first) AS next FROM pieces) WHERE next != last + 1 LIMIT 1"
    )
    for number, last, following in gap:
        yield f"a piece of mini-batch {number} ends with input {last}, the next one begins with {following}"
    differing = file.rows(
        "SELECT p.first, p.last, p.failed, count(f.idx) FROM pieces p"
        " LEFT JOIN failures f ON f.idx BETWEEN p.first AND p.last GROUP BY p.first HAVING count(f.idx) != p.failed"
        " LIMIT 1"
    )
    for first, last, failed, counted in differing:
        yield f"{counted} of the inputs {first} to {last} failed, their piece says {failed}"


def _of_pieces(number: int, *row: Any) -> str:
    failed, failed_sum, rows, rows_sum, items, items_sum, start, part = row
    if items is None:
        return f"there are pieces of mini-batch {number}, which is not done"
    return (
        f"mini-batch {number} has {items} files, {failed} failed, {rows} rows; its pieces have {items_sum} files,"
        f" {failed_sum} failed, {rows_sum} rows, and begin {start} files after it"
        f"{' (and it has rows of its own beside them)' if part else ''}"
    )


def _parts(file: LedgerFile, folder: Path | None) -> Iterator[str]:
    """Rows that two mini-batches lay claim to, and rows that are not in their segment."""
    for name, offset, length, following in file.rows(_TWICE):
        yield f"rows from byte {following} of '{name}' are used twice: {offset} to {offset + length} have an owner"
    ends = file.rows(f"SELECT part, max(part_offset + part_length) FROM ({_RANGES}) GROUP BY part")
    for name, end in ends if folder is not None else ():
        path = folder / name
        size = path.stat().st_size if path.is_file() else 0
        if size < end:
            yield f"'{name}' has {size} bytes, its rows end at byte {end}"
