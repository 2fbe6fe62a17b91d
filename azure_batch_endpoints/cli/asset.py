"""``abe model``, ``abe environment`` and ``abe dataset``: what is registered under a name and a version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import click

from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.workspace import named, verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.specs import DatasetSpec, EnvironmentSpec, ModelSpec


@dataclass(frozen=True)
class _Kind:
    noun: str
    help: str
    collection: Callable[[BatchClient], Any]
    spec: type[Any]
    options: dict[str, str]


_COMMON = {"version": "Version; default: the next one.", "description": "Description."}
_KINDS = (
    _Kind(
        "model",
        "Models: files or folders that deployments load.",
        attrgetter("models"),
        ModelSpec,
        {"path": "A file or folder here, or a URI.", "type": "custom_model, mlflow_model or triton_model.", **_COMMON},
    ),
    _Kind(
        "environment",
        "Environments: where scoring scripts run.",
        attrgetter("environments"),
        EnvironmentSpec,
        {"image": "Container image.", "conda_file": "Conda YAML.", **_COMMON},
    ),
    _Kind(
        "dataset",
        "Data sets: files or folders that jobs read.",
        attrgetter("datasets"),
        DatasetSpec,
        {"path": "A file or folder here, or a URI.", "type": "uri_folder or uri_file.", **_COMMON},
    ),
)


def _group(kind: _Kind) -> click.Group:
    group = click.Group(kind.noun, help=kind.help)

    def create(client: BatchClient, out: Output, file: str | None, **given: Any) -> None:
        values = {name: value for name, value in given.items() if value is not None}
        spec = kind.spec(**values) if file is None else kind.spec.from_yaml(file, **values)
        out.one(kind.collection(client).create(spec)._rows())

    def show(client: BatchClient, out: Output, name: str, version: str | None) -> None:
        bare, _, tail = name.removeprefix("azureml:").partition(":")
        out.one(kind.collection(client).get(bare, version=version or tail or None)._rows())

    def list_(client: BatchClient, out: Output, name: str | None) -> None:
        found = kind.collection(client).list(name)
        out.many((one._rows() for one in found), ["name", "version", "description"])

    create.__doc__ = f"Register a version of a {kind.noun}; what is given beside the YAML wins."
    show.__doc__ = f"Show a version of a {kind.noun}: NAME, or NAME:VERSION."
    list_.__doc__ = f"List the versions of a {kind.noun}, or the newest of each."
    with_options: Any = click.option("--file", "-f", metavar="YAML", help="YAML that describes it.")(create)
    for name, text in kind.options.items():
        with_options = click.option(f"--{name.replace('_', '-')}", metavar=name.upper(), help=text)(with_options)
    version = click.option("--version", metavar="VERSION", help="Version; default: the newest.")
    verb(group, "create")(named(kind.noun, required=False)(with_options))
    verb(group, "show")(named(kind.noun)(version(show)))
    verb(group, "list")(named(kind.noun, required=False)(list_))
    return group


asset_groups = tuple(_group(kind) for kind in _KINDS)
