"""Bars: on stderr when they are wanted, else nothing."""

from __future__ import annotations

import io
import sys
import types

import pytest

from azure_batch_endpoints import _progress
from azure_batch_endpoints._storage.upload import UploadStep
from azure_batch_endpoints.items import JobProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_as_asked_else_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _progress.wanted(True) and not _progress.wanted(False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not _progress.wanted(None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert _progress.wanted(None)
    monkeypatch.setattr(sys, "stderr", None)
    assert not _progress.wanted(None)


def test_a_notebook_is_known_by_its_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = type("ZMQInteractiveShell", (), {})()
    played = types.ModuleType("IPython")
    monkeypatch.setattr(played, "get_ipython", lambda: shell, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", played)
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    assert _progress.wanted(None)


def test_a_job_bar_shows_name_status_files_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    with _progress.job_bar("j1", show=True) as draw:
        draw(None, "Queued")
        draw(JobProgress(items_done=3, items_total=10, items_failed=1, items_per_second=35.0, eta=0.2), "Running")

    shown = terminal.getvalue()
    assert "j1: Running" in shown and "3/10 files" in shown and "35/s, 0 s to go, 1 failed" in shown


def test_an_upload_bar_shows_each_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    with _progress.upload_bar(show=True) as draw:
        assert draw is not None
        draw(UploadStep("data", 1, 2, 512, 1024))
        draw(UploadStep("data", 2, 2, 1024, 1024))

    assert "Uploading data" in terminal.getvalue() and "2 of 2 files" in terminal.getvalue()


def test_nothing_is_drawn_when_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.job_bar("j1", show=False) as draw:
        draw(JobProgress(), "Running")
    with _progress.upload_bar(show=False) as upload:
        assert upload is None

    assert capsys.readouterr() == ("", "")
