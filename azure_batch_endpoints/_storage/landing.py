"""Where the files of a folder in storage may land on this machine: inside the folder the user named, each in its place.

Names in storage are free text. Whoever wrote them need not be the one who downloads, so none may lead elsewhere.
"""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path, PureWindowsPath

from azure_batch_endpoints._storage.listing import BlobItem
from azure_batch_endpoints.errors import ResultsError

_LONGEST = 255
"""Bytes of one part of a name that file systems keep."""
_COPY = "Nothing was downloaded. Copy it under another name with a storage client, such as azcopy."
_NOT_ON_WINDOWS = frozenset('<>:"|?*\\')
_DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{one}{n}" for one in ("com", "lpt") for n in "123456789¹²³")])


def places(target: Path, files: Iterable[tuple[str, BlobItem]]) -> dict[Path, BlobItem]:
    """Return where each file goes, in the order given; folder markers are left out.

    Args:
        target: folder they go to; need not be there.
        files: name relative to the folder, and the blob.

    Raises:
        ResultsError: a name leads out of the folder, is none that a file can have, or is another's in another spelling.
    """
    found: dict[Path, BlobItem] = {}
    names: dict[str, None] = {}
    inside = _Inside(target)
    for name, item in files:
        if name.endswith("/") and item.size == 0:
            continue
        _require_name(target, name)
        path = target / name
        if path in found:
            raise ResultsError(f"The output names one file twice: '{name}', in two spellings. {_COPY}")
        inside.require(path, name)
        found[path] = item
        names[name] = None
    _require_apart(names)
    _require_told_apart(target, names)
    return found


def _require_name(target: Path, name: str) -> None:
    # Also what leads out on Windows only: files travel on.
    parts = name.split("/")
    if not name or ".." in parts or parts[0] == "" or _leads_out_on_windows(name):
        raise ResultsError(f"The output names a file outside of '{target}': '{name}'. {_COPY}")
    if "." in parts or "" in parts or "\0" in name or (os.name == "nt" and any(map(_is_odd_on_windows, parts))):
        raise ResultsError(f"The output names a file as no file can be called: '{name}'. {_COPY}")
    if any(len(os.fsencode(part)) > _LONGEST for part in parts):
        raise ResultsError(
            f"The output names a file with more than {_LONGEST} bytes between slashes: '{name}'. {_COPY}"
        )


def _leads_out_on_windows(name: str) -> bool:
    if "\\" not in name and ":" not in name:
        return False
    windows = PureWindowsPath(name)
    return ".." in windows.parts or bool(windows.root) or (os.name == "nt" and bool(windows.drive))


def _is_odd_on_windows(part: str) -> bool:
    """Whether Windows takes a part of a name for something else: another name, a stream of a file, a device."""
    device = part.split(".")[0].rstrip(" ").casefold() in _DEVICES
    return device or part[-1:] in {" ", "."} or any(one in _NOT_ON_WINDOWS or one < " " for one in part)


class _Inside:
    """Looks for links on the way that lead out of the folder; each folder is looked at once."""

    def __init__(self, target: Path) -> None:
        self._target, self._top = target, target.resolve()
        self._fine: set[str] = set()

    def require(self, path: Path, name: str) -> None:
        """Refuse a file whose place is elsewhere."""
        folder = name.rpartition("/")[0]
        if folder not in self._fine:
            self._require(path.parent, name)
            self._fine.add(folder)
        if path.is_symlink():
            self._require(path, name)

    def _require(self, path: Path, name: str) -> None:
        if not path.resolve().is_relative_to(self._top):
            raise ResultsError(
                f"The output names a file outside of '{self._target}': '{name}', for there is a link on the way. "
                "Nothing was downloaded. Remove the link, or name another folder."
            )


def _require_apart(names: Collection[str]) -> None:
    fine: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in fine:
            if folder in names:
                raise ResultsError(f"The output names '{folder}' as a file and, with '{name}', as a folder. {_COPY}")
            fine.add(folder)
            folder = folder.rpartition("/")[0]


def _require_told_apart(target: Path, names: Collection[str]) -> None:
    """Refuse names that the file system takes for one: most of Windows and macOS do not know case."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            if not _is_blind(target):
                return
            raise ResultsError(
                f"The output names '{other}' and '{name}', which are one file in '{target}': its file system does not "
                f"tell them apart. {_COPY}"
            )


def _is_blind(target: Path) -> bool:
    there = next((one for one in (target, *target.resolve().parents) if one.is_dir()), None)
    with suppress(OSError), tempfile.TemporaryDirectory(prefix=".Case-", dir=there) as made:
        return Path(made).with_name(Path(made).name.swapcase()).exists()
    return False
