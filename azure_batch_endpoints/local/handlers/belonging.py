"""Whether an id or a URI is of this workspace: long forms name one, and those of another cannot be looked up here."""

from __future__ import annotations

from azure_batch_endpoints._wire.uris import is_in_registry, named_workspace, shown
from azure_batch_endpoints.local.context import ServiceContext
from azure_batch_endpoints.local.faults import bad_request


def check_here(context: ServiceContext, reference: str) -> None:
    """Let an id or URI through that names this workspace, in any case, or none.

    Raises:
        ServiceFault: 400, it names another one, or a registry.
    """
    if is_in_registry(reference):
        raise bad_request(
            f"'{shown(reference)}' is in a registry, which only Azure can look up. Register it in this workspace."
        )
    named, ids = named_workspace(reference), context.workspace
    if named is None:
        return
    same = (
        named.name.lower() in {ids.name.lower(), context.workspace_id.lower()}
        and (named.group or ids.resource_group).lower() == ids.resource_group.lower()
        and (named.subscription or ids.subscription_id).lower() == ids.subscription_id.lower()
    )
    if not same:
        raise bad_request(
            f"'{shown(reference)}' belongs to another workspace, '{named.name}'. This local service has the workspace "
            f"'{ids.name}' in group '{ids.resource_group}' only; azureml://datastores/<datastore>/paths/<path> and "
            "azureml:<name>:<version> are always of the workspace that is asked."
        )
