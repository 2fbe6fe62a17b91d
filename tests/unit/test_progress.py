"""Bars: on stderr, in place in a notebook, as plain lines where nothing can be drawn; and nothing when not wanted."""

from __future__ import annotations

import io
import itertools
import sys
import types
from typing import Any

import pytest

from azure_batch_endpoints import _progress
from azure_batch_endpoints._progress import jobs as job_bars
from azure_batch_endpoints._progress.lines import Lines
from azure_batch_endpoints._storage.steps import TransferStep
from azure_batch_endpoints.items import JobProgress

HALF = JobProgress(items_done=3, items_total=10, items_failed=1, items_per_second=35.0, eta=0.2)
DONE = JobProgress(items_done=10, items_total=10, items_failed=1)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Notebook:
    """What IPython's display shows, in order: the first of a place, then what replaced it."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.places = 0

    def display(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> Notebook:
        assert raw and display_id
        self.places += 1
        self.shown.append(bundle)
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(bundle)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    played: Any = types.ModuleType("IPython")
    shell, notebook = type("ZMQInteractiveShell", (), {})(), Notebook()
    played.get_ipython, played.display = lambda: shell, notebook
    monkeypatch.setitem(sys.modules, "IPython", played)
    return notebook


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make stderr a terminal; not in a fixture, since pytest sets it anew for the test itself."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def test_a_bar_is_drawn_as_asked_else_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _progress.wanted(True) and not _progress.wanted(False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not _progress.wanted(None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert _progress.wanted(None)
    monkeypatch.setattr(sys, "stderr", None)
    assert not _progress.wanted(None)


def test_a_notebook_is_known_by_its_shell(notebook: Notebook) -> None:
    assert _progress.wanted(None) and _progress.in_notebook()


def test_a_shell_made_of_jupyters_is_a_notebook_and_a_terminals_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    played: Any = types.ModuleType("IPython")
    monkeypatch.setitem(sys.modules, "IPython", played)
    assert not _progress.in_notebook()  # half imported
    colab = type("Shell", (type("ZMQInteractiveShell", (), {}),), {})()
    for shell, is_one in [(colab, True), (type("TerminalInteractiveShell", (), {})(), False), (None, False)]:
        played.get_ipython = lambda shell=shell: shell
        assert _progress.in_notebook() is is_one


def test_a_job_bar_shows_name_status_files_rate_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with _progress.job_bar("j1", show=None) as draw:
        draw(None, "Queued")
        draw(HALF, "Running")

    shown = terminal.getvalue()
    assert "j1: Running" in shown and "3/10 files" in shown and "35/s, 0 s to go, 1 failed" in shown


def test_a_bar_of_several_jobs_counts_the_files_of_all_and_the_jobs_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with _progress.jobs_bar(["a", "b"], show=None) as draw:
        draw("a", HALF, "Running")
        draw("b", DONE, "Completed")

    shown = terminal.getvalue()
    assert "1 of 2 jobs ended" in shown and "13/20 files" in shown and "2 failed" in shown


def test_nothing_is_drawn_when_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    for show in (False, None):
        with _progress.job_bar("j1", show=show) as draw:
            draw(JobProgress(), "Running")
        with _progress.jobs_bar(["a", "b"], show=show) as draw_several:
            draw_several("a", HALF, "Running")
    with _progress.jobs_bar([], show=True) as draw_several:
        draw_several("a", HALF, "Running")

    assert capsys.readouterr() == ("", "")


# ---------------------------------------------------------------------- plain lines


def test_where_no_bar_can_be_drawn_plain_lines_say_it_and_the_last_one_always(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with _progress.job_bar("j1", show=True) as draw:
        for _ in range(100):
            draw(HALF, "Running")
        draw(DONE, "Completed")

    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "job 'j1': Running, 3 of 10 files, 1 failed, 35/s, 0 s to go",
        "job 'j1': Completed, 10 of 10 files, 1 failed",
    ]


def test_plain_lines_of_several_jobs_say_how_many_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.jobs_bar(["a", "b"], show=True) as draw:
        draw("a", HALF, "Running")
        draw("b", DONE, "Completed")

    assert capsys.readouterr().err.splitlines()[-1] == "1 of 2 jobs ended: 13 of 20 files, 2 failed, 35/s, 0 s to go"


def test_lines_grow_apart_and_are_written_only_when_something_changed(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    lines = Lines(lambda: now[0])
    written: list[float] = []
    for second in range(1200):
        now[0] = float(second)
        lines.say(f"{second // 3}")
        if capsys.readouterr().err:
            written.append(now[0])
    pauses = [later - earlier for earlier, later in itertools.pairwise(written)]
    assert written[0] == 0.0 and pauses[0] <= 3
    assert pauses == sorted(pauses) and pauses[-1] == 60
    assert len(written) < 30

    lines.end()
    assert capsys.readouterr().err == "399\n"
    lines.end()
    assert capsys.readouterr().err == ""


def test_a_rate_that_the_service_does_not_tell_is_reckoned_from_what_was_seen() -> None:
    now = [10.0]
    pace = job_bars._Pace(lambda: now[0])
    assert pace.added(None) is None
    assert pace.added(JobProgress(items_done=100, items_total=200)) == JobProgress(items_done=100, items_total=200)
    now[0] = 20.0

    found = pace.added(JobProgress(items_done=150, items_total=200))

    assert found is not None
    assert (found.items_per_second, found.eta) == (5.0, 10.0)
    assert pace.added(HALF) is HALF


# ---------------------------------------------------------------------- in a notebook


def test_a_notebook_has_one_place_that_is_drawn_again_and_keeps_the_end(
    notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    with _progress.job_bar("<j1>", show=None) as draw:
        for _ in range(50):
            draw(HALF, "Running")
        draw(DONE, "Completed")

    assert notebook.places == 1
    assert len(notebook.shown) == 2
    assert "Completed" in notebook.shown[-1]["text/html"] and "&lt;j1&gt;" in notebook.shown[-1]["text/html"]
    assert notebook.shown[-1]["text/plain"] == "job '<j1>': Completed, 10 of 10 files, 1 failed"
    assert capsys.readouterr() == ("", "")


def test_a_notebook_shows_each_of_several_jobs_and_sums_up_more_than_it_has_room_for(notebook: Notebook) -> None:
    names = [f"job-{number}" for number in range(30)]
    with _progress.jobs_bar(names, show=None) as draw:
        for name in names:
            draw(name, DONE, "Completed")

    shown = notebook.shown[-1]["text/html"]
    assert shown.count('role="progressbar"') == 20
    assert "30 of 30 jobs ended: 300 of 300 files, 30 failed; 10 jobs are not shown" in shown


# ---------------------------------------------------------------------- uploads


def test_an_upload_bar_shows_each_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)

    with _progress.upload_bar(show=True) as draw:
        assert draw is not None
        draw(TransferStep("data", 1, 2, 512, 1024))
        draw(TransferStep("data", 2, 2, 1024, 1024))

    assert "Uploading data" in terminal.getvalue() and "2 of 2 files" in terminal.getvalue()


def test_a_thousand_jobs_are_not_summed_up_at_each_look_and_the_last_state_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    summed = 0

    def counted(*given: Any) -> JobProgress:
        nonlocal summed
        summed += 1
        return whole(*given)

    whole = job_bars._summed
    monkeypatch.setattr(job_bars, "_summed", counted)
    monkeypatch.setattr(job_bars, "_BETWEEN", 1e9)  # all of it within one moment
    names = [f"j{number}" for number in range(1000)]
    with _progress.jobs_bar(names, show=True) as draw:
        for name in names:
            draw(name, HALF, "Completed")

    assert summed < 5 and "1000 of 1000 jobs ended" in written.getvalue()
