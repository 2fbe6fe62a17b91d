"""Code and models as folders on this machine, fetched once for each content and shared by jobs.

Not here: the job's inputs, which `staging` brings and takes away again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from azure_batch_endpoints._wire.uris import shown
from azure_batch_endpoints.local.buckets import Bucket, StoredFile
from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.paths import inside
from azure_batch_endpoints.local.patient_store import PatientStore

_MANIFEST = "manifest.json"
_CONTENT = "content"


@dataclass(frozen=True)
class _Asset:
    """What an asset's URI led to: each file with its place below the folder that is handed out."""

    bucket: Bucket
    files: tuple[tuple[str, StoredFile], ...]

    @property
    def digest(self) -> str:
        """Changes when a file does; the store's port is no part of it."""
        digest = hashlib.sha256(urlsplit(self.bucket.url).path.encode())
        for path, file in self.files:
            digest.update(f"\n{path}\0{file.name}\0{file.size}\0{file.mark}".encode())
        return digest.hexdigest()[:32]


class AssetCache:
    """The folders of one service.

    Args:
        root: where they are kept.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks: dict[str, threading.Lock] = {}

    def model(self, store: PatientStore, uri: str) -> Path:
        """Return the parent folder of a model, as `AZUREML_MODEL_DIR` has it.

        A folder ``…/model/`` is ``<returned>/model/…``, a file ``…/m.pkl`` is ``<returned>/m.pkl``.
        It is shared by jobs and must not be changed; where a script did change it, the next job gets a fresh one.

        Raises:
            JobFailed: there is nothing.
        """
        return self._fetched("models", _look_up(store, uri, "model", keep_folder=True))

    def code(self, store: PatientStore, uri: str, dest: Path) -> None:
        """Make `dest` a copy of a code folder: a job's own, because scripts write beside themselves.

        Raises:
            JobFailed: there is nothing.
        """
        folder = self._fetched("code", _look_up(store, uri, "code", keep_folder=False))
        shutil.rmtree(dest, ignore_errors=True)
        _copy_folder(folder, dest)

    def _fetched(self, kind: str, asset: _Asset) -> Path:
        digest = asset.digest
        with self._locks.setdefault(digest, threading.Lock()):
            folder = self._root / kind / digest
            if not _is_unchanged(folder):
                _fetch(asset, folder)
        return folder / _CONTENT


def _look_up(store: PatientStore, uri: str, role: str, *, keep_folder: bool) -> _Asset:
    bucket, path = store.open(uri)
    path = path.rstrip("/")
    file = None if uri.endswith("/") or not path else bucket.find(path)
    if file is not None:
        return _Asset(bucket, ((path.rpartition("/")[2], file),))
    prefix = f"{path}/" if path else ""
    above = f"{path.rpartition('/')[2]}/" if keep_folder and path else ""
    files = tuple((above + one.name[len(prefix) :], one) for one in bucket.list(prefix) if not one.name.endswith("/"))
    if not files:
        raise JobFailed(
            f"The {role} '{shown(uri)}' is not in storage any more. Register it again, or name another {role}."
        )
    return _Asset(bucket, files)


def _fetch(asset: _Asset, folder: Path) -> None:
    draft = folder.with_name(f".{folder.name}")
    for old in (draft, folder):
        shutil.rmtree(old, ignore_errors=True)
    content = draft / _CONTENT
    for path, file in asset.files:
        dest = inside(content, path)
        dest.parent.mkdir(parents=True, exist_ok=True)
        asset.bucket.fetch(file.name, dest)
    (draft / _MANIFEST).write_text(json.dumps(_state(content)), encoding="utf-8")
    draft.replace(folder)


def _copy_folder(source: Path, dest: Path) -> None:
    """Copy a folder; what goes wrong is raised as it is (`shutil.copytree` makes texts of it)."""
    dest.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_dir():
            _copy_folder(path, dest / path.name)
        else:
            shutil.copyfile(path, dest / path.name)


def _is_unchanged(folder: Path) -> bool:
    try:
        noted = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(noted == _state(folder / _CONTENT))


def _state(content: Path) -> dict[str, list[int]]:
    """Return size and time of every file, as JSON gives it back; what Python itself compiles does not count."""
    files = (path for path in content.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {
        path.relative_to(content).as_posix(): [(status := path.stat()).st_size, status.st_mtime_ns]
        for path in sorted(files)
    }
