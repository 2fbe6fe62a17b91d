"""From the body of an invoke to all that the job needs: inputs, output and settings, settled and checked.

Both generations meet here: ``dataset`` and ``outputDataset`` of 2021, ``inputData`` and ``outputData`` since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure_batch_endpoints._wire import convert, models
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import read
from azure_batch_endpoints.local.faults import bad_request
from azure_batch_endpoints.local.handlers.deployments import settings_of
from azure_batch_endpoints.local.handlers.job_inputs import job_inputs
from azure_batch_endpoints.local.handlers.job_outputs import job_output
from azure_batch_endpoints.local.handlers.references import check_compute, find_version, is_curated
from azure_batch_endpoints.local.job import JobRequest, JobRow
from azure_batch_endpoints.local.resources import Resource
from azure_batch_endpoints.specs import RunSettings


def job_request(
    context: ServiceContext,
    deployment: Resource,
    asked: models.BatchJobProperties,
    child: str,
    *,
    retry_of: JobRow | None = None,
) -> JobRequest:
    """Return all a job needs, taken from the deployment as it is now and from the body of the invoke.

    Args:
        context: the service.
        deployment: scores.
        asked: body.
        child: run id of the job's one step; names the default output.
        retry_of: job whose failed inputs are scored again, by the deployment as it is now: it may be mended by then.

    Raises:
        ServiceFault: 400 or 404, something named in either is not there or cannot be used.
    """
    kept = {**deployment.body["properties"], "properties": deployment.body["own"]}
    inner = read(models.DeploymentProperties, kept)
    code, environment = inner.code_configuration, _environment(context, inner.environment_id)
    model = find_version(context, "models", (inner.model.asset_id if inner.model else None) or "")
    target = asked.compute.target if asked.compute else None
    inputs = job_inputs(context, asked) if retry_of is None else retry_of.request.inputs
    base = settings_of(inner)
    for one in _chain(context, retry_of):  # what the earlier jobs overrode still counts
        base = _settings(models.BatchJobProperties.read(one.body), base)
    output_uri, asked = job_output(context, asked, child)
    return JobRequest(
        endpoint=deployment.body["endpoint"],
        deployment=deployment.body["name"],
        model_uri=context.current(model.body["modelUri"]),
        model_type=model.body["modelType"],
        code_uri=_code_uri(context, code),
        scoring_script=code.scoring_script if code else None,
        image=environment.get("image"),
        conda_file=environment.get("condaFile"),
        compute=check_compute(context, target or inner.compute or "local"),
        inputs=inputs,
        output_uri=output_uri,
        settings=_settings(asked, base),
        retry_of=retry_of.name if retry_of else None,
        retry_child=retry_of.child if retry_of else None,
        model_name=model.key.parent,
        model_version=model.key.name,
    )


def _chain(context: ServiceContext, last: JobRow | None) -> list[JobRow]:
    """Return the jobs that led to a retry, the first of them first; those that are gone left out."""
    found: list[JobRow] = []
    while last is not None:
        found.insert(0, last)
        before = last.request.retry_of
        again = any(one.name == before for one in found)  # its name was given to a later job
        child, last = last.request.retry_child, context.state.job(before) if before and not again else None
        if last is not None and child not in {None, last.child}:  # likewise
            last = None
    return found


def _settings(asked: models.BatchJobProperties, base: RunSettings) -> RunSettings:
    try:
        return convert.job_settings_from(asked, base)
    except (ValueError, OverflowError) as error:
        raise bad_request(f"The settings of the job cannot be used: {error}") from error


def _code_uri(context: ServiceContext, code: models.CodeConfiguration | None) -> str | None:
    if code is None or not code.code_id:
        return None
    return context.current(find_version(context, "codes", code.code_id).body["codeUri"])


def _environment(context: ServiceContext, reference: str | None) -> Mapping[str, Any]:
    """Return what is known of an environment; of a curated one, its name takes the place of the image."""
    if not reference:
        return {}
    return {"image": reference} if is_curated(reference) else find_version(context, "environments", reference).body
