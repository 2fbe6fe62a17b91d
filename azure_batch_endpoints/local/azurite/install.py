"""Installing Azurite once per user, exactly as the lock file in this package pins it. Starts nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.azurite.node import Node

_HERE = Path(__file__).parent
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where Debian and Red Hat keep the authorities they trust."""
_FILES = ("package.json", "package-lock.json")
_SECONDS = 900


def cache_folder() -> Path:
    """Where this user's programs keep what can be made again."""
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "azure_batch_endpoints"


class Package(NamedTuple):
    """A Node.js package pinned by a lock file.

    Attributes:
        name: What it is called in the cache folder and in messages.
        source: The folder with its ``package.json`` and ``package-lock.json``.
        main: The file that is there once it is installed, below the folder it is installed in.
        advice: What to do when it cannot be installed.
    """

    name: str
    source: Path
    main: Path
    advice: str = ""


_AZURITE = Package(
    "azurite",
    _HERE,
    Path("node_modules", "azurite", "dist", "src", "blob", "main.js"),
    ', or leave storage="azurite" out to use the embedded blob store',
)


def azurite_program(node: Node, cache: Path | None = None) -> Path:
    """Azurite's main script, installed first when it is not there yet.

    Args:
        node: The Node.js whose npm installs it.
        cache: The folder to keep it in; the user's cache folder by default.

    Raises:
        LocalServiceError: The installation failed; the message ends with npm's last words.
    """
    return install(_AZURITE, node, cache)


def install(package: Package, node: Node, cache: Path | None = None) -> Path:
    """A package's main file, installed first when it is not there yet; see :func:`azurite_program`."""
    cache = cache or cache_folder()
    folder = cache / f"{package.name}-{_fingerprint(package)}"
    if not (folder / package.main).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(cache / f"{package.name}.lock", timeout=_SECONDS):
                if not (folder / package.main).is_file():
                    _install(package, node, folder)
        except Timeout as error:
            raise LocalServiceError(
                f"Another process has been installing {package.name.title()} in '{cache}' for {_SECONDS} s. "
                "End it and try again."
            ) from error
    return folder / package.main


def _fingerprint(package: Package) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((package.source / name).read_bytes())
    return digest.hexdigest()[:16]


def _install(package: Package, node: Node, folder: Path) -> None:
    # Into a folder beside it, then renamed: a half-made installation is never taken for a whole one.
    making = Path(tempfile.mkdtemp(prefix=f"{package.name}-", dir=folder.parent))
    try:
        for name in _FILES:
            shutil.copyfile(package.source / name, making / name)
        _npm_ci(package, node, making)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _npm_ci(package: Package, node: Node, folder: Path) -> None:
    command = [*node.npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(  # noqa: S603  npm was found by us, the arguments are constant
            command,
            cwd=folder,
            env={**_trusted(), **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(package, str(error)) from error
    if done.returncode or not (folder / package.main).is_file():
        raise _failed(package, done.stdout)


def _trusted() -> dict[str, str]:
    """Let npm trust what this machine trusts: Node.js knows only its own list, and a proxy may open TLS."""
    bundles = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    found = next((bundle for bundle in bundles if bundle and Path(bundle).is_file()), None)
    return {"NODE_EXTRA_CA_CERTS": found} if found else {}


def _failed(package: Package, output: str) -> LocalServiceError:
    words = " | ".join(line.strip() for line in output.strip().splitlines()[-5:])
    return LocalServiceError(
        f"{package.name.title()} could not be installed with npm. Check that npm can reach its registry "
        f"(npm config get registry){package.advice}. npm said: {words}"
    )
