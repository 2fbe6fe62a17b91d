"""What can be imported where a script will run: by the standard library, this interpreter, a conda file."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from azure_batch_endpoints import _documents
from azure_batch_endpoints._spec_base import is_reference
from azure_batch_endpoints.errors import BatchEndpointsError
from azure_batch_endpoints.specs import DeploymentSpec, EnvironmentSpec

PACKAGES = {
    "PIL": "pillow",
    "azureml": "azureml-core",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "pytorch_lightning": "pytorch-lightning",
    "sentence_transformers": "sentence-transformers",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Packages whose name is not that of their module."""
_OTHERS = {
    "PIL": ("pillow-simd",),
    "cv2": ("opencv", "py-opencv"),
    "faiss": ("faiss",),
    "keras": ("tensorflow",),
    "torch": ("pytorch",),
    "xgboost": ("py-xgboost",),
}
"""Further packages of a module; what continues a name with a hyphen counts too (``tensorflow-cpu``)."""
_BROUGHT_ALONG = {"certifi", "dateutil", "joblib", "numpy", "packaging", "pandas", "requests", "scipy", "six", "tqdm"}
_BROUGHT_ALONG |= {"urllib3", "yaml", "PIL", "pytz", "typing_extensions", "filelock", "jinja2", "sklearn"}
"""Modules that very many packages need: where what those need is not known, nothing is said."""
_SERVICE = {"azureml_user", "azureml_sys"}
"""What the driver in Azure brings along; the local service's worker has the part that scripts use."""
_NAME = re.compile(r"^\s*(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*)")
_PYTHON = re.compile(r"^\s*(?:[\w.-]+::)?python\s*={1,2}\s*(\d+)\.(\d+)")


@dataclass(frozen=True)
class Environment:
    """What is known of a deployment's environment.

    Attributes:
        packages: names in its conda file, normalised; None when no conda file is known here.
        python: its Python version as ``(3, 8)``, or None.
        file: the conda file, or None.
        whole: whether all it installs is known: not with requirement files, URLs or options among the lines.
    """

    packages: frozenset[str] | None = None
    python: tuple[int, int] | None = None
    file: Path | None = None
    whole: bool = True

    @classmethod
    def of(cls, spec: DeploymentSpec) -> Environment:
        """Read a deployment's conda file, if it is local and can be read."""
        file, data = _conda(spec)
        listed = (data or {}).get("dependencies")
        if not isinstance(listed, list):
            return cls(file=file)
        pip = [str(line) for one in listed if isinstance(one, dict) for line in one.get("pip") or []]
        conda = [str(one) for one in listed if not isinstance(one, dict)]
        versions = [found for one in conda if (found := _PYTHON.match(one))]
        python = (int(versions[0][1]), int(versions[0][2])) if versions else None
        odd = any(line.lstrip().startswith("-") or "://" in line or "/" in line for line in pip)
        names = (found[1] for line in (*conda, *pip) if (found := _NAME.match(line)))
        return cls(frozenset(normal(name) for name in names), python, file, whole=not odd)

    def lacks(self, module: str) -> bool:
        """Whether its conda file surely does not bring a module that this interpreter has."""
        if self.packages is None or not self.whole:
            return False
        known = _brought_by(self.packages)
        provider = _provider(module)
        return known is not None and provider is not None and provider not in known

    def may_have(self, module: str) -> bool:
        """Whether a package is listed that brings the module, or may bring it along."""
        if not self.packages:
            return False
        wanted = {normal(module), normal(package_of(module)), *_OTHERS.get(module, ())}
        if any(one in wanted or any(one.startswith(f"{want}-") for want in wanted) for one in self.packages):
            return True
        return module in _BROUGHT_ALONG and _brought_by(self.packages) is None


def _conda(spec: DeploymentSpec) -> tuple[Path | None, Mapping[str, object] | None]:
    environment = spec.environment
    try:
        if environment is not None and not isinstance(environment, EnvironmentSpec):
            if is_reference(environment):
                return None, None
            data = _documents.read(environment).data
            if "dependencies" in data:
                return Path(environment), data
            environment = EnvironmentSpec.from_yaml(environment)
        conda = environment.conda_file if environment is not None else None
        if conda is None or isinstance(conda, Mapping):
            return None, conda
        return Path(conda), _documents.read(conda).data
    except BatchEndpointsError:
        return None, None  # said where the paths are looked at, or when it is registered


def normal(name: str) -> str:
    """Return a package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def package_of(module: str) -> str:
    """Return the name of the package that most likely brings a module."""
    return PACKAGES.get(module, module.replace("_", "-"))


def is_standard(module: str) -> bool:
    """Whether it is of the standard library, or brought by the service."""
    return module in sys.stdlib_module_names or module in _SERVICE or module == "__main__"


def is_here(module: str) -> bool:
    """Whether this interpreter has a module, the folder that happens to be the current one left out."""
    folders = [one for one in sys.path if one and Path(one).absolute() != Path.cwd()]
    try:
        if importlib.machinery.PathFinder.find_spec(module, folders) is not None:
            return True
        spec = importlib.util.find_spec(module)  # built in, or found in a way of its own, as editable installs are
    except (ImportError, ValueError, AttributeError):
        return module in sys.modules
    if spec is None:
        return False
    places = [spec.origin, *(spec.submodule_search_locations or [])]
    return _provider(module) is not None or not any(
        one and Path(one).absolute().is_relative_to(Path.cwd()) for one in places
    )


def _provider(module: str) -> str | None:
    """Return the installed package of a module, where its name tells (a list of all takes seconds to make)."""
    for name in (package_of(module), module):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return normal(name)
    return None


@cache
def _brought_by(packages: frozenset[str]) -> frozenset[str] | None:
    """Return the packages that some need, themselves included; None when one of them is not installed here."""
    found: set[str] = set()
    waiting = [one for one in packages if one not in {"python", "pip", "setuptools", "wheel"}]
    optional = set(packages) - set(waiting)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            if name in packages:
                return None
            continue
        waiting += _names(needed)
    return frozenset(found | optional)


def _names(requirements: Iterable[str]) -> list[str]:
    """Return the packages of requirements, those of extras left out."""
    return [normal(found[1]) for one in requirements if "extra ==" not in one and (found := _NAME.match(one))]
