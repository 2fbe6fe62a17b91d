"""What a script wrote under its output folder, on its way into storage."""

from __future__ import annotations

from pathlib import Path

from azure_batch_endpoints.local.outputs import _files


def test_files_come_in_the_order_of_their_names_a_folder_at_a_time(tmp_path: Path) -> None:
    for name in ("b.txt", "a/2.txt", "a/1.txt", "a/deep/er.txt", "a.txt", "c/only.txt"):
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "out/empty").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "out/a", target_is_directory=True)
    (tmp_path / "out/z.txt").symlink_to(tmp_path / "out/b.txt")

    found = list(_files(tmp_path / "out"))

    assert [name for name, _ in found] == [
        *("a/1.txt", "a/2.txt", "a/deep/er.txt", "a.txt", "b.txt", "c/only.txt", "z.txt")
    ]
    assert all(path == tmp_path / "out" / name for name, path in found)


def test_a_folder_that_was_never_made_holds_no_files(tmp_path: Path) -> None:
    assert list(_files(tmp_path / "out")) == []
