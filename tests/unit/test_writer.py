from __future__ import annotations

import os
from pathlib import Path

import pytest

from azure_batch_endpoints.local import writer
from azure_batch_endpoints.local.engines.base import Part
from azure_batch_endpoints.local.writer import PartsDamaged, read_rows, sync_parts, write_rows


def test_rows_are_joined_in_the_order_of_the_plan_not_of_the_segments(tmp_path: Path) -> None:
    (tmp_path / "a.rows").write_bytes(b"third\nfirst\n")
    (tmp_path / "b.rows").write_bytes(b"garbage of a killed worker\nsecond\n")
    parts = [Part("a.rows", 6, 6, 1), Part("b.rows", 27, 7, 1), Part("a.rows", 0, 6, 1)]

    written = write_rows(parts, tmp_path, tmp_path / "predictions.csv")

    assert (tmp_path / "predictions.csv").read_text() == "first\nsecond\nthird\n"
    assert (written.rows, written.size) == (3, 19)


def test_parts_that_follow_each_other_are_read_at_once_and_blocks_stay_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BLOCK", 10)
    (tmp_path / "a.rows").write_bytes(b"0123456789abcdefghij")

    blocks = list(read_rows([Part("a.rows", 0, 4, 1), Part("a.rows", 4, 14, 2), Part("a.rows", 19, 1, 1)], tmp_path))

    assert b"".join(blocks) == b"0123456789abcdefghj"
    assert max(map(len, blocks)) <= 10


def test_more_segments_than_may_be_open_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_OPEN", 2)
    for name in "abc":
        (tmp_path / name).write_text(name * 2)
    parts = [Part(name, offset, 1, 1) for offset in range(2) for name in "abc"]

    assert b"".join(read_rows(parts, tmp_path)) == b"abcabc"


def test_a_result_without_rows_is_an_empty_file(tmp_path: Path) -> None:
    assert write_rows([], tmp_path, tmp_path / "out.csv").size == 0
    assert (tmp_path / "out.csv").read_bytes() == b""


def test_an_earlier_file_is_replaced_in_one_step_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("old")
    (tmp_path / "a.rows").write_text("new")

    write_rows([Part("a.rows", 0, 3, 1)], tmp_path, tmp_path / "out.csv")

    assert (tmp_path / "out.csv").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.rows", "out.csv"]


def test_rows_that_were_committed_but_are_not_there_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.rows").write_text("abc")

    with pytest.raises(PartsDamaged, match=r"'a\.rows' ends before byte 4; rows of the job are lost"):
        list(read_rows([Part("a.rows", 1, 3, 1)], tmp_path))
    with pytest.raises(PartsDamaged, match=r"'b\.rows' is gone"):
        write_rows([Part("b.rows", 0, 3, 1)], tmp_path, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_segments_are_brought_to_the_disk_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    for name in ("a.rows", "b.rows"):
        (tmp_path / name).write_text("abc")

    sync_parts([Part("a.rows", 0, 1, 1), Part("b.rows", 0, 1, 1), Part("a.rows", 1, 1, 1)], tmp_path)

    assert sorted(synced) == sorted((tmp_path / name).stat().st_ino for name in ("a.rows", "b.rows"))
