"""What is read of a conda file, and what is said about an interpreter that differs from it."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from azure_batch_endpoints.local.control import JobFailed
from azure_batch_endpoints.local.environments import CondaFile

CORE = metadata.version("azure-core")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def differences(*packages: str, pip: tuple[str, ...] = ()) -> list[str]:
    return list(CondaFile(packages, pip).differences())


def test_packages_and_pip_lines_are_read() -> None:
    text = "channels: [conda-forge]\ndependencies:\n- python=3.11\n- pip=23\n- pip:\n  - numpy==1.0\n  - pandas\n"
    assert CondaFile.read(text) == CondaFile(("python=3.11", "pip=23"), ("numpy==1.0", "pandas"))


@pytest.mark.parametrize("text", ["", "name: empty\n", "dependencies:\n"])
def test_a_conda_file_may_ask_for_nothing(text: str) -> None:
    assert CondaFile.read(text) == CondaFile((), ())


@pytest.mark.parametrize("text", ["a: [", "- a list", "dependencies: 5"])
def test_a_conda_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(JobFailed, match="conda file cannot be read"):
        CondaFile.read(text)


@pytest.mark.parametrize(
    "line", [f"azure-core=={CORE}", "azure-core", "azure-core>=1,<99", "Azure_Core>=1.0", "azure-core[aio]>=1"]
)
def test_pip_requirements_that_are_met_are_not_mentioned(line: str) -> None:
    assert differences(pip=(line,)) == []


@pytest.mark.parametrize(
    "package",
    [f"python={PYTHON}", f"python={PYTHON}.*", "python>=3.8", f"azure-core={CORE}=py_0", "conda-forge::python"],
)
def test_conda_packages_that_are_met_are_not_mentioned(package: str) -> None:
    assert differences(package) == []


def test_versions_that_differ_and_packages_that_are_missing_are_named() -> None:
    found = differences("python=2.7", "no-such-package", pip=("azure-core==0.1", "azure-core<1"))
    python = ".".join(str(part) for part in sys.version_info[:3])
    assert found == [
        f"python {python} instead of 2.7",
        "no no-such-package",
        f"azure-core {CORE} instead of 0.1",
        f"azure-core {CORE} instead of <1",
    ]


@pytest.mark.parametrize(
    "line", ["--extra-index-url x", "-r other.txt", "git+https://host/x", "x @ https://host/x.whl"]
)
def test_lines_that_are_no_requirement_are_passed_over(line: str) -> None:
    assert differences(pip=(line,)) == []
