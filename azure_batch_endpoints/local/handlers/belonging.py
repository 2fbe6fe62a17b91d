"""Whether an id or a URI is of this workspace, and stays where it says: what cannot be looked up here is refused."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from azure_batch_endpoints._wire.uris import is_in_registry, named_workspace, shown, storage_place
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
            "azureml:<name>:<version> are always of the workspace that is asked. Use one of those forms."
        )


def check_path(what: str, uri: str, *, refused: frozenset[str] = frozenset({".."})) -> None:
    """Let a URI in storage, or of a job's output, through whose path leads down only.

    Args:
        what: what the URI is, as a sentence begins.
        uri: of any form; percent-decoded where that form is.
        refused: parts that the path may not have.

    Raises:
        ServiceFault: 400.
    """
    place = storage_place(uri)
    if place is None:
        parts = uri.split("/")
    else:
        parts = [*unquote(urlsplit(place.container_url or "").path).split("/"), *place.path.split("/")]
    if refused & set(parts):
        words = " or ".join(f"'{part}'" for part in sorted(refused))
        raise bad_request(f"{what} '{shown(uri)}' has {words} in its path. Name the folder itself.")
