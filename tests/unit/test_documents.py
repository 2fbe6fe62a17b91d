"""YAML files: lines, duplicates, what is no YAML at all."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from azure_batch_endpoints import _documents
from azure_batch_endpoints.errors import LocalPathError, SpecError

MERGES = b"a0: &a0 {x: 1}\n" + b"".join(
    b"a%d: &a%d {<<: [%s]}\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 13)
)
"""Each line merges the one before nine times."""


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
        (b"a: 1\n---\nb: 2\n", "not valid YAML: found another document", 2),
        (b"a: 1\nb: x\x00y\n", "not valid YAML: it holds the character U+0000. Correct that line.", 2),
        (b"a: *nowhere\n", "not valid YAML: found undefined alias", 1),
        (b"? [a]\n: 3\n", "not valid YAML: found unhashable key", 1),
        (b"a: !!python/object:os.system x\n", "not valid YAML: could not determine a constructor", 1),
        (b"a: 2023-02-30\n", "not valid YAML: day", None),
        (b"\x89PNG\r\n\x1a\n", "the file is not UTF-8 text; it should be a YAML file", None),
        (b"\x00\x01", "not valid YAML: it holds the character U+0000", 1),
        (b"a: 1\nb: 2\na: 3\n", "'a' stands twice (first in line 1). Keep one of them.", 3),
        (b"a:\n  b: 1\n  b: 2\n", "'b' stands twice (first in line 2)", 3),
        (b"a: &x\n  b: *x\n", "the settings are nested too deep, or one holds itself", 2),
        (b"a: &x\n  <<: *x\n", "the settings are nested too deep, or one holds itself", 2),
        (b"a:\n  <<: 3\n", "'<<' merges settings; it needs an alias of some. Write <<: *name.", 2),
        (b"a: x\n\tb: y\n", "Indent with spaces, not with tabs.", 2),
        (b"a: 1\n---\nb: 2\n", "Keep one document in a file: no second '---'.", 2),
        (b"a: b: c\n", "Put a text that holds ': ' in quotes, and check the indentation.", 1),
        (b"a: 1\nb: !env X\n", "could not determine a constructor for the tag '!env'. Leave the tag out.", 2),
        (b"a: !!set {x, y}\n", "the tag 'tag:yaml.org,2002:set' is not for settings. Leave it out.", 1),
        ("a: ä\n".encode("utf-16"), "It looks like UTF-16: save it as UTF-8.", None),
        (b"a: " + b"x" * 1024 * 1024, "the file is larger than 1 MiB", None),
        (b"[" * 600, "not valid YAML: it is nested too deep", None),
        (
            b"a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
            b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
            "more than 50,000 keys and values, aliases counted",
            5,
        ),
        (MERGES, "more than 50,000 keys and values, aliases counted", 2),
    ],
)
def test_what_is_no_settings_file_is_refused_with_file_and_line(
    tmp_path: Path, text: bytes, said: str, line: int | None
) -> None:
    with pytest.raises(SpecError) as caught:
        _documents.read(written(tmp_path, text))

    assert said in str(caught.value)
    assert str(caught.value).startswith("deployment.yml")
    assert caught.value.line == line
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
    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(LocalPathError, match=r"cannot be read \(Permission denied\)\. Check its permissions"):
        _documents.read(path)


def test_merged_keys_and_anchors_are_followed(tmp_path: Path) -> None:
    document = _documents.read(written(tmp_path, "base: &b {x: 1}\nmore:\n  <<: *b\n  y: 2\n"))

    assert document.data["more"] == {"x": 1, "y": 2}
    assert document.lines["more", "x"] == 1, "the line where it is written"
    own = _documents.read(written(tmp_path, "base: &b {x: 1.10, z: 1}\nmore:\n  x: 2\n  <<: [*b, {z: 3, w: 4}]\n"))
    assert own.data["more"] == {"x": 2, "z": 1, "w": 4}
    assert (own.texts["base", "x"], own.texts["more", "x"]) == ("1.10", "2")


def test_keys_are_the_words_as_written(tmp_path: Path) -> None:
    assert list(_documents.read(written(tmp_path, "on: 1\n007: 2\nnull: 3\n1.50: 4\n")).data) == [
        "on",
        "007",
        "null",
        "1.50",
    ]


def test_plain_values_become_text_that_says_the_same(tmp_path: Path) -> None:
    data = {"a": "line\x85end", "b": "007", "c": [1, 2.5, None, True, "yes"], "d": {"ä": "😀", "e": "x: y\n#z"}}

    assert _documents.read(written(tmp_path, _documents.text_of(data))).data == data


def test_a_text_of_the_service_that_aliases_blow_up_is_refused_before_anything_is_made_of_it() -> None:
    lists = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))

    for text in (lists, MERGES.decode()):
        with pytest.raises(SpecError, match="more than 50,000 keys and values, aliases counted"):
            _documents.parse(text)
    assert _documents.parse("a: &a {x: 1}\nb: {<<: *a, y: 2026-01-01}\n") == {
        "a": {"x": 1},
        "b": {"x": 1, "y": date(2026, 1, 1)},
    }
    assert _documents.parse("# nothing") is None


def test_a_text_of_the_service_is_read_or_said_to_be_none() -> None:
    assert _documents.parse('{"name": "\\ud83d\\ude00"}') == {"name": "😀"}, "JSON, whose escapes YAML reads otherwise"
    assert _documents.parse("name: x") == {"name": "x"}
    with pytest.raises(SpecError, match="not valid YAML"):
        _documents.parse("a: [")


def test_a_missing_file_is_compared_by_more_than_its_ending(tmp_path: Path) -> None:
    for name in ("v.yml", "deployment.yml"):
        (tmp_path / name).write_text("name: x")

    with pytest.raises(LocalPathError, match="Check the path"):
        _documents.read(tmp_path / "zzz.yml")
    with pytest.raises(LocalPathError, match=r"Did you mean '.*deployment\.yml'"):
        _documents.read(tmp_path / "deploymnt.yaml")
