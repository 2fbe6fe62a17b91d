"""The package exports what its public API says, and nothing by accident. public_api.txt is that API as plain data."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import azure_batch_endpoints as abe

LINES = (Path(__file__).parent / "public_api.txt").read_text(encoding="utf-8").split("\n")
API = [line for line in LINES if line]


def parameters(thing: object) -> list[str]:
    fields: dict[str, object] = getattr(thing, "model_fields", {})
    if fields:  # a pydantic spec: its fields are its keywords
        return list(fields)
    assert callable(thing)
    found = inspect.signature(thing).parameters.values()
    return [f"**{one.name}" if one.kind is one.VAR_KEYWORD else one.name for one in found if one.name != "self"]


def assigned_in(cls: type) -> set[str]:
    """Names of the attributes that the methods of a class give to ``self``."""
    names: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.startswith("azure_batch_endpoints"):
            for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base)))):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    names.add(node.attr)
    return names


def has_attribute(cls: type, name: str) -> bool:
    annotated = any(name in vars(base).get("__annotations__", {}) for base in cls.__mro__)
    return hasattr(cls, name) or annotated or name in assigned_in(cls)


@pytest.mark.parametrize("line", API)
def test_the_public_api_is_there(line: str) -> None:
    dotted, bracket, given = line.removesuffix(")").partition("(")
    owner, _, member = dotted.partition(".")
    thing = getattr(abe, owner)

    if member and not bracket:
        assert has_attribute(thing, member)
    elif bracket:
        wanted = given.split(", ") if given else []
        found = parameters(getattr(thing, member) if member else thing)
        assert [name for name in found if name in wanted] == wanted


def test_all_lists_exactly_the_names_that_load_on_first_use() -> None:
    assert set(abe.__all__) - {"__version__"} == set(abe._HOME_OF)
    assert set(abe.__all__) <= set(dir(abe))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="BatchKlient"):
        abe.BatchKlient  # type: ignore[attr-defined]  # noqa: B018 (reading it is the test)


def test_importing_the_package_or_its_pytest_plugin_does_not_import_the_client() -> None:
    program = (
        "import sys, azure_batch_endpoints.pytest_plugin\n"
        "print([name for name in ('pydantic', 'azure.core') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_importing_the_client_imports_neither_its_collections_nor_azure() -> None:
    late = ["azure", "azure_batch_endpoints.endpoints", "azure_batch_endpoints.job", "azure_batch_endpoints.local"]
    program = (
        "import sys\nfrom azure_batch_endpoints import BatchClient, DeploymentSpec\n"
        f"print([name for name in {late} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_all_is_sorted_and_names_nothing_twice() -> None:
    assert len(abe.__all__) == len(set(abe.__all__))


def test_every_public_class_and_function_has_a_docstring() -> None:
    described = [getattr(abe, name) for name in abe.__all__ if inspect.isroutine(getattr(abe, name))]
    described += [getattr(abe, name) for name in abe.__all__ if inspect.isclass(getattr(abe, name))]

    assert [thing.__name__ for thing in described if not inspect.getdoc(thing)] == []
