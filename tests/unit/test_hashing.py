"""Looking at local files: hashes the official client has too, and words for what cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from azure_batch_endpoints._storage.hashing import LocalTree, scan
from azure_batch_endpoints.errors import LocalPathError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder whose hashes were made with azure-ai-ml 1.35.2."""
    root = tmp_path / "model"
    for name, content in {
        "B/one.txt": b"one",
        "a/two.txt": b"two" * 1000,
        "a.bin": b"",
        "Zed": b"z",
        "skip.log": b"x",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def names(tree: LocalTree) -> list[str]:
    return [file.name for file in tree.files]


def test_a_folder_has_the_hashes_the_official_client_gives_it(model: Path) -> None:
    tree = scan(model)

    assert tree.upload_hash() == "74bb1f0c1d99e3045f77e3569089655bc2553f4aebbfe16a8c17c142f3fb10b9"
    assert tree.code_hash() == "857a05ab069606feb4746738dc4156b373dea086fad34e2360ad15bae19cba72"


def test_amlignore_goes_before_gitignore(model: Path) -> None:
    (model / ".amlignore").write_text("*.log\n")
    (model / ".gitignore").write_text("*.txt\n")

    tree = scan(model)

    assert names(tree) == [".amlignore", ".gitignore", "B/one.txt", "Zed", "a.bin", "a/two.txt"]


def test_amlignore_alone_gives_the_official_hashes(model: Path) -> None:
    (model / ".amlignore").write_text("*.log\n")

    tree = scan(model)

    assert tree.upload_hash() == "6901eababdea435d9c280f756298e0568b736a649f0a4cd46fda1b2dcaa377ea"
    assert tree.code_hash() == "3a1de56b50d4d4e7772e08989f08ba7de166e6a2b9869df8510ea8949117f762"


def test_gitignore_counts_when_there_is_no_amlignore(model: Path) -> None:
    (model / ".gitignore").write_text("# logs\n*.log\nB/\n!a.bin\n")

    assert names(scan(model)) == [".gitignore", "Zed", "a.bin", "a/two.txt"]


def test_a_file_has_the_hashes_the_official_client_gives_it(model: Path) -> None:
    tree = scan(model / "a" / "two.txt")

    assert tree.upload_hash() == "2cc98a66d63a4c51bec711ec60682ed98856c08da5fd51153fdf326fde6a0cb0"
    assert tree.code_hash() == "b88ec70ccde4aa3960b5869c93ad8af8c05593a2cda9618eb1dd061d2e4187ab"


def test_a_folder_is_named_by_its_absolute_path(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model)

    assert scan(".").name == "model"
    assert scan("a/..").name == "model"


def test_the_files_of_a_folder_are_relative_and_sorted(model: Path) -> None:
    tree = scan(model)

    assert names(tree) == ["B/one.txt", "Zed", "a.bin", "a/two.txt", "skip.log"]
    assert tree.is_folder and tree.size == 3 + 3000 + 1 + 1
    assert tree.holds("a/two.txt") and not tree.holds("two.txt")


def test_a_missing_path_is_named_with_its_nearest_sibling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(LocalPathError) as caught:
        scan("./dat")

    assert str(caught.value) == (
        f"Input './dat' does not exist (looked in '{tmp_path}'). Did you mean './data'? Nothing was sent."
    )
    assert caught.value.path == Path("dat")


def test_a_missing_folder_in_the_middle_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "images" / "train").mkdir(parents=True)

    with pytest.raises(LocalPathError, match=r"Did you mean '.*/images'\?"):
        scan(tmp_path / "image" / "train")


def test_a_missing_path_without_a_likely_sibling_gets_general_advice(tmp_path: Path) -> None:
    with pytest.raises(LocalPathError, match="Check the spelling"):
        scan(tmp_path / "nothing" / "like" / "it", role="Model")


@pytest.mark.parametrize("content", [[], ["inner/"]])
def test_a_folder_without_files_is_refused(tmp_path: Path, content: list[str]) -> None:
    for name in content:
        if name.endswith("/"):
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name.split(":")[0]).write_text(name.split(":")[1])

    with pytest.raises(LocalPathError, match=r"is an empty folder. Put files into it"):
        scan(tmp_path)


@pytest.mark.parametrize("name", [".amlignore", ".gitignore"])
def test_a_folder_whose_files_are_all_left_out_is_not_called_empty(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.csv").write_text("1")
    (tmp_path / name).write_text("*\n")

    with pytest.raises(LocalPathError, match=rf"holds only files that its '\{name}' leaves out\. Take lines out of"):
        scan(tmp_path)


def test_a_file_given_as_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1")

    with pytest.raises(LocalPathError, match=r"is a file, not a folder. Write '.*/data.csv'"):
        scan(f"{tmp_path}/data.csv/")


def test_links_inside_the_folder_are_followed(model: Path) -> None:
    (model / "again.txt").symlink_to("a/two.txt")
    (model / "c").symlink_to("a", target_is_directory=True)

    tree = scan(model)

    assert {"again.txt", "c/two.txt"} <= set(names(tree))
    assert next(file for file in tree.files if file.name == "again.txt").size == 3000


def test_a_link_given_as_the_path_keeps_its_own_name(model: Path) -> None:
    link = model.parent / "current"
    link.symlink_to(model, target_is_directory=True)

    assert scan(link).name == "current"
    assert scan(link).upload_hash() == scan(model).upload_hash()


@pytest.mark.parametrize(
    ("link", "target", "says"),
    [
        ("out", "../..", "leads outside to"),
        ("gone", "nowhere", "to something that does not exist"),
        ("self", "self", "leads in a circle"),
        ("a/up", "..", "leads in a circle"),
    ],
)
def test_a_link_that_leads_astray_is_refused(model: Path, link: str, target: str, says: str) -> None:
    (model / link).symlink_to(target)

    with pytest.raises(LocalPathError, match=f"holds the link '{link}'.*{says}"):
        scan(model)


def test_a_folder_may_be_deeper_than_python_recurses(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(600):  # made step by step: the whole path is nearly as long as a path can be
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x")

    tree = scan(tmp_path / "d")

    assert [file.name for file in tree.files] == ["d/" * 599 + "file"]
    assert len(tree.entries) == 600


def test_what_is_neither_file_nor_folder_is_refused(model: Path) -> None:
    os.mkfifo(model / "pipe")

    with pytest.raises(LocalPathError, match="holds 'pipe', which is neither a file nor a folder"):
        scan(model)


def test_a_name_that_is_not_utf8_is_refused(model: Path) -> None:
    Path(os.fsdecode(os.fsencode(model) + b"/\xff.txt")).write_text("x")

    with pytest.raises(LocalPathError, match=r"whose name is not UTF-8. Rename it"):
        scan(model)


def test_a_file_that_grows_while_it_is_hashed_is_refused(model: Path) -> None:
    tree = scan(model)
    (model / "Zed").write_bytes(b"zz")

    with pytest.raises(LocalPathError, match="changed while it was read"):
        tree.upload_hash()


def test_a_file_that_vanished_is_refused_and_counts_as_changed(model: Path) -> None:
    tree = scan(model)
    (model / "Zed").unlink()

    assert not next(file for file in tree.files if file.name == "Zed").unchanged
    with pytest.raises(LocalPathError, match="cannot be read"):
        tree.code_hash()
