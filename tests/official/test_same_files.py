"""Which files of a folder go up, and under which hash: the same as azure-ai-ml finds, for trees made by hypothesis."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from azure_batch_endpoints._storage.hashing import scan
from azure_batch_endpoints.errors import LocalPathError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from azure.ai.ml._utils._asset_utils import (
        get_content_hash,
        get_ignore_file,
        get_object_hash,
        get_upload_files_from_folder,
    )

WORDS = ["a", "b", "data", "Zed", "x.py", "x.pyc", "é ü", "a b", "100%", "c#d", "what?", "keep", ".hid", "[1]"]
PATHS = some.lists(some.sampled_from(WORDS), min_size=1, max_size=3).map("/".join)
TREES = some.dictionaries(PATHS, some.binary(max_size=3), min_size=1, max_size=8)
PATTERNS = some.one_of(
    PATHS,
    some.sampled_from(
        ["*", "*.py*", "**/a", "a/**", "/data", "data/", "**", "?", "[ab]", "x.*", "#c", "\\#c", "", "a/*/b"]
    ),
    some.sampled_from(
        [
            "a b  ",
            "!a",
            "!keep",
            "!data/keep",
            "!*.py",
            "/",
            "**/data/**",
            "a//b",
            "c\\#d",
            "\\!a",
            " a",
            "[",
            "[a",
            "[!a]",
            "a]",
            "**b",
            "b**",
            "**/",
            "/**",
            "//a",
            "!/",
            "a/",
        ]
    ),
)
IGNORES = some.dictionaries(some.sampled_from([".amlignore", ".gitignore"]), some.lists(PATTERNS, max_size=5))


def grown(root: Path, tree: dict[str, bytes], ignores: dict[str, list[str]]) -> None:
    for name, content in tree.items():
        path = root / name
        if any(above.is_file() for above in path.parents) or path.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name, lines in ignores.items():
        (root / name).write_text("\n".join(lines), encoding="utf-8")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example({"data/keep": b"k", "data/x.py": b"x"}, {".amlignore": ["data", "!data/keep"]})
@example({"data/keep": b"k", "data/x.py": b"x", "a": b""}, {".gitignore": ["data/", "!keep"]})
@example({"a": b"1", "b": b"2"}, {".amlignore": [], ".gitignore": ["a"]})
@given(TREES, IGNORES)
def test_the_same_files_go_up_under_the_same_hashes(tree: dict[str, bytes], ignores: dict[str, list[str]]) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        grown(root, tree, ignores)
        ignored = get_ignore_file(root)
        theirs = {name for _, name in get_upload_files_from_folder(root, ignore_file=ignored)}
        if not theirs:
            with pytest.raises(LocalPathError, match=r"is an empty folder|holds only files"):
                scan(root)
            return
        ours = scan(root)

        assert {file.name for file in ours.files} == theirs
        assert ours.code_hash() == get_content_hash(root, ignored)
        if not ours.spared:
            assert ours.upload_hash() == get_object_hash(root, ignored)
    finally:
        shutil.rmtree(root)


def test_a_file_taken_back_out_of_a_folder_that_is_left_out_counts_in_the_hash(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "keep").write_text("one")
    (tmp_path / ".amlignore").write_text("data\n!data/keep\n")
    tree = scan(tmp_path)
    before = tree.upload_hash()
    (tmp_path / "data" / "keep").write_text("two")

    assert [file.name for file in tree.files] == [".amlignore", "data/keep"] and tree.holds("data/keep")
    assert scan(tmp_path).upload_hash() != before


@pytest.mark.parametrize("line", ["!", "a[", "***", "\\", "a\\ ", "//"])
def test_an_odd_line_does_the_same_in_both(tmp_path: Path, line: str) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / ".amlignore").write_text(f"{line}\n")
    try:
        theirs = {name for _, name in get_upload_files_from_folder(tmp_path, ignore_file=get_ignore_file(tmp_path))}
    except ValueError:
        with pytest.raises(LocalPathError, match=r"'\.amlignore', line 1"):
            scan(tmp_path)
        return

    if theirs:
        assert {file.name for file in scan(tmp_path).files} == theirs
    else:
        with pytest.raises(LocalPathError, match=r"is an empty folder|holds only files"):
            scan(tmp_path)
