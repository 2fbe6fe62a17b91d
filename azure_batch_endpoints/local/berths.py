"""Where each staged input lies: below one folder by its own path, or set aside where two paths are in each other's way.

Here: places and the folders they need. Not here: bringing the files, and when they go (`staging`).
"""

from __future__ import annotations

import errno
import os
import threading
import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from azure_batch_endpoints.errors import LocalPathError
from azure_batch_endpoints.local import disk
from azure_batch_endpoints.local.paths import inside, set_aside
from azure_batch_endpoints.local.plan import InputItem

Bring: TypeAlias = Callable[[InputItem, str], None]
"""Puts an input at a path that is free."""
_LOOKS = 10
"""How often a folder is made again that another file's leaving took away."""


class Berths:
    """The places of one job's staged inputs; safe to use from several threads.

    Args:
        folder: takes them all; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = f"{folder}/"
        self._folds_case = (folder.parent / folder.name.swapcase()).exists()
        self._lock = threading.Lock()
        self._taken: dict[str, int] = {}

    def fill(self, item: InputItem, bring: Bring) -> str:
        """Bring an input to its place; return the place.

        Raises:
            OSError: the disk cannot take it.
        """
        dest = str(inside(self._folder, item.path))
        with self._lock:
            first = self._taken.setdefault(self._key(dest), item.index)
        if first == item.index:
            try:
                return self._bring(item, dest, bring)
            except BaseException as error:
                self._give_free(dest, item.index)
                if not _is_in_the_way(error):
                    raise
        return self._bring(item, str(set_aside(self._folder, item.index, item.path)), bring)

    def leave(self, items: Iterable[InputItem], files: Iterable[str]) -> None:
        """Remove staged files, and the folders that are empty then.

        Args:
            items: the inputs.
            files: where `fill` put them.
        """
        folders: set[str] = set()
        for item, file in zip(items, files, strict=False):
            with suppress(OSError):  # the script may have moved or removed it
                os.unlink(file)  # noqa: PTH108 - for each of a million files
            self._give_free(file, item.index)
            folders.add(file.rpartition("/")[0])
        for folder in folders:
            with suppress(OSError):  # not empty
                while folder.startswith(self._root):
                    os.rmdir(folder)  # noqa: PTH106 - as above
                    folder = folder.rpartition("/")[0]

    def _give_free(self, path: str, index: int) -> None:
        key = self._key(path)
        with self._lock:
            if self._taken.get(key) == index:
                del self._taken[key]

    def _bring(self, item: InputItem, dest: str, bring: Bring) -> str:
        for _ in range(_LOOKS):
            try:
                bring(item, dest)
            except FileNotFoundError as error:  # the folder is not there yet, or just went with the last file in it
                if isinstance(error, LocalPathError):
                    raise
                os.makedirs(dest.rpartition("/")[0], exist_ok=True)  # noqa: PTH103 - as above
            else:
                return dest
        raise FileNotFoundError(errno.ENOENT, "the folder of a staged input went away again and again", dest)

    def _key(self, path: str) -> str:
        """What the file system tells files by: some take 'A' and 'a', or two spellings of 'ä', for one name."""
        return unicodedata.normalize("NFC", path).casefold() if self._folds_case else path


def _is_in_the_way(error: BaseException) -> bool:
    """Whether a place cannot be had for what lies there, or for the length of its path.

    Blobs 'a' and 'a/b' may both exist; a download over HTTP says so as LocalPathError.
    """
    if isinstance(error, LocalPathError):
        return not disk.is_full(error)
    if isinstance(error, (FileExistsError, NotADirectoryError, IsADirectoryError)):
        return True
    return isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
