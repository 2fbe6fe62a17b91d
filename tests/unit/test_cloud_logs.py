"""What is read out of log files: lines of this package's own service, of public issues, and of the documented table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from azure_batch_endpoints._cloud import job as jobs
from azure_batch_endpoints._cloud import logs
from azure_batch_endpoints._http import ShorterThanThat
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.items import JobProgress

PUBLIC = """2021-04-15T22:03:32.226929 Start the simulator.
2021-04-15T22:03:54.767763 Scheduling finished. Scheduled 276 mini batches in 22 seconds. \
There are 276 tasks with 551 items.
2021-04-15T22:03:54.899666 No task has been processed yet.
"""
OURS = "2026-01-02T03:04:05.123Z mini-batches: 3 of 7 done, 1 failed; files: 30 of 70 done, 4 failed\n"
ERRORS = """2026-01-02T03:04:05.123Z process001: mini-batch 7, try 1 of 2: ValueError: bad a.png in score.py:8
Traceback (most recent call last):
  File "/mnt/code/score.py", line 8, in run
    raise ValueError("bad " + name)  # not b.png
ValueError: bad a.png

2026-01-02T03:04:06.123Z process001: mini-batch 7, try 2 of 2: ValueError: bad a.png in score.py:8
Traceback (most recent call last):
  File "/mnt/code/score.py", line 8, in run
    raise ValueError("bad " + name)  # not b.png
ValueError: bad a.png

"""
FOREIGN = """2024-05-01 10:00:00,000|ERROR|152|139967160071936|Processing of mini batch 'x' failed.
Traceback (most recent call last):
  File "/azureml-envs/lib/python3.8/site-packages/pandas/io/parsers.py", line 10, in read
    parse()
KeyError: 'age'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/mnt/azureml/cr/j/1/exe/wd/score.py", line 31, in run
    frame = read(path)
  File "/azureml-envs/lib/python3.8/site-packages/pandas/io/parsers.py", line 12, in read
    raise
pandas.errors.ParserError: Error tokenizing '/mnt/in/sub/b.csv'
"""
_COLUMNS = (
    *("Mini-batch Id", "Picked Count", "Process", "Process Start Time", "Total", "Succeeded", "Failed"),
    *("Elapsed Seconds", "Process Seconds", "Run Method Seconds", "Status", "Error Category", "Error Message"),
    "Mini-batch Detail",
)
_SAID = ("RUN_EXCEPTION", "UserError", "Error tokenizing '/mnt/in/sub/b.csv'")


def table() -> str:
    """The table of processed mini-batches with its documented columns."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerow(
        [0, 1, "process000", "2020-10-24T02:59:04", 2, 2, 0, 1.5, 1, 1, "RUN_DONE", "", "", _files("a", "b")]
    )
    for picked, seconds in ((1, 1.5), (3, 2.5)):
        times = ("2020-10-24T02:59:05", 2, 0, 2, seconds, 1, 1)
        writer.writerow([1, picked, "process001", *times, *_SAID, _files("sub/b", "c")])
    writer.writerow(
        [2, 1, "process000", "2020-10-24T02:59:04", 2, 1, 1, 1.5, 1, 1, "RUN_DONE", "", "", _files("d", "e")]
    )
    writer.writerow(["N/A"] * 10 + ["ENTRY_SCRIPT_INIT_START", "", "", ""])
    return text.getvalue()


def _files(*names: str) -> str:
    return json.dumps([f"/mnt/in/{name}.csv" for name in names])


def test_progress_is_what_an_overview_says_last_and_nothing_it_does_not_say() -> None:
    assert logs.progress(OURS) == JobProgress(3, 1, 7, 30, 4, 70, source="logs")
    assert logs.progress(PUBLIC) == JobProgress(total=276, items_total=551, source="logs")
    assert logs.progress(PUBLIC + "12 of 276 mini batches processed.\n") == JobProgress(
        done=12, total=276, items_total=551, source="logs"
    )
    assert logs.progress("2024 The overviewer on 10.0.0.4 started.\n") is None
    assert str(logs.progress("Scheduled 5 mini batches in 1 seconds.")) == "0 of 5 mini-batches"


def test_tries_of_one_mini_batch_are_one_failure_under_the_file_that_the_error_names() -> None:
    found = logs.errors(ERRORS, "process001")

    (failure,) = logs.failures(found, iter(()), ["a.png", "b.png"])
    assert (failure.path, failure.mini_batch, failure.attempts, failure.source) == ("a.png", 7, 2, "logs")
    assert (failure.error_type, failure.error_message) == ("ValueError", "bad a.png")
    assert (failure.error_place, failure.worker) == ("score.py:8", "process001")
    assert str(failure.traceback).startswith("Traceback") and str(failure.traceback).endswith("ValueError: bad a.png")


def test_a_message_of_megabytes_is_told_by_its_beginning_and_end_and_names_its_file_all_the_same() -> None:
    text = ERRORS.replace("bad a.png", "z" * 1_000_000 + " a.png " + "z" * 1_000_000)
    found = logs.errors(text, "p")

    (failure,) = logs.failures(found, iter(()), ["a.png", "b.png"])
    assert failure.path == "a.png"
    assert (
        len(str(failure.error_message)) < 4_200 and len(str(failure.traceback)) < 16_200 and len(str(found[0])) < 4_200
    )
    assert "1,996,007 of 2,000,007 characters left out; job.logs() has all ...]" in str(failure.error_message)


def test_an_error_that_names_no_input_is_told_without_a_file() -> None:
    (failure,) = logs.failures(logs.errors(ERRORS, "p"), iter(()), None)

    assert (failure.path, failure.error_type) == ("", "ValueError")


def test_a_chained_traceback_is_one_and_its_place_is_in_the_users_code() -> None:
    (error,) = logs.errors(FOREIGN, "process003")

    assert (error.type, error.place) == ("ParserError", "score.py:31")
    assert error.traceback.count("Traceback") == 2 and "another exception occurred" in error.traceback
    assert str(error) == "ParserError: Error tokenizing '/mnt/in/sub/b.csv' in score.py:31"
    (failure,) = logs.failures([error], iter(()), ["b.csv", "sub/b.csv"])
    assert failure.path == "sub/b.csv"


def test_the_table_of_mini_batches_names_the_files_of_those_that_failed_whole() -> None:
    found = logs.failures(logs.errors(FOREIGN, "process001"), logs.processed(table()), ["sub/b.csv", "c.csv", "d.csv"])

    assert [(one.path, one.mini_batch, one.attempts) for one in found] == [
        ("sub/b.csv", 1, 3),
        ("c.csv", 1, 3),
        ("", 2, 1),  # one of two: which one, nobody says
    ]
    assert found[0].error_place == "score.py:31" and found[0].seconds == 2.5
    assert logs.counted(logs.processed(table())) == JobProgress(
        done=3, failed=2, items_done=6, items_failed=3, source="logs"
    )


def test_texts_that_are_something_else_say_nothing() -> None:
    assert logs.errors("no traceback here\n\n", "p") == []
    assert logs.errors("Traceback (most recent call last):", "p")[0].type == "Exception"
    assert list(logs.processed("a,b\n1,2\n")) == []
    assert list(logs.processed("")) == []


# ------------------------------------------------------------------ how they are read


VIEW = job_view({"name": "job", "properties": {}})


class Logs:
    """A session that has one log file; what was handed out of it is counted."""

    def __init__(self, text: bytes) -> None:
        self.text, self.read = text, 0

    def stream_bytes(self, _url: str, offset: int, **_options: Any) -> Iterator[bytes]:
        if offset > len(self.text):
            raise ShorterThanThat
        for start in range(offset, len(self.text), 1 << 16):
            chunk = self.text[start : start + (1 << 16)]
            self.read += len(chunk)
            yield chunk


def test_a_log_is_read_on_and_from_its_beginning_where_it_was_written_anew() -> None:
    session = Logs(b"one\n")
    own = jobs.CloudJob(SimpleNamespace(session=session))  # type: ignore[arg-type]

    assert own._read(VIEW, "a.txt", "https://x/a") == "one\n"
    session.text += b"two\n"
    assert own._read(VIEW, "a.txt", "https://x/a") == "one\ntwo\n"
    assert session.read == 8
    session.text = b"new\n"
    assert own._read(VIEW, "a.txt", "https://x/a") == "new\n"


def test_of_a_huge_error_log_only_the_beginning_is_read() -> None:
    session = Logs(ERRORS.encode() * 20_000)
    own = jobs.CloudJob(SimpleNamespace(session=session))  # type: ignore[arg-type]
    name = "logs/user/error/node/process001.txt"

    found = list(own._errors(VIEW, {name: "https://x/a"}))

    assert found[0].place == "score.py:8" and len(found) > 1_000
    assert session.read <= jobs.MOST_OF_A_LOG + (1 << 16)
    assert list(own._errors(VIEW, {name: "https://x/a"})) == found
