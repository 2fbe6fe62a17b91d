"""Which interpreter scores: this one (`host`), or a virtual environment made from the conda file (`build`).

Only the conda file's pip part and its package names are read; nothing of conda itself is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import IO

import yaml

from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.job import ServiceSettings

_TOOLS = {"pip", "setuptools", "wheel"}
_CLOUD_ONLY = {"azureml-core", "azureml-dataset-runtime"}
"""What Azure's own driver needs in every environment; this service's worker needs neither."""
_LAST_LINES = 20
_LOOK_SECONDS = 0.1
_LISTED = 12
_PACKAGE = re.compile(r"^\s*(?:[\w.-]+::)?(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?\s*(?P<version>[=<>!~][^;#]*)?")
Say = Callable[[str], None]


@dataclass(frozen=True)
class CondaFile:
    """What is used of a conda file.

    Attributes:
        packages: conda packages as written, e.g. ``scikit-learn=1.5``.
        pip: lines for pip, as written.
    """

    packages: tuple[str, ...]
    pip: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> CondaFile:
        """Read a conda file.

        Raises:
            JobFailed: it is not one.
        """
        try:
            dependencies = (yaml.safe_load(text) or {}).get("dependencies") or []
            pip = [str(line) for one in dependencies if isinstance(one, dict) for line in one.get("pip") or []]
            packages = [str(one) for one in dependencies if not isinstance(one, dict)]
        except (yaml.YAMLError, AttributeError, TypeError) as error:
            raise JobFailed(
                f"The deployment's conda file cannot be read: {error} "
                "Give it a list 'dependencies', with a 'pip' list in it."
            ) from error
        return cls(tuple(packages), tuple(line for line in pip if _name(line) not in _CLOUD_ONLY))

    def differences(self) -> Iterator[str]:
        """Yield what this interpreter has otherwise, e.g. "scikit-learn 1.9.1 instead of ==1.0"."""
        for line in [*self.packages, *self.pip]:
            found = None if line.lstrip().startswith("-") or "://" in line else _PACKAGE.match(line)
            if found:
                name, wanted = found["name"], (found["version"] or "").strip()
                here = _installed(name)
                if here is None:
                    yield f"no {name}"
                elif wanted and not _satisfies(here, wanted):
                    yield f"{name} {here} instead of {wanted.lstrip('=')}"


def _name(line: str) -> str:
    found = _PACKAGE.match(line)
    return found["name"].lower().replace("_", "-") if found else ""


class Environments:
    """The interpreters of one service.

    Args:
        settings: ``environments`` says which kind, ``root`` where virtual environments are kept.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._build = settings.environments == "build"
        self._root = settings.root / "environments"
        self._lock = threading.Lock()

    def python(self, conda_file: str | None, say: Say, check: Callable[[], None] = lambda: None) -> str:
        """Return the interpreter for a job.

        Args:
            conda_file: text of the deployment's conda file, or None.
            say: takes a line for the job's log.
            check: called now and then; stops the making by raising.

        Raises:
            JobFailed: the conda file cannot be read, or the environment cannot be made.
        """
        if conda_file is None or not conda_file.strip():
            return sys.executable
        wanted = CondaFile.read(conda_file)
        if self._build:
            return str(self._built(wanted, say, check))
        differences = list(wanted.differences())
        if differences:
            more = f" and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
            say(
                f"Scoring with this interpreter ({sys.executable}), which differs from the conda file: "
                f"{', '.join(differences[:_LISTED])}{more}. "
                "BatchClient.local(environments='build') makes it as written."
            )
        return sys.executable

    def _built(self, wanted: CondaFile, say: Say, check: Callable[[], None]) -> Path:
        requirements = list(wanted.pip)
        key = "\n".join([sys.version, *requirements])
        folder = self._root / hashlib.sha256(key.encode()).hexdigest()[:24]
        python = folder / "bin" / "python"
        with self._lock:  # one service a root, so one lock is enough; jobs with the same environment wait for it
            if not (folder / "complete").exists():
                say(f"Making the environment in '{folder}': {len(requirements)} requirements.")
                shutil.rmtree(folder, ignore_errors=True)
                self._make(folder, python, requirements, check)
                (folder / "complete").touch()
        for package in wanted.packages:
            name = package.partition("=")[0].strip()
            if name == "python" and not _satisfies(_installed("python") or "", package.partition("=")[2]):
                say(f"The environment has Python {_installed('python')}; the conda file asks for {package}.")
            elif name != "python" and name not in _TOOLS:
                say(f"'{package}' is a conda package; it is left out. Put it under 'pip' to have it installed.")
        return python

    def _make(self, folder: Path, python: Path, requirements: list[str], check: Callable[[], None]) -> None:
        listed = folder.with_suffix(".txt")
        folder.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        uv = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else None
        venv = (
            [*uv, "venv", "--python", sys.executable, str(folder)]
            if uv
            else [sys.executable, "-m", "venv", *([] if requirements else ["--without-pip"]), str(folder)]
        )
        install = [*uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
        _run(venv, folder, check)
        if requirements:
            _run([*install, "-r", str(listed)], folder, check)


def _run(command: list[str], folder: Path, check: Callable[[], None]) -> None:
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        code = _exit_code(command, said, check)
        said.seek(0)
        last = "".join(deque(said, _LAST_LINES)).strip()
    if code:
        shutil.rmtree(folder, ignore_errors=True)
        raise JobFailed(
            "The environment could not be made from the deployment's conda file. Correct its 'pip' part, or score with "
            f"this interpreter: BatchClient.local(environments='host'). The installer's last lines:\n{last}"
        )


def _exit_code(command: list[str], said: IO[str], check: Callable[[], None]) -> int:
    """Run a command to its end; one that is to stop takes what it started with it."""
    with subprocess.Popen(  # noqa: S603 - our own commands; the requirements are the user's own
        command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_LOOK_SECONDS)
                check()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise


def _installed(name: str) -> str | None:
    if name.lower() == "python":
        return ".".join(str(part) for part in sys.version_info[:3])
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _satisfies(version: str, wanted: str) -> bool:
    """Whether a version fits ``==1.2``, ``>=1,<2`` (pip) or ``=1.2``, ``1.2.*`` (conda: any below it)."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    loose = re.sub(r"(?<![=<>!~])=(?!=)\s*([\w.*]+?)(?:\.\*)?(?==|$|,)(=[^,]*)?", r"==\1.*", wanted.strip())
    try:
        return SpecifierSet(loose).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True  # nothing is claimed about what cannot be read
