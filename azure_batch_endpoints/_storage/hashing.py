"""What is in a local file or folder, and the two hashes by which the official client and this one know it again.

Facts of azure-ai-ml 1.35.2 (checked against it): what it uploads, which ignore file it heeds, and in which order names
and contents go into its hashes. Reading only; nothing is sent.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from azure_batch_endpoints._spelling import nearest
from azure_batch_endpoints._storage.ignoring import Ignored
from azure_batch_endpoints._storage.steps import Meter, Progress, TransferStep
from azure_batch_endpoints.errors import LocalPathError

CODE_HASH_VERSION = "202208"
_READ = 1024 * 1024
_UPLOAD_SEED = b"Initialize for october 2021 AML CLI version"


@dataclass(frozen=True)
class LocalFile:
    """One file to upload.

    Attributes:
        path: where it really is, links followed.
        name: name relative to the folder, with ``/``; the file's own name when it is uploaded alone.
        size: bytes when it was looked at.
        modified: nanoseconds, the file's own clock, when it was looked at.
    """

    path: Path
    name: str
    size: int
    modified: int

    @property
    def unchanged(self) -> bool:
        """Whether size and time are still those it was hashed with."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size, self.modified)


@dataclass(frozen=True)
class LocalTree:
    """A local file or folder as it was found.

    Attributes:
        path: as the user gave it.
        name: its own name, last part of the absolute path.
        is_folder: whether it is a folder.
        entries: files and folders in the order in which the upload hash takes them, by bare name; None for a folder.
        spared: files in folders that an ignore file leaves out and of which it then takes these back. The official
            client uploads them, and leaves them out of the hash of data and models; here they count in it, so that
            their changes are noticed.
    """

    path: Path
    name: str
    is_folder: bool
    entries: tuple[tuple[str, LocalFile | None], ...] = field(repr=False)
    spared: tuple[LocalFile, ...] = field(default=(), repr=False)

    @property
    def files(self) -> list[LocalFile]:
        """The files in the order of their real paths; the first carries the mark that an upload is complete."""
        return sorted(self._every(), key=lambda file: (file.path.as_posix(), file.name))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self._every())

    def holds(self, name: str) -> bool:
        """Whether the folder holds a file of that relative name."""
        return self.is_folder and any(file.name == name for file in self._every())

    def upload_hash(self, progress: Progress | None = None) -> str:
        """Return the hash in ``LocalUpload/{hash}/{name}``: SHA-256, hexadecimal.

        Args:
            progress: told how far the reading is.

        Raises:
            LocalPathError: a file cannot be read, or changed since it was looked at.
        """
        digest, meter = hashlib.sha256(_UPLOAD_SEED), self._meter(progress)
        for name, file in self.entries:
            if self.is_folder:
                digest.update(name.encode())
            if file is not None:
                _feed(digest, file, meter)
        for file in self.spared:
            digest.update(f"#{file.name}#{file.size}".encode())
            _feed(digest, file, meter)
        return digest.hexdigest()

    def code_hash(self, progress: Progress | None = None) -> str:
        """Return the hash by which a code asset is found again, ``hashVersion`` 202208: SHA-256, hexadecimal.

        Args:
            progress: told how far the reading is.

        Raises:
            LocalPathError: a file cannot be read, or changed since it was looked at.
        """
        files = sorted(self._every(), key=lambda file: file.name.lower())
        digest = hashlib.sha256(str(len(files)).encode())
        for file in files:
            digest.update(f"#{file.name}#{file.size}".encode())
        meter = self._meter(progress)
        for file in files:
            _feed(digest, file, meter)
        return digest.hexdigest()

    def _every(self) -> list[LocalFile]:
        return [*(file for _, file in self.entries if file), *self.spared]

    def _meter(self, progress: Progress | None) -> Meter | None:
        start = TransferStep(self.name, 0, len(self._every()), 0, self.size, "hashing")
        return None if progress is None else Meter(start, progress)


def scan(path: str | os.PathLike[str], *, role: str = "Input") -> LocalTree:
    """Look at a local file or folder: every file under it, links followed as long as they stay inside.

    Args:
        path: absolute or relative to the working directory.
        role: what it is for the user, first word of an error's text.

    Raises:
        LocalPathError: it does not exist, is empty, cannot be read, or holds a link that leads outside or in a circle.
    """
    given = Path(path)
    walk = _Walk(os.fspath(path), role)
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps "..", resolve loses a link's own name)
    if walk.is_folder():
        entries = tuple(walk.folder(given.resolve()))
        spared = tuple(walk.spared())
        if not spared and not any(file for _, file in entries):
            raise walk.empty()
        return LocalTree(given, absolute.name or "root", is_folder=True, entries=entries, spared=spared)
    file = walk.file(given.resolve(), absolute.name)
    return LocalTree(given, absolute.name, is_folder=False, entries=((file.name, file),))


class _Walk:
    """One look at one path: where it began, and the words for what is wrong there."""

    def __init__(self, given: str, role: str) -> None:
        self._given = given
        self._path = Path(given)
        self._role = role
        self._root = Path()
        self._ignored = Ignored()
        self._left_out: list[tuple[Path, str]] = []
        self._left_any = False

    def is_folder(self) -> bool:
        """Whether the path is a folder; refuses one that is not there."""
        try:
            folder = stat.S_ISDIR(self._path.stat().st_mode)
            self._root = self._path.resolve()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._missing() from error
        except OSError as error:
            raise self._unreadable(self._path.name, error) from error
        if folder:
            self._ignored = self._patterns()
        elif self._given.endswith(("/", os.sep)):
            raise self.refuse("is a file, not a folder.", f"Write '{self._given.rstrip('/' + os.sep)}'.")
        return folder

    def _patterns(self) -> Ignored:
        try:
            return Ignored.of(self._root)
        except OSError as error:
            if isinstance(error, LocalPathError):
                raise
            raise self._unreadable(Path(str(error.filename)).name, error) from error

    def folder(self, folder: Path) -> Iterator[tuple[str, LocalFile | None]]:
        """Yield what is in a folder, sorted by lower-case name, each folder before its content."""
        yield from self._below(folder, "")

    def spared(self) -> Iterator[LocalFile]:
        """Yield the files that are taken back out of folders that are left out; after :meth:`folder`."""
        left_out, self._left_out = (self._left_out if self._ignored.takes_back else []), []
        for folder, name in left_out:
            for _, file in self._below(folder, name, into_ignored=True):
                if file is not None and not self._ignored.matches(file.name):
                    yield file

    def _below(self, folder: Path, name: str, *, into_ignored: bool = False) -> Iterator[tuple[str, LocalFile | None]]:
        begun = [
            self._listed(folder, name, (), every=into_ignored)
        ]  # a stack of our own: folders can be deeper than Python recurses
        while begun:
            entry = next(begun[-1], None)
            if entry is None:
                begun.pop()
                continue
            path, name, above = entry
            self._check_name(name)
            real = self._inside(path, name) if path.is_symlink() else path
            if real.is_dir():
                yield path.name, None
                begun.append(self._listed(real, name, above, every=into_ignored))
            else:
                yield path.name, self.file(real, name)

    def _listed(
        self, real: Path, below: str, above: tuple[Path, ...], *, every: bool = False
    ) -> Iterator[tuple[Path, str, tuple[Path, ...]]]:
        if real in above:
            raise self.refuse(f"holds the link '{below}', which leads in a circle.", "Remove it.")
        try:
            found = sorted(os.scandir(real), key=lambda entry: (entry.name.lower(), entry.name))
        except OSError as error:
            raise self._unreadable(below or ".", error) from error
        for entry in found:
            name = f"{below}/{entry.name}" if below else entry.name
            if every or not self._ignored.matches(name):
                yield Path(entry.path), name, (*above, real)
                continue
            self._left_any = True
            if entry.is_dir(follow_symlinks=False):
                self._left_out.append((Path(entry.path), name))

    def file(self, real: Path, name: str) -> LocalFile:
        """Return one file's description."""
        self._check_name(name)
        try:
            about = real.stat()
        except OSError as error:
            raise self._unreadable(name, error) from error
        if not stat.S_ISREG(about.st_mode):
            raise self.refuse(f"holds '{name}', which is neither a file nor a folder.", "Remove it.")
        return LocalFile(real, name, about.st_size, about.st_mtime_ns)

    def _inside(self, link: Path, name: str) -> Path:
        try:
            real = link.resolve(strict=True)
        except FileNotFoundError as error:
            raise self.refuse(f"holds the link '{name}' to something that does not exist.", "Remove it.") from error
        except PermissionError as error:
            raise self._unreadable(name, error) from error
        except (OSError, RuntimeError) as error:  # a link to itself; RuntimeError before Python 3.13
            raise self.refuse(f"holds the link '{name}', which leads in a circle.", "Remove it.") from error
        if not real.is_relative_to(self._root):
            raise self.refuse(
                f"holds the link '{name}', which leads outside to '{real}'.",
                "Copy what it points to into the folder, or remove the link.",
            )
        return real

    def _check_name(self, name: str) -> None:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            shown = name.encode(errors="backslashreplace").decode()
            raise self.refuse(f"holds '{shown}', whose name is not UTF-8.", "Rename it.") from error

    def empty(self) -> LocalPathError:
        """Return the error for a folder of which nothing would be sent."""
        if self._left_any:
            by = self._ignored.file
            return self.refuse(f"holds only files that its '{by}' leaves out.", f"Take lines out of '{by}'.")
        return self.refuse("is an empty folder.", "Put files into it, or name another folder.")

    def refuse(self, what: str, remedy: str) -> LocalPathError:
        """Return the error for a path that cannot be used."""
        return LocalPathError(f"{self._role} '{self._given}' {what} {remedy} Nothing was sent.", path=self._path)

    def _unreadable(self, name: str, error: OSError) -> LocalPathError:
        reason = error.strerror or type(error).__name__
        return self.refuse(f"cannot be read: '{name}' ({reason}).", "Check its permissions.")

    def _missing(self) -> LocalPathError:
        near = nearest(self._path)
        dot = "./" if self._given.startswith("./") else ""
        hint = f"Did you mean '{dot}{near}'?" if near else "Check the spelling and the working directory."
        looked = "" if self._path.is_absolute() else f" (looked in '{Path.cwd()}')"
        what = "is a link to something that does not exist" if self._path.is_symlink() else "does not exist"
        return self.refuse(f"{what}{looked}.", hint)


def md5_of(path: Path) -> bytes:
    """Return the MD5 of a file, as accounts keep it."""
    # hashlib.file_digest needs Python 3.11.
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_READ):
            digest.update(chunk)
    return digest.digest()


def _feed(digest: hashlib._Hash, file: LocalFile, meter: Meter | None) -> None:
    try:
        with file.path.open("rb", buffering=0) as stream:
            read = 0
            while chunk := stream.read(_READ):
                digest.update(chunk)
                read += len(chunk)
                if meter is not None and read < file.size:
                    meter.sending(file.name, read)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LocalPathError(
            f"The file '{file.path}' cannot be read ({reason}). Check its permissions. Nothing was sent.",
            path=file.path,
        ) from error
    if read != file.size:
        raise LocalPathError(
            f"The file '{file.path}' changed while it was read. Wait until nothing writes to it, then try again.",
            path=file.path,
        )
    if meter is not None:
        meter.done(file.name, file.size)
