"""The one workspace, discovery, and the description of the "cloud" that this service is."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from azure_batch_endpoints._wire import scalars
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.exchange import WORKSPACE, Call, Entry, Reply
from azure_batch_endpoints.local.faults import ServiceFault
from azure_batch_endpoints.local.handlers import shapes
from azure_batch_endpoints.local.handlers.shapes import NOBODY, TYPE, USER, moment
from azure_batch_endpoints.local.job import LOCATION
from azure_batch_endpoints.local.open_routes import CLOUDS, DISCOVERY

_SERVICES = (
    *("api", "catalog", "experimentation", "gallery", "history"),
    *("hyperdrive", "labeling", "modelmanagement", "pipelines"),
)
"""What discovery names beside the studio."""


def check_workspace(call: Call) -> None:
    """Let a path through that names the service's own subscription, group and workspace, in any case.

    Raises:
        ServiceFault: 404.
    """
    ids = call.context.workspace
    subscription, group, name = (call.names.get(part) for part in ("subscription", "group", "workspace"))
    here = f"This local service has the workspace '{ids.name}' in group '{ids.resource_group}'."
    if subscription is not None and subscription.lower() != ids.subscription_id.lower():
        raise ServiceFault(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found. {here}")
    if group is not None and group.lower() != ids.resource_group.lower():
        raise ServiceFault(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found. {here}")
    if name is not None and name.lower() != ids.name.lower():
        raise ServiceFault(
            404,
            "ResourceNotFound",
            f"The Resource '{TYPE}/{name}' under resource group '{group}' was not found. {here}",
        )


def made_at(context: ServiceContext) -> str:
    """Return when the workspace was made (wire time): when its root folder got its identity."""
    root = context.settings.root
    files = [file for file in (root / "identity.json", root / "state.sqlite") if file.exists()]
    seconds = files[0].stat().st_mtime if files else root.stat().st_mtime
    return moment(scalars.time_to_wire(datetime.fromtimestamp(seconds, timezone.utc)))


def get(call: Call) -> Reply:
    """Answer with the workspace."""
    return Reply(_body(call.context))


def list_all(call: Call) -> Reply:
    """Answer with all workspaces there are: the one."""
    check_workspace(call)
    return Reply({"value": [_body(call.context)]})


def list_keys(call: Call) -> Reply:
    """Answer with the key of the workspace's storage account."""
    store = call.context.store
    unset = dict.fromkeys(("appInsightsInstrumentationKey", "containerRegistryCredentials", "notebookAccessKeys"))
    resource = storage_account_id(call.context)
    return Reply({"userStorageKey": store.key, "userStorageResourceId": resource, **unset})


def _body(context: ServiceContext) -> dict[str, Any]:
    ids = context.workspace
    made = made_at(context).replace("+00:00", "Z")
    properties = {
        "friendlyName": ids.name,
        "description": "",
        "storageAccount": storage_account_id(context),
        # Names of what a workspace has in the cloud; there is no such thing here, and no key that leads anywhere.
        "keyVault": _resource(context, "Microsoft.KeyVault/vaults", ids.name),
        "applicationInsights": _resource(context, "Microsoft.Insights/components", ids.name),
        "hbiWorkspace": False,
        "tenantId": NOBODY,
        "imageBuildCompute": None,
        "provisioningState": "Succeeded",
        "v1LegacyMode": False,
        "softDeleteEnabled": False,
        "containerRegistry": None,
        "creationTime": made,
        "notebookInfo": None,
        "storageHnsEnabled": False,
        "workspaceId": context.workspace_id,
        "linkedModelInventoryArmId": None,
        "privateLinkCount": 0,
        "publicNetworkAccess": "Disabled",
        "discoveryUrl": context.base_url + DISCOVERY,
        "mlFlowTrackingUri": shapes.tracking_uri(context),
        "sdkTelemetryAppInsightsKey": NOBODY,
        "sasGetterUri": "",
        "enableDataIsolation": False,
    }
    return {
        "id": str(ids),
        "name": ids.name,
        "type": TYPE,
        "location": LOCATION,
        "tags": {},
        "etag": None,
        "properties": properties,
        "identity": {"type": "SystemAssigned", "principalId": NOBODY, "tenantId": NOBODY},
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "systemData": {
            **{"createdAt": made, "createdBy": USER, "createdByType": "User"},
            **{"lastModifiedAt": made, "lastModifiedBy": USER, "lastModifiedByType": "User"},
        },
    }


def storage_account_id(context: ServiceContext) -> str:
    """Return the ARM id of the blob store's account."""
    return _resource(context, "Microsoft.Storage/storageAccounts", context.store.account)


def _resource(context: ServiceContext, kind: str, name: str) -> str:
    ids = context.workspace
    return f"/subscriptions/{ids.subscription_id}/resourceGroups/{ids.resource_group}/providers/{kind}/{name}"


def discover(call: Call) -> Reply:
    """Answer where the data plane is: here, also for what is not served, so that nothing of it is asked elsewhere."""
    return Reply({**dict.fromkeys(_SERVICES, call.context.base_url), "studio": "https://ml.azure.com"})


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


_SUBSCRIPTION, _, _ONE = WORKSPACE.partition("/resourceGroups/{group}")
_LIST = _ONE.removesuffix("/{workspace}")
ENTRIES = (
    Entry("GET", WORKSPACE, get),
    Entry("POST", WORKSPACE + "/listKeys", list_keys),
    Entry("GET", f"{_SUBSCRIPTION}/resourceGroups/{{group}}{_LIST}", list_all),
    Entry("GET", f"{_SUBSCRIPTION}{_LIST}", list_all),
    Entry("GET", DISCOVERY, discover),
    Entry("GET", CLOUDS, clouds),
)
