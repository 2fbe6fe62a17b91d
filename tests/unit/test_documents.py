"""YAML files: lines, duplicates, what is no YAML at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_batch_endpoints import _documents
from azure_batch_endpoints.errors import LocalPathError, SpecError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "deployment.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_each_key_has_its_line(tmp_path: Path) -> None:
    document = _documents.read(written(tmp_path, "# first\na:\n  b: 1\n\n  c: x\n"))

    assert document.data == {"a": {"b": 1, "c": "x"}}
    assert document.lines == {("a",): 2, ("a", "b"): 3, ("a", "c"): 5}
    assert document.texts == {("a", "b"): "1", ("a", "c"): "x"}


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfa: 1\r\nb: x\r\n", b"a: 1\nb: x", b"b: x\na: 1\n\n\n"])
def test_a_bom_and_other_line_ends_make_no_difference(tmp_path: Path, text: bytes) -> None:
    assert _documents.read(written(tmp_path, text)).data == {"a": 1, "b": "x"}


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        (b"", "the file is empty; expected 'key: value' lines", 1),
        (b"# nothing\n", "the file is empty", 1),
        (b"- a\n- b\n", "expected 'key: value' lines at the top", 1),
        (b"just text\n", "expected 'key: value' lines at the top", 1),
        (b"a: [1, 2\nb: 3\n", "not valid YAML: expected ',' or ']'", 2),
        (b"a: x\n\tb: y\n", "not valid YAML: found character '\\t' that cannot start any token", 2),
        (b"a: 1\n---\nb: 2\n", "not valid YAML: but found another document", 2),
        (b"a: *nowhere\n", "not valid YAML: found undefined alias", 1),
        (b"? [a]\n: 3\n", "not valid YAML: found unhashable key", 1),
        (b"a: !!python/object:os.system x\n", "not valid YAML: could not determine a constructor", 1),
        (b"a: 2023-02-30\n", "not valid YAML: day", None),
        (b"\x89PNG\r\n\x1a\n", "the file is not UTF-8 text; it should be a YAML file", None),
        (b"\x00\x01", "not valid YAML: special characters are not allowed", None),
        (b"a: 1\nb: 2\na: 3\n", "'a' stands twice (first in line 1). Keep one of them.", 3),
        (b"a:\n  b: 1\n  b: 2\n", "'b' stands twice (first in line 2)", 3),
        (b"a: &x\n  b: *x\n", "", None),
    ],
)
def test_what_is_no_settings_file_is_refused_with_file_and_line(
    tmp_path: Path, text: bytes, said: str, line: int | None
) -> None:
    with pytest.raises(SpecError) as caught:
        _documents.read(written(tmp_path, text))

    assert said in str(caught.value)
    assert str(caught.value).startswith("deployment.yml")
    assert line in (None, caught.value.line)
    assert caught.value.path == tmp_path / "deployment.yml"


def test_a_missing_file_is_named_with_the_nearest_that_is_there(tmp_path: Path) -> None:
    written(tmp_path, "a: 1")

    with pytest.raises(LocalPathError) as caught:
        _documents.read(tmp_path / "deploiment.yml")

    assert f"There is no file '{tmp_path / 'deploiment.yml'}'" in str(caught.value)
    assert f"Did you mean '{tmp_path / 'deployment.yml'}'?" in str(caught.value)


def test_a_missing_folder_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(LocalPathError, match=r"There is no file .* \(looked in .*\)\. Check the path\."):
        _documents.read(tmp_path / "no" / "d.yml")
    with pytest.raises(LocalPathError, match=r"is a folder\. Name the YAML file in it\."):
        _documents.read(tmp_path)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path, "a: 1")
    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(LocalPathError, match=r"cannot be read \(Permission denied\)\. Check its permissions"):
        _documents.read(path)


def test_merged_keys_and_anchors_are_followed(tmp_path: Path) -> None:
    document = _documents.read(written(tmp_path, "base: &b {x: 1}\nmore:\n  <<: *b\n  y: 2\n"))

    assert document.data["more"] == {"x": 1, "y": 2}


def test_a_text_of_the_service_is_read_or_said_to_be_none() -> None:
    assert _documents.parse('{"name": "x"}') == {"name": "x"}
    with pytest.raises(SpecError, match="not valid YAML"):
        _documents.parse("a: [")
