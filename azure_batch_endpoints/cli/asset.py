"""``abe model``, ``abe environment``, ``abe dataset`` (``abe data``): what is registered under a name and version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any, TypeAlias
from urllib.parse import quote

import click

from azure_batch_endpoints.cli import shapes
from azure_batch_endpoints.cli.commands import Noun, description, given, limit, named, sets, tag
from azure_batch_endpoints.cli.output import Output
from azure_batch_endpoints.cli.settings import spec_of
from azure_batch_endpoints.cli.workspace import service_of, set_archived, verb
from azure_batch_endpoints.client import BatchClient
from azure_batch_endpoints.specs import DatasetSpec, EnvironmentSpec, ModelSpec

_Options: TypeAlias = "dict[tuple[str, ...], str]"


@dataclass(frozen=True)
class _Kind:
    noun: str
    help: str
    collection: Callable[[BatchClient], Any]
    spec: type[Any]
    options: _Options


_VERSION: _Options = {("--version", "-v"): "Version; default: the next one."}
_PATH: _Options = {("--path", "-p"): "A file or folder here, or a URI."}
_KINDS = (
    _Kind(
        "model",
        "Models: files or folders that deployments load.",
        attrgetter("models"),
        ModelSpec,
        {**_PATH, ("--type", "-t"): "custom_model, mlflow_model or triton_model.", **_VERSION},
    ),
    _Kind(
        "environment",
        "Environments: where scoring scripts run.",
        attrgetter("environments"),
        EnvironmentSpec,
        {("--image", "-i"): "Container image.", ("--conda-file", "-c"): "Conda YAML.", **_VERSION},
    ),
    _Kind(
        "dataset",
        "Data sets: files or folders that jobs read.",
        attrgetter("datasets"),
        DatasetSpec,
        {**_PATH, ("--type", "-t"): "uri_folder or uri_file.", **_VERSION},
    ),
)


def _group(kind: _Kind) -> click.Group:
    group = Noun(kind.noun, help=kind.help)

    def create(client: BatchClient, out: Output, file: str | None, changes: tuple[str, ...], **options: Any) -> None:
        spec = spec_of(kind.spec, file, changes, **given(options))
        out.one(shapes.asset(kind.collection(client).create(spec)))

    def show(client: BatchClient, out: Output, name: str, version: str | None, label: str | None) -> None:
        bare, _, tail = name.removeprefix("azureml:").partition(":")
        bare, at, named_label = bare.partition("@")
        _only_latest(label or (named_label if at else None))
        out.one(shapes.asset(kind.collection(client).get(bare, version=version or tail or None)))

    def list_(client: BatchClient, out: Output, name: str | None, limit: int | None) -> None:
        found = kind.collection(client).list(name)
        out.many(islice((shapes.asset(one) for one in found), limit), ["name", "version", "description"])

    create.__doc__ = f"Register a version of a {kind.noun}; what is given beside the YAML wins."
    show.__doc__ = f"Show a version of a {kind.noun}: NAME, NAME:VERSION or NAME@latest."
    list_.__doc__ = f"List the versions of a {kind.noun}, or the newest of each."
    with_options: Any = click.option("--file", "-f", metavar="YAML", help="YAML that describes it.")(create)
    for names, text in kind.options.items():
        metavar = names[0].strip("-").upper().replace("-", "_")
        with_options = click.option(*names, metavar=metavar, help=text)(with_options)
    version = click.option("--version", "-v", metavar="VERSION", help="Version; default: the newest.")
    labelled = click.option("--label", "-l", metavar="LABEL", help="latest: the newest version, which is the default.")
    verb(group, "create")(named(kind.noun, required=False)(description(tag(sets(with_options)))))
    verb(group, "show")(named(kind.noun)(version(labelled(show))))
    verb(group, "list")(named(kind.noun, required=False)(limit(list_)))
    for word, archived in (("archive", True), ("restore", False)):
        verb(group, word)(named(kind.noun)(version(_archiving(kind, archived=archived))))
    return group


def _archiving(kind: _Kind, *, archived: bool) -> Callable[..., None]:
    def change(client: BatchClient, out: Output, name: str, version: str | None) -> None:
        bare, _, tail = name.removeprefix("azureml:").partition(":")
        number = version or tail
        collection, path = kind.collection(client), service_of(client).path
        url = path.asset(collection._word, bare, number) if number else f"{path.assets(collection._word)}/{quote(bare)}"
        called = f"{bare}:{number}" if number else bare
        set_archived(client, url, archived=archived, what=f"{kind.noun} '{called}'")
        out.word(f"{kind.noun.capitalize()} '{called}' is {'archived' if archived else 'back'}.")

    change.__doc__ = (
        f"Leave a {kind.noun}, or one version of it, out of lists; it can still be used."
        if archived
        else f"Put a {kind.noun} that was archived, or one version of it, back into lists."
    )
    return change


def _only_latest(label: str | None) -> None:
    if label not in (None, "latest"):
        raise click.UsageError(f"There is no label '{label}'. Say latest, or name the version with --version.")


asset_groups = tuple(_group(kind) for kind in _KINDS)
dataset_group = asset_groups[-1]
