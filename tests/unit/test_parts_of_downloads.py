"""What a large download keeps beside its place, and the threads that transfers run in."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_batch_endpoints._storage.listing import BlobItem
from azure_batch_endpoints._storage.parts import Part
from azure_batch_endpoints._storage.threads import each

ITEM = BlobItem("folder/big", 250, etag="one")


def part_of(path: Path, item: BlobItem = ITEM) -> Part:
    return Part(path, item, 100)


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_part_that_was_left_is_gone_on_with(tmp_path: Path) -> None:
    first = part_of(tmp_path / "big")
    assert first.missing == [(0, 100), (100, 200), (200, 250)]
    first.keep(100, b"x" * 100)
    first.close()

    again = part_of(tmp_path / "big")
    assert again.missing == [(0, 100), (200, 250)]
    again.keep(0, b"a" * 100)
    again.keep(200, b"z" * 50)
    again.become(tmp_path / "big")
    again.close()
    assert names(tmp_path) == ["big"]
    assert (tmp_path / "big").read_bytes() == b"a" * 100 + b"x" * 100 + b"z" * 50


def test_a_part_of_another_state_is_removed_and_never_gone_on_with(tmp_path: Path) -> None:
    old = part_of(tmp_path / "big")
    old.keep(0, b"o" * 100)
    old.close()

    new = part_of(tmp_path / "big", BlobItem("folder/big", 250, etag="two"))
    assert len(new.missing) == 3
    new.forget()
    new.close()
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no locks of this kind")
def test_two_at_once_take_parts_of_their_own_and_spare_each_others(tmp_path: Path) -> None:
    first = part_of(tmp_path / "big")
    second = part_of(tmp_path / "big")
    third = part_of(tmp_path / "big", BlobItem("folder/big", 250, etag="two"))
    assert len({first.path, second.path, third.path}) == 3
    for part, letter in ((first, b"1"), (second, b"2"), (third, b"3")):
        for start, end in part.missing:
            part.keep(start, letter * (end - start))
    for part, letter in ((first, b"1"), (second, b"2"), (third, b"3")):
        part.become(tmp_path / "big")
        part.close()
        assert (tmp_path / "big").read_bytes() == letter * 250
    assert names(tmp_path) == ["big"]


def test_a_piece_that_comes_late_leaves_nothing_behind(tmp_path: Path) -> None:
    part = part_of(tmp_path / "big")
    part.forget()
    part.keep(0, b"x" * 100)
    part.close()
    part.close()

    assert names(tmp_path) == []


def test_a_link_in_the_place_of_a_part_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    first = part_of(tmp_path / "out" / "big")
    first.close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    for name in names(tmp_path / "out"):
        (tmp_path / "out" / name).unlink()
        (tmp_path / "out" / name).symlink_to(elsewhere)

    part = part_of(tmp_path / "out" / "big")
    part.keep(0, b"x" * 100)
    part.forget()
    part.close()
    assert elsewhere.read_text() == "precious"


def test_items_are_taken_only_when_a_thread_is_free() -> None:
    taken, done, hold = [0], [0], threading.Event()

    def many() -> Iterator[int]:
        for number in range(1000):
            taken[0] += 1
            yield number

    def do(_number: int) -> None:
        hold.wait(60)
        done[0] += 1

    with each(many(), do, threads=3, name="few"):
        assert taken[0] <= 3
        hold.set()
    assert taken[0] == 1000 and done[0] > 900


def test_the_first_that_fails_stops_the_rest_and_is_raised() -> None:
    tried: list[int] = []

    def do(number: int) -> None:
        tried.append(number)
        if number == 5:
            raise ValueError("five")

    with (
        pytest.raises(ValueError, match="five"),
        each(iter(range(100_000)), do, threads=4, name="few") as failed,
    ):
        assert failed.wait(60)
    assert len(tried) < 100_000 and not [one for one in threading.enumerate() if one.name.startswith("few")]


def test_what_the_items_come_from_may_fail_too() -> None:
    def many() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"), each(many(), lambda _one: None, threads=4, name="few"):
        pass
