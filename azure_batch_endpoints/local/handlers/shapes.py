"""Parts that the bodies of several nouns share: who and when, names, URIs, ids of operations."""

from __future__ import annotations

import re
import uuid
from typing import Any

from azure_batch_endpoints._wire.routes import PROVIDER
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import Call
from azure_batch_endpoints.local.faults import bad_request
from azure_batch_endpoints.local.job import LOCATION
from azure_batch_endpoints.local.resources import Resource

USER = "local user"
SERVICE = "azure_batch_endpoints"
"""Who made what was there from the beginning."""
NOBODY = "00000000-0000-0000-0000-000000000000"
TYPE = f"{PROVIDER}/workspaces"
_DNS_NAME = re.compile(r"[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?")
_DEPLOYMENT_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}")
_ASSET_NAME = re.compile(r"[a-zA-Z0-9][\w\-.]{0,254}", re.ASCII)


def moment(time: str) -> str:
    """Return a time as answers write it: the zeros at the end of its fraction left out."""
    whole, dot, rest = time.partition(".")
    fraction, plus, zone = rest.partition("+")
    fraction = fraction.rstrip("0")
    return whole + (dot + fraction if fraction else "") + plus + zone if plus else time


def system_data(resource: Resource) -> dict[str, Any]:
    """Return ``systemData`` of an endpoint or deployment."""
    return {
        "createdAt": moment(resource.created),
        "createdBy": USER,
        "lastModifiedAt": moment(resource.modified),
    }


def asset_system_data(resource: Resource) -> dict[str, Any]:
    """Return ``systemData`` of an asset, which says more."""
    made, changed = moment(resource.created), moment(resource.modified)
    who = {"createdAt": made, "createdBy": USER, "createdByType": "User"}
    return {**who, "lastModifiedAt": changed, "lastModifiedBy": USER, "lastModifiedByType": "User"}


def tracking_uri(context: ServiceContext) -> str:
    """Return where MLflow would keep runs of the workspace: here, where nothing answers it."""
    return f"azureml://{context.base_url.split('://', 1)[1]}/mlflow/v1.0{context.workspace}"


def check_dns_name(kind: str, name: str) -> None:
    """Let a name through that endpoints may have (it becomes part of a host name).

    Raises:
        ServiceFault: 400.
    """
    if not 3 <= len(name) <= 32:
        said = f"The name for {kind} must be at least 3 and at most 32 characters long (inclusive of both limits)."
        raise bad_request(f"{said} '{name}' has {len(name)}.", code="InvalidName")
    if not _DNS_NAME.fullmatch(name):
        said = f"The name for {kind} must start with an upper- or lowercase letter and only consist of '-'s and "
        raise bad_request(f"{said}alphanumeric characters. '{name}' does not.", code="InvalidName")


def check_deployment_name(name: str) -> None:
    """Let a name through that deployments may have: more than endpoints (azure-rest-api-specs, ``deploymentName``).

    Raises:
        ServiceFault: 400.
    """
    if not _DEPLOYMENT_NAME.fullmatch(name):
        said = "The name for a deployment must have 1 to 255 letters, digits, '-' and '_', a letter or digit first."
        raise bad_request(f"{said} '{name}' does not.", code="InvalidName")


def check_asset_name(kind: str, name: str) -> None:
    """Let a name or version through that assets and jobs may have.

    Raises:
        ServiceFault: 400.
    """
    if not _ASSET_NAME.fullmatch(name):
        raise bad_request(
            f"'{name}' cannot be the name or version of {kind}: 1 to 255 letters, digits, '-', '_' and '.', "
            "a letter or digit first. Choose such a name.",
            code="InvalidName",
        )


def bare_name(reference: str) -> str:
    """Return the name of a compute or datastore from its ARM id, ``azureml:<name>`` or the name alone."""
    return reference.rstrip("/").rsplit("/", 1)[-1].removeprefix("azureml:")


def operation_id(context: ServiceContext, prefix: str) -> str:
    """Return the id of a new operation."""
    return f"{prefix}:{context.workspace_id}:{uuid.uuid4()}"


def operation_url(call: Call, kind: str, operation: str, *, more: str = "") -> str:
    """Return where an operation is asked after."""
    region = f"/subscriptions/{call.context.workspace.subscription_id}/providers/{PROVIDER}/locations/{LOCATION}"
    return f"{call.context.base_url}{region}/{kind}/{operation}?api-version={call.api_version}{more}"


def operation_headers(call: Call, operation: str, *, location: str | None = None) -> dict[str, str]:
    """Return the headers of a PUT or DELETE that goes on; ``location`` defaults to the operation's results."""
    return {
        "Azure-AsyncOperation": operation_url(call, "mfeOperationsStatus", operation),
        "Location": location or operation_url(call, "mfeOperationResults", operation),
        "x-ms-async-operation-timeout": "PT30M",
    }


def own_url(call: Call, resource_id: str) -> str:
    """Return the URL of a resource with the api-version of the call."""
    return f"{call.context.base_url}{resource_id}?api-version={call.api_version}"
