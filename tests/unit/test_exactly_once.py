"""Whatever is recorded, repeated, interrupted and taken up again: each mini-batch's rows are there once, in order."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_batch_endpoints.local.account_file import write_account
from azure_batch_endpoints.local.engines.base import Failure, Outcome, OutcomeStatus, Part, Piece, RowFormat, Try
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.plan import InputItem
from azure_batch_endpoints.local.writer import write_rows

SIZE = 3
COUNT = 14
WRONG = Failure("ValueError", "bad", "Traceback", "score.py", 4)
KINDS = ("succeeded", "failed", "partial", "split", "retried")
Step = tuple[int, str, str]


@dataclass
class Model:
    """What the job should come to, in plain values."""

    rows: dict[int, bytes] = field(default_factory=dict)
    failed: dict[int, set[int]] = field(default_factory=dict)


def files_of(number: int) -> list[int]:
    return list(range(number * SIZE, min(number * SIZE + SIZE, COUNT)))


def outcome_of(number: int, kind: str, segment: Path) -> tuple[Outcome, bytes]:
    """Score a mini-batch as a worker would: its rows lie in the segment, whether they will count or not."""
    files = files_of(number)
    bad = {"failed": files, "partial": files[-1:], "split": files[1:2]}.get(kind, [])

    def kept(rows: list[int]) -> tuple[Part | None, bytes]:
        with segment.open("ab") as file:
            file.write(b"lost\n")
            offset = file.tell()
            text = b"".join(b"%d of a try at byte %d\n" % (row, offset) for row in rows)
            file.write(text)
        return (Part(segment.name, offset, len(text), len(rows)) if rows else None), text

    tries = () if kind == "succeeded" else (Try(1, "process000", 0.1, WRONG),)
    if kind == "split":
        pieces, texts = [], []
        for file in files:
            part, text = kept([] if file in bad else [file])
            failed = (file,) if file in bad else ()
            rows, failure = (0, WRONG) if failed else (1, None)
            pieces.append(Piece(file, file, failed, 1, "w", 0.1, rows, part, RowFormat("list"), (), failure))
            texts.append(text)
        wrong = tuple(bad)
        head = (len(files), wrong, 2, "w", 0.1, len(files) - len(bad))
        text = b"".join(texts)
        status: OutcomeStatus = "failed" if len(bad) == len(files) else "partial" if bad else "succeeded"
        return Outcome(number, status, *head, tries=tries, pieces=tuple(pieces)), text
    good = [file for file in files if file not in bad]
    part, text = kept(good)
    return (
        Outcome(
            *(number, "failed" if not good else "partial" if bad else "succeeded", len(files), tuple(bad), 2, "w", 0.1),
            *(len(good), part, RowFormat("list"), WRONG if bad else None, None if bad else ()),
            tries=tries,
        ),
        text,
    )


steps = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(KINDS), st.sampled_from(("", "", "crash", "torn", "twice"))),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_random_outcomes_repeats_and_crashes_come_to_what_a_plain_model_says(steps: list[Step]) -> None:
    """After each step perhaps: a crash of the service, a transaction that fails in its middle, the same once more."""
    model = Model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, segment = folder / "ledger.sqlite", folder / "a.rows"
        ledger = opened(path)
        for number, kind, mishap in steps:
            outcome, text = outcome_of(number, kind, segment)
            if mishap == "torn":
                with pytest.raises(sqlite3.IntegrityError):
                    ledger.record([outcome, spoiled()])
                ledger.close()
                ledger = opened(path)
                continue
            ledger.record([outcome] * (2 if mishap == "twice" else 1))
            model.rows.setdefault(number, text)
            model.failed.setdefault(number, set(outcome.failed))
            if mishap == "crash":
                crashed, ledger = ledger, opened(path)  # the first one is never closed in time
                crashed.close()
            assert [batch.number for batch in ledger.pending()] == [n for n in range(5) if n not in model.rows]
        with closing(ledger):
            compare(ledger, model, folder)


def opened(path: Path) -> Ledger:
    ledger = Ledger(path, SIZE)
    ledger.add_inputs(InputItem(index, f"{index}.png", f"in/{index}.png", index) for index in range(COUNT))
    ledger.seal()
    return ledger


def spoiled() -> Outcome:
    """An outcome that cannot be written, since it names an input twice."""
    return Outcome(99, "failed", 3, (7000, 7000), 1, None, 0.0, failure=WRONG)


def compare(ledger: Ledger, model: Model, folder: Path) -> None:
    rows = [model.rows[number] for number in sorted(model.rows)]
    failed = {index for indices in model.failed.values() for index in indices}
    done = {index for number in model.rows for index in files_of(number)}

    (folder / "a.rows").touch()
    written = write_rows(ledger.parts(), folder, folder / "out.csv")
    account = ledger.reconcile(written.rows, parts=folder)

    assert written.path.read_bytes() == b"".join(rows)
    assert account.problems == ()
    assert (account.failed, account.succeeded, account.pending) == (len(failed), len(done - failed), COUNT - len(done))
    write_account(ledger, folder / "account.jsonl")
    lines = [json.loads(line) for line in (folder / "account.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(COUNT))
    assert {line["index"] for line in lines if line["status"] == "failed"} == failed
    assert {line["index"] for line in lines if line["status"] == "pending"} == set(range(COUNT)) - done
