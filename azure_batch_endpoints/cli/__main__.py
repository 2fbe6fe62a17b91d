"""``abe``, and ``python -m azure_batch_endpoints.cli``: puts the nouns together."""

from __future__ import annotations

import os
from typing import Any

import click
from click.exceptions import Exit

from azure_batch_endpoints._version import __version__
from azure_batch_endpoints.cli import comparing as _comparing  # noqa: F401 (adds its verb to its noun)
from azure_batch_endpoints.cli import invoke as _invoke  # noqa: F401 (likewise)
from azure_batch_endpoints.cli import trying as _trying  # noqa: F401 (likewise)
from azure_batch_endpoints.cli.asset import asset_groups, dataset_group
from azure_batch_endpoints.cli.commands import Noun
from azure_batch_endpoints.cli.compute import compute_group
from azure_batch_endpoints.cli.deployment import deployment_group
from azure_batch_endpoints.cli.endpoint import endpoint_group
from azure_batch_endpoints.cli.job import job_group
from azure_batch_endpoints.cli.local import local_group
from azure_batch_endpoints.cli.place import datastore_group, workspace_group
from azure_batch_endpoints.cli.workspace import FAILED
from azure_batch_endpoints.errors import redact


class _App(Noun):
    """Keeps click's exit code for a wrong command line, 2, apart from that of a failed job."""

    def make_context(self, *given: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*given, **more)
        except click.UsageError as error:
            error.show()
            raise Exit(FAILED) from error

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.show()
            raise Exit(FAILED) from error


@click.group(
    "abe",
    cls=_App,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 120,
        "color": False if os.environ.get("NO_COLOR") else None,
    },
)
@click.version_option(__version__, package_name="azure-batch-endpoints")
def app() -> None:
    """Azure Machine Learning batch endpoints, on this machine or in Azure.

    The commands of 'az ml' are understood as they are written there: 'abe batch-endpoint create' is
    'abe endpoint create'. Answers go to stdout, words and hints to stderr. Exit codes: 0 done, 1 an error, 2 the job
    failed or was cancelled, 3 the time to wait was over, 130 Ctrl-C.
    """


for _group in (
    endpoint_group,
    deployment_group,
    job_group,
    *asset_groups,
    compute_group,
    datastore_group,
    workspace_group,
    local_group,
):
    app.add_command(_group)
for _spelling, _group in (
    ("batch-endpoint", endpoint_group),
    ("batch-deployment", deployment_group),
    ("data", dataset_group),
):
    app.add_command(_group, _spelling)


def main() -> None:
    """Run the command line; what nobody foresaw is told in one block as well, unless ``ABE_DEBUG`` is set."""
    try:
        app(prog_name="abe")
    except Exception as error:
        if os.environ.get("ABE_DEBUG"):
            raise
        what = redact(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        said = f"{what.splitlines()[0][:500]}. It should not have: report it with the output of ABE_DEBUG=1 abe …"
        click.echo(f"Error: abe itself failed with {said}", err=True)
        raise SystemExit(FAILED) from error


if __name__ == "__main__":
    main()
