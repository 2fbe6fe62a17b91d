"""Environments of deployments: references, conda files and environment files, to ids of the workspace."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from azure_batch_endpoints import _documents
from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints._storage.hashing import scan
from azure_batch_endpoints._storage.versions import next_version, put_version, referred_id
from azure_batch_endpoints._wire import convert
from azure_batch_endpoints._wire.models import AssetBody
from azure_batch_endpoints._wire.readback import ANONYMOUS_ENVIRONMENT
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError
from azure_batch_endpoints.specs import EnvironmentSpec

BASE_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
"""Image for a conda file that comes without one; the service takes no environment without an image."""
_CONDA_KEYS = {"dependencies", "channels", "prefix"}


@dataclass(frozen=True)
class Described:
    """An environment to register: what was asked for, and the text of its conda file."""

    spec: EnvironmentSpec
    conda: str | None

    @property
    def version(self) -> str:
        """Version that names its content: SHA-256 of image and conda file."""
        content = json.dumps([self.spec.image, self.conda])
        return hashlib.sha256(content.encode()).hexdigest()


def described_environment(environment: str | PathLike[str] | EnvironmentSpec | None) -> Described | str | None:
    """Return a reference as it is, and anything else with its files read; nothing is sent.

    Args:
        environment: ``azureml:name:1``, ``azureml:name@latest``, an id, a conda or environment YAML file, a spec, None.

    Raises:
        LocalPathError: the file is not there.
        SpecError: the file is not what it should be.
    """
    if environment is None or (isinstance(environment, str) and is_reference(environment)):
        return environment
    spec = environment if isinstance(environment, EnvironmentSpec) else _read(environment)
    conda = _conda_text(spec)
    if spec.image is None and conda is None:
        raise InvalidInputError(
            f"Environment '{spec.name or ''}' has neither an image nor a conda file. Give it one of them."
        )
    image = spec.image or BASE_IMAGE
    return Described(spec if spec.image else EnvironmentSpec(**{**dict(spec), "image": image}), conda)


def register_described(workspace: Workspace, environment: Described | str | None) -> str | None:
    """Return the id of what :func:`described_environment` made; registers what is no reference.

    Without a name it is registered anonymously, with a version that names its content.

    Raises:
        NotFoundError: there is no version of that name.
    """
    if environment is None:
        return None
    if isinstance(environment, str):
        return referred_id(workspace, "environments", environment)
    return str(_register(workspace, environment, environment.spec.version or environment.version).id)


def register_environment(workspace: Workspace, spec: EnvironmentSpec) -> AssetBody:
    """Register an environment version. No version: the next number; no name: named by its content.

    Raises:
        LocalPathError: the conda file is not there; nothing was sent.
        InvalidInputError: it has neither an image nor a conda file.
    """
    described = described_environment(spec)
    assert isinstance(described, Described)  # noqa: S101 (a spec is never a reference)
    version = spec.version or described.version
    if spec.name is not None and spec.version is None:
        version = next_version(workspace, "environments", spec.name)
    return _register(workspace, described, version)


def _register(workspace: Workspace, environment: Described, version: str) -> AssetBody:
    name = environment.spec.name or ANONYMOUS_ENVIRONMENT
    shown = f"{name}:{version}" if environment.spec.name else "of the deployment"
    body = convert.environment_body(environment.spec, environment.conda, anonymous=environment.spec.name is None)
    return put_version(workspace, "environments", name, version, body, action=f"register environment '{shown}'")


def _read(path: str | PathLike[str]) -> EnvironmentSpec:
    """A conda file, or an environment file that names image and conda file."""
    _require_file(Path(path), "Environment")
    if _CONDA_KEYS & _documents.read(path).data.keys():
        return EnvironmentSpec(conda_file=Path(path))
    return EnvironmentSpec.from_yaml(path)


def _conda_text(spec: EnvironmentSpec) -> str | None:
    conda = spec.conda_file
    if conda is None:
        return None
    if isinstance(conda, str | PathLike):
        named = spec.named_in("conda_file")
        _require_file(Path(fspath(conda)), f"Environment{named}: conda file" if named else "Conda file")
        _documents.read(conda)
        return Path(conda).read_text(encoding="utf-8-sig")
    return convert.conda_text(conda)


def _require_file(path: Path, role: str) -> None:
    if scan(path, role=role).is_folder:
        raise LocalPathError(f"{role} '{path}' is a folder. Name the YAML file. Nothing was sent.", path=path)
