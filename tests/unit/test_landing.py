"""Where downloaded files may land: never outside of the folder, each in a place of its own."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from azure_batch_endpoints._storage import landing
from azure_batch_endpoints._storage.download import is_there
from azure_batch_endpoints._storage.landing import places
from azure_batch_endpoints._storage.listing import BlobItem
from azure_batch_endpoints.errors import ResultsError


def of(*names: str, size: int = 1) -> list[tuple[str, BlobItem]]:
    return [(name, BlobItem(name, size)) for name in names]


def test_files_keep_their_order_and_their_names(tmp_path: Path) -> None:
    names = ["b/ü ñ.csv", "a", "100%.csv", "what?", "a#b", "x..y", "...", "日本/😀", "x" * 255, "a:b", "~"]

    assert list(places(tmp_path, of(*names))) == [tmp_path / name for name in names]


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x",
        "a/../../x",
        "a/..",
        "/etc/passwd",
        "//host/share",
        "..\\x",
        "a\\..\\..\\x",
        "\\x",
        "\\\\host\\share\\x",
        "C:\\x",
        "C:/x",
        "",
    ],
)
def test_a_name_that_leads_out_here_or_on_another_system_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResultsError, match=r"outside of .* Nothing was downloaded"):
        places(tmp_path / "out", of("good", name))

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["./a", "a//b", "a/./b", "nul\0", "folder/"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ResultsError, match="as no file can be called"):
        places(tmp_path, of(name))


def test_a_name_that_is_too_long_is_refused_before_anything_comes(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="more than 255 bytes between slashes"):
        places(tmp_path, of("fine", "a/" + "ü" * 128))


def test_folder_markers_are_left_out(tmp_path: Path) -> None:
    assert list(places(tmp_path, of("a/", "b/c/", size=0) + of("a/x"))) == [tmp_path / "a" / "x"]


def test_a_link_in_the_folder_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").symlink_to(tmp_path, target_is_directory=True)
    (out / "file").symlink_to(tmp_path / "elsewhere")

    for name in ("sub/x", "file"):
        with pytest.raises(ResultsError, match=r"link on the way.*Remove the link"):
            places(out, of(name))
    (out / "inner").mkdir()
    (out / "fine").symlink_to(out / "inner", target_is_directory=True)
    assert list(places(out, of("fine/x"))) == [out / "fine" / "x"]


def test_a_file_and_a_folder_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="names 'a/b' as a file and, with 'a/b/c/d', as a folder"):
        places(tmp_path, of("a/b", "a/b/c/d"))


def test_names_that_differ_in_case_only_are_refused_where_they_are_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = of("Rows.csv", "rows.csv", "e\u0301", "\u00e9")
    blind = landing._is_blind(tmp_path)
    if not blind:
        assert len(places(tmp_path / "not" / "there", names)) == 4

    monkeypatch.setattr(landing, "_is_blind", lambda _target: True)
    with pytest.raises(ResultsError, match=r"'Rows\.csv' and 'rows\.csv', which are one file"):
        places(tmp_path, names)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_there_when_size_and_md5_or_time_are_the_blobs(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    when = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)
    md5 = hashlib.md5(b"content", usedforsecurity=False).digest()

    assert is_there(path, BlobItem("a", 7, md5))
    assert not is_there(path, BlobItem("a", 7, b"other")) and not is_there(path, BlobItem("a", 8, md5))
    assert not is_there(path, BlobItem("a", 7, None, when)) and not is_there(path, BlobItem("a", 7))
    os.utime(path, (when.timestamp(), when.timestamp()))
    assert is_there(path, BlobItem("a", 7, None, when))
    assert not is_there(tmp_path / "none", BlobItem("none", 0)) and not is_there(tmp_path, BlobItem("x", 0))


@pytest.mark.parametrize(
    "part", ["con", "NUL.txt", "Com1", "lpt¹.log", "aux .x", "a:b", "a?", "tail.", "tail ", "\x01"]
)
def test_what_windows_takes_for_something_else_is_known(part: str) -> None:
    assert landing._is_odd_on_windows(part)


@pytest.mark.parametrize("part", ["console", "nul-1.txt", "com10", "a.b", " lead", "é", "...x"])
def test_what_windows_takes_as_it_is_is_known_too(part: str) -> None:
    assert not landing._is_odd_on_windows(part)


def test_each_folder_is_looked_at_once_for_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    real = Path.resolve

    def resolve(path: Path, strict: bool = False) -> Path:
        looked.append(path)
        return real(path, strict)

    monkeypatch.setattr(Path, "resolve", resolve)
    found = places(tmp_path, of(*(f"{number % 3}/{number}" for number in range(300))))

    assert len(found) == 300 and len(looked) < 10


def test_a_linked_folder_is_refused_wherever_below_it_a_file_would_be(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "real").mkdir(parents=True)
    (out / "real" / "away").symlink_to(tmp_path, target_is_directory=True)

    with pytest.raises(ResultsError, match=r"'real/away/deep/er/x', for there is a link on the way"):
        places(out, of("real/a", "real/away/deep/er/x"))
