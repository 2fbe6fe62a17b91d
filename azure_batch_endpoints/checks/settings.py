"""Settings that are allowed and hardly meant."""

from __future__ import annotations

from collections.abc import Iterator

from azure_batch_endpoints.checks.findings import Finding
from azure_batch_endpoints.checks.places import MODEL, OUTPUT
from azure_batch_endpoints.specs import DeploymentSpec, RunSettings

_SHORT = 0.02
"""Seconds a file below which a mini-batch of the default time limit is thought too large."""
_LONGEST = 24 * 3600.0


def check_settings(spec: DeploymentSpec) -> list[Finding]:
    """Look at how a deployment scores."""
    where = spec.named_in("settings")
    place = f" The settings are {where[2:-1]}." if where else ""
    return [Finding("warning", f"{text}{place}") for text in _odd(spec.settings)]


def _odd(settings: RunSettings) -> Iterator[str]:
    timeout, files = settings.retry_settings.timeout, settings.mini_batch_size
    if timeout < 1:
        yield (
            f"retry_settings.timeout is {timeout:g} s: hardly any mini-batch is done in that time. Give it in seconds."
        )
    elif timeout > _LONGEST:
        yield (
            f"retry_settings.timeout is {timeout:g} s, more than a day: a run() that hangs "
            "is noticed only then. Give it in seconds."
        )
    elif timeout / files < _SHORT:
        yield (
            f"A mini-batch of {files} files has {timeout:g} s, {1000 * timeout / files:.2g} ms a file. "
            "Lower mini_batch_size or raise retry_settings.timeout, unless a file takes less; a dry run measures it."
        )
    if settings.retry_settings.max_retries == 0:
        yield "retry_settings.max_retries is 0; it counts tries, so a mini-batch still gets one. Write 1 to say so."
    if settings.output_action == "summary_only" and settings.output_file_name != "predictions.csv":
        yield (
            f"output_file_name '{settings.output_file_name}' is not used: output_action is summary_only, which writes "
            "no rows. Leave it out, or use append_row."
        )
    for name in (MODEL, OUTPUT):
        if name in settings.environment_variables:
            yield f"environment_variables sets {name}, which the service sets itself. Leave it out."
