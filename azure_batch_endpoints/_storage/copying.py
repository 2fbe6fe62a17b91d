"""Copies of blobs under new names: by the storage account itself where it can, else through this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from azure_batch_endpoints._storage.blobs import Container
from azure_batch_endpoints.errors import BatchEndpointsError

_THREADS = 8
"""Copies under way; each is a request or two."""


def copy_all(source: Container, target: Container, names: Sequence[tuple[str, str]]) -> None:
    """Copy blobs; one that is there already under its new name stays.

    Within one storage account the account copies (1 request a blob, no bytes here); it does so as well from a URL with
    a signature or from a public container. Otherwise, and where it refuses, each blob is downloaded and uploaded.

    Args:
        source: container of the blobs.
        target: container of the copies.
        names: old and new name of each.

    Raises:
        NotFoundError: a blob is not there any more. Any error of storage: it could not be read or written.
    """
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="copy") as pool:
        for _ in pool.map(lambda pair: _copy(source, target, *pair), names):
            pass


def _copy(source: Container, target: Container, old: str, new: str) -> None:
    if _can_be_read_by_account(source, target):
        sas = source.credential.sas if source.credential is not None else None
        url = f"{source.url}/{quote(old)}" + (f"?{sas}" if sas else "")
        try:
            if target.copy(new, url):
                return
        except BatchEndpointsError:
            pass  # the other way says what is wrong
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder, "blob")
        source.download(old, here)
        target.upload(new, here, overwrite=True)


def _can_be_read_by_account(source: Container, target: Container) -> bool:
    credential = source.credential
    return source.account_url == target.account_url or credential is None or bool(credential.sas)
