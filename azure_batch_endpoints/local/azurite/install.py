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

from filelock import FileLock, Timeout

from azure_batch_endpoints.errors import LocalServiceError
from azure_batch_endpoints.local.azurite.node import Node

_HERE = Path(__file__).parent
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where Debian and Red Hat keep the authorities they trust."""
_FILES = ("package.json", "package-lock.json")
_SECONDS = 900
_MAIN = Path("node_modules", "azurite", "dist", "src", "blob", "main.js")


def cache_folder() -> Path:
    """Where this user's programs keep what can be made again."""
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "azure_batch_endpoints"


def azurite_program(node: Node, cache: Path | None = None) -> Path:
    """Azurite's main script, installed first when it is not there yet.

    Args:
        node: The Node.js whose npm installs it.
        cache: The folder to keep it in; the user's cache folder by default.

    Raises:
        LocalServiceError: The installation failed; the message ends with npm's last words.
    """
    cache = cache or cache_folder()
    folder = cache / f"azurite-{_fingerprint()}"
    if not (folder / _MAIN).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(cache / "azurite.lock", timeout=_SECONDS):
                if not (folder / _MAIN).is_file():
                    _install(node, folder)
        except Timeout:
            raise LocalServiceError(
                f"Another process has been installing Azurite in '{cache}' for {_SECONDS} s. End it and try again."
            ) from None
    return folder / _MAIN


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((_HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def _install(node: Node, folder: Path) -> None:
    # Into a folder beside it, then renamed: a half-made installation is never taken for a whole one.
    making = Path(tempfile.mkdtemp(prefix="azurite-", dir=folder.parent))
    try:
        for name in _FILES:
            shutil.copyfile(_HERE / name, making / name)
        _npm_ci(node, making)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _npm_ci(node: Node, folder: Path) -> None:
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
        raise _failed(str(error)) from error
    if done.returncode or not (folder / _MAIN).is_file():
        raise _failed(done.stdout)


def _trusted() -> dict[str, str]:
    """Let npm trust what this machine trusts: Node.js knows only its own list, and a proxy may open TLS."""
    bundles = (ssl.get_default_verify_paths().cafile, *_BUNDLES)
    found = next((bundle for bundle in bundles if bundle and Path(bundle).is_file()), None)
    return {"NODE_EXTRA_CA_CERTS": found} if found else {}


def _failed(output: str) -> LocalServiceError:
    words = " | ".join(line.strip() for line in output.strip().splitlines()[-5:])
    return LocalServiceError(
        "Azurite could not be installed with npm. Check that npm can reach its registry (npm config get registry), or "
        f'leave storage="azurite" out to use the embedded blob store. npm said: {words}'
    )
