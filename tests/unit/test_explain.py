"""Why a job failed, in words."""

from __future__ import annotations

import pytest

from azure_batch_endpoints.local import explain
from azure_batch_endpoints.local.engines.base import EngineError, Failure
from azure_batch_endpoints.local.ledger_values import FirstError
from azure_batch_endpoints.local.worker import telling
from azure_batch_endpoints.specs import RetrySettings, RunSettings

TRACEBACK = 'Traceback (most recent call last):\n  File "score.py", line 3, in run\n'


def failure(kind: str, message: str, traceback: str | None = TRACEBACK) -> Failure:
    return Failure(type=kind, message=message, traceback=traceback, file="score.py", line=3)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            failure("ValueError", "not today"),
            "run() raised ValueError: not today (score.py, line 3, on 'a.txt' of mini-batch 0, 2 tries).",
        ),
        (failure("KeyError", ""), "run() raised KeyError (score.py, line 3, on 'a.txt' of mini-batch 0, 2 tries)."),
        (
            failure("ShortReturn", "run() returned 0 rows; each file needs a row", None),
            "run() returned 0 rows; each file needs a row (score.py, line 3, on 'a.txt' of mini-batch 0, 2 tries).",
        ),
        (
            failure("Timeout", "run() took longer than 2 s", "Thread 0x1 (most recent call first):"),
            "run() took longer than 2 s (score.py, line 3, on 'a.txt' of mini-batch 0, 2 tries).",
        ),
        (
            failure("Timeout", "the server did not answer"),
            "run() raised Timeout: the server did not answer (score.py, line 3, on 'a.txt' of mini-batch 0, 2 tries).",
        ),
        (
            failure("MemoryLimit", "the worker held 9 MiB. Lower mini_batch_size", None),
            "the worker held 9 MiB. Lower mini_batch_size (score.py, line 3, on 'a.txt' of mini-batch 0, 2 tries).",
        ),
    ],
    ids=["raised", "no message", "our own words", "hangs", "a library's word", "too much memory"],
)
def test_the_first_cause_tells_error_place_file_and_tries_apart(found: Failure, text: str) -> None:
    assert explain.too_many_failures(1, 0, FirstError(found, 0, "a.txt", 2), []).startswith(
        f"{text} 1 file failed, error_threshold is 0."
    )


def test_data_in_a_message_is_cut_and_stays_whole_in_the_traceback() -> None:
    long = "z" * 4000
    told = explain.nothing_succeeded(1, FirstError(failure("ValueError", long, long), 0, "a.txt", 1), [])

    first, _, traceback = told.partition("\n\n")
    assert len(first) < 700 and "The only file failed." in first
    assert traceback == long


def test_a_message_of_megabytes_is_told_by_its_beginning_and_end_with_its_length() -> None:
    try:
        raise ValueError("first" + "z" * 2_000_000 + "last")
    except ValueError as error:
        told = telling.describe(error, "/code")

    assert len(told["message"]) < 4_200 and len(told["traceback"]) < 16_200
    assert told["message"].startswith("firstz") and told["message"].endswith("zlast")
    assert "[... 1,996,009 of 2,000,009 characters left out ...]" in told["message"]
    assert told["traceback"].startswith("Traceback (most") and "zlast" in told["traceback"][-10:]


def test_a_module_that_is_missing_is_told_with_where_to_install_it() -> None:
    frames = 'Traceback (most recent call last):\n  File "score.py", line 3, in <module>\n'
    told = explain.engine_error(EngineError("", failure("ModuleNotFoundError", "No module named 'torch'", frames)))

    assert told.startswith(
        "Importing the script raised ModuleNotFoundError: No module named 'torch' (score.py, line 3)."
    )
    assert "conda_file" in told.partition("\n")[0]


def test_one_try_and_one_file_are_not_spoken_of_as_many() -> None:
    settings = RunSettings(mini_batch_size=1, retry_settings=RetrySettings(max_retries=1))

    assert "1 file to a mini-batch, 30 s and 1 try for each." in explain.starting(settings, 1)
