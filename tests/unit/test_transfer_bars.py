"""Progress of uploads and downloads: bars on a terminal, plain lines elsewhere when asked for, nothing when not."""

from __future__ import annotations

import io
import sys

import pytest

from azure_batch_endpoints import _progress
from azure_batch_endpoints._progress import transfers
from azure_batch_endpoints._storage.steps import Meter, TransferStep


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(sys, "stderr", made)
    return made


def test_a_download_is_drawn_in_bytes_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with _progress.download_bar() as draw:
        assert draw is not None
        draw(TransferStep("out", 1, 2, 512, 1024, "downloading"))
        draw(TransferStep("out", 2, 2, 1024, 1024, "downloading"))

    assert "Downloading out" in terminal.getvalue() and "2 of 2 files" in terminal.getvalue()


def test_off_a_terminal_lines_are_written_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.download_bar(show=True) as draw:
        assert draw is not None
        for done in range(1, 2001):
            draw(TransferStep("out", done, 2000, done * 1500, 3_000_000, "downloading"))

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Downloading out: 1.5 kB of 3.0 MB, 1 of 2,000 files"
    assert lines[-1] == "Downloading out: 3.0 MB of 3.0 MB, 2,000 of 2,000 files"
    assert len(lines) < 20 and not any("\r" in line for line in lines)


def test_off_a_terminal_nothing_is_written_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.download_bar() as draw, _progress.upload_bar() as up:
        assert draw is None and up is None

    assert capsys.readouterr() == ("", "")


def test_hashing_is_shown_only_when_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with _progress.upload_bar() as draw:
        assert draw is not None
        draw(TransferStep("data", 0, 1, 10, 100, "hashing"))
        draw(TransferStep("data", 1, 1, 100, 100, "hashing"))
    assert terminal.getvalue() == ""

    monkeypatch.setattr(transfers, "LONG", 0.0)
    with _progress.upload_bar() as draw:
        assert draw is not None
        draw(TransferStep("data", 0, 1, 10, 100, "hashing"))
    assert "Reading data" in terminal.getvalue()


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_340_000, "2.3 MB"), (5e9, "5.0 GB"), (5e12, "5,000.0 GB")],
)
def test_sizes_are_said_in_units_of_thousand(size: float, said: str) -> None:
    assert transfers._size(size) == said


def test_a_meter_never_counts_backwards_and_counts_each_file_once() -> None:
    steps: list[TransferStep] = []
    meter = Meter(TransferStep("x", 0, 2, 0, 30), steps.append)

    meter.sending("a", 5)
    meter.sending("a", 3)
    meter.sending("b", 7)
    meter.done("a", 10)
    meter.done("b", 20)

    assert [one.bytes_done for one in steps] == [5, 5, 12, 17, 30]
    assert (meter.step.files_done, meter.step.bytes_done) == (2, 30)


@pytest.mark.parametrize("on_a_terminal", [True, False])
def test_two_transfers_of_one_name_are_shown_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], on_a_terminal: bool
) -> None:
    terminal = terminal_of(monkeypatch) if on_a_terminal else None
    with _progress.upload_bar(show=True) as draw:
        assert draw is not None
        draw(TransferStep("src", 1, 1, 2_000, 2_000))
        draw(TransferStep("src", 7, 9, 3_000, 5_000))
        draw(TransferStep("src", 9, 9, 5_000, 5_000))

    shown = terminal.getvalue() if terminal is not None else capsys.readouterr().err
    assert shown.count("1 of 1 files") >= 1 and "9 of 9 files" in shown
    if terminal is not None:
        assert "2.00k/2.00k" in shown and "5.00k/5.00k" in shown


def test_empty_files_alone_are_shown_to_their_end(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.download_bar(show=True) as draw:
        assert draw is not None
        for done in range(1, 4):
            draw(TransferStep("hollow", done, 3, 0, 0, "downloading"))

    assert capsys.readouterr().err.splitlines()[-1] == "Downloading hollow: 0 B of 0 B, 3 of 3 files"
