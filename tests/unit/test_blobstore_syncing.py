"""How small contents come to the disk behind their journal: few one by one, many by one call for the file system."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from azure_batch_endpoints.local.blobstore import files
from azure_batch_endpoints.local.blobstore.files import ContentFiles


def written(contents: ContentFiles, count: int) -> list[int]:
    numbers = [contents.new() for _ in range(count)]
    for number in numbers:
        contents.write(number, b"content")
    return numbers


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The inodes of single files and folders that were synced."""
    found: list[int] = []
    sync = files.sync_fd

    def noted(fd: int) -> None:
        found.append(os.fstat(fd).st_ino)
        sync(fd)

    monkeypatch.setattr(files, "sync_fd", noted)
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has the call")
def test_many_contents_are_synced_by_one_call(tmp_path: Path, synced: list[int]) -> None:
    contents = ContentFiles(tmp_path / "contents", 1)
    numbers = written(contents, 200)
    synced.clear()

    contents.sync(numbers)

    assert synced == []


def test_few_contents_are_synced_one_by_one(tmp_path: Path, synced: list[int]) -> None:
    contents = ContentFiles(tmp_path / "contents", 1)
    numbers = written(contents, 3)
    synced.clear()

    contents.sync(numbers)

    assert {Path(contents.path(number)).stat().st_ino for number in numbers} <= set(synced)


def test_where_there_is_no_such_call_many_are_synced_one_by_one(
    tmp_path: Path, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_syncfs", lambda: None)
    contents = ContentFiles(tmp_path / "contents", 1)
    numbers = written(contents, 100)
    contents.remove(numbers[0])
    synced.clear()

    contents.sync(numbers)

    assert {Path(contents.path(number)).stat().st_ino for number in numbers[1:]} <= set(synced)


def test_a_disk_that_did_not_take_the_bytes_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_syncfs", lambda: lambda _fd: -1)
    monkeypatch.setattr(ctypes, "get_errno", lambda: 5)
    contents = ContentFiles(tmp_path / "contents", 1)

    with pytest.raises(OSError, match="Input/output error"):
        contents.sync(written(contents, 100))
