"""The account as a file: lines of JSON that common tools read."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.json
import pytest

from azure_batch_endpoints.local.account_file import write_account
from azure_batch_endpoints.local.engines.base import Failure, Outcome, Part
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.plan import InputItem

NAMES = ("a b.png", "ä/ö\u2028.png", 'quo"te\n.png', "\U0001f600.png")
WRONG = Failure("KeyError", "'Größe\n\u2028'", 'File "score.py"\n  line', "score.py", 31)


@pytest.fixture
def account(tmp_path: Path) -> Path:
    with Ledger(tmp_path / "ledger.sqlite", 1) as ledger:
        ledger.add_inputs(InputItem(index, name, f"in/{name}", 7 + index) for index, name in enumerate(NAMES))
        ledger.record(
            [
                Outcome(0, "succeeded", 1, (), 1, "process000", 0.25, 2, Part("s.rows", 0, 5, 2)),
                Outcome(1, "failed", 1, (1,), 3, "process001", 0.5, failure=WRONG),
            ]
        )
        write_account(ledger, tmp_path / "_ledger.jsonl")
    return tmp_path / "_ledger.jsonl"


def test_each_input_is_a_line_with_all_that_is_known_of_it(account: Path) -> None:
    lines = account.read_bytes().decode().rstrip("\n").split("\n")
    assert [json.loads(line) for line in lines[:2]] == [
        {
            **{"index": 0, "path": "a b.png", "status": "succeeded", "size": 7, "mini_batch": 0, "attempts": 1},
            **{"worker": "process000", "seconds": 0.25, "rows": 2},
            **dict.fromkeys(("error_type", "error_message", "error_place", "traceback")),
        },
        {
            **{"index": 1, "path": NAMES[1], "status": "failed", "size": 8, "mini_batch": 1, "attempts": 3},
            **{"worker": "process001", "seconds": 0.5, "rows": 0, "error_type": "KeyError"},
            **{"error_message": WRONG.message, "error_place": "score.py:31", "traceback": WRONG.traceback},
        },
    ]
    pending = json.loads(lines[2])
    assert (pending["status"], pending["attempts"], pending["rows"], pending["seconds"]) == ("pending", 0, None, None)
    assert len(lines) == 4


def test_pandas_and_arrow_read_it(account: Path) -> None:
    frame = pd.read_json(account, lines=True)
    table = pyarrow.json.read_json(account)

    assert tuple(frame["path"]) == NAMES
    assert table["path"].to_pylist() == list(NAMES)
    assert frame["status"].value_counts().to_dict() == {"pending": 2, "succeeded": 1, "failed": 1}


def test_writing_it_stops_when_the_job_is_to_stop(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with Ledger(tmp_path / "ledger.sqlite", 1) as ledger:
        ledger.add_inputs([InputItem(0, "a", "a", 1)])
        with pytest.raises(Stop):
            write_account(ledger, tmp_path / "_ledger.jsonl", stop)
