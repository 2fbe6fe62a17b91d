"""The one workspace, discovery, and the description of the "cloud" that this service is."""

from __future__ import annotations

from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.handlers.shapes import TYPE
from azure_batch_endpoints.local.job import LOCATION
from azure_batch_endpoints.local.open_routes import CLOUDS, DISCOVERY


def check_workspace(call: Call) -> None:
    """Let a path through that names the service's own subscription, group and workspace, in any case.

    Raises:
        ServiceFault: 404.
    """
    ids = call.context.workspace
    subscription, group, name = (call.names[part] for part in ("subscription", "group", "workspace"))
    here = f"This local service has the workspace '{ids.name}' in group '{ids.resource_group}'."
    if subscription.lower() != ids.subscription_id.lower():
        raise ServiceFault(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found. {here}")
    if group.lower() != ids.resource_group.lower():
        raise ServiceFault(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found. {here}")
    if name.lower() != ids.name.lower():
        raise ServiceFault(
            404,
            "ResourceNotFound",
            f"The Resource '{TYPE}/{name}' under resource group '{group}' was not found. {here}",
        )


def get(call: Call) -> Reply:
    """Answer with the workspace."""
    context = call.context
    ids = context.workspace
    properties = {
        "friendlyName": ids.name,
        "description": "",
        "storageAccount": storage_account_id(call),
        "hbiWorkspace": False,
        "provisioningState": "Succeeded",
        "v1LegacyMode": False,
        "storageHnsEnabled": False,
        "workspaceId": context.workspace_id,
        "publicNetworkAccess": "Disabled",
        "discoveryUrl": context.base_url + DISCOVERY,
        "mlFlowTrackingUri": None,
    }
    return Reply(
        {
            "id": str(ids),
            "name": ids.name,
            "type": TYPE,
            "location": LOCATION,
            "tags": {},
            "etag": None,
            "properties": properties,
            "identity": {"type": "None"},
            "kind": "Default",
            "sku": {"name": "Basic", "tier": "Basic"},
        }
    )


def storage_account_id(call: Call) -> str:
    """Return the ARM id of the blob store's account."""
    ids = call.context.workspace
    group = f"/subscriptions/{ids.subscription_id}/resourceGroups/{ids.resource_group}"
    return f"{group}/providers/Microsoft.Storage/storageAccounts/{call.context.store.account}"


def discover(call: Call) -> Reply:
    """Answer where the data plane is: here."""
    url = call.context.base_url
    return Reply({"api": url, "experimentation": url, "history": url, "studio": "https://ml.azure.com"})


def clouds(call: Call) -> Reply:
    """Answer what ``ARM_CLOUD_METADATA_URL`` is asked for: this service as a cloud of its own."""
    context = call.context
    host = context.base_url.split("://", 1)[1]
    return Reply(
        [
            {
                "name": "azure_batch_endpoints",
                "portal": "https://ml.azure.com",
                "resourceManager": context.base_url,
                "authentication": {"loginEndpoint": "https://login.microsoftonline.com"},
                "suffixes": {"storage": host},
            }
        ]
    )


ENTRIES = (
    Entry("GET", WORKSPACE, get),
    Entry("GET", DISCOVERY, discover),
    Entry("GET", CLOUDS, clouds),
)
