"""Which files a job in the cloud was given: where its input lies, and the names below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from azure_batch_endpoints._wire import routes
from azure_batch_endpoints._wire.uris import asset_name, storage_place
from azure_batch_endpoints.errors import BatchEndpointsError

if TYPE_CHECKING:
    from azure_batch_endpoints._storage.blobs import Container
    from azure_batch_endpoints._wire.jobview import JobView
    from azure_batch_endpoints._workspace import Workspace


@dataclass(frozen=True)
class JobInputPlace:
    """Where a job's input lies.

    Attributes:
        container: its container.
        path: the folder, ending with a slash or empty; or the blob.
        is_file: whether it is a single blob.
        uri: as the job was given it.
    """

    container: Container
    path: str
    is_file: bool
    uri: str

    def names(self) -> list[str]:
        """Return the files below the folder, in the order of their names (1 request for each 5,000)."""
        return [self.path.rpartition("/")[2]] if self.is_file else list(self.versions())

    def versions(self) -> dict[str, str]:
        """Return the files below a folder with what changes when a file is written anew."""
        found = ((one.name[len(self.path) :], one) for one in self.container.list(self.path))
        return {name: f"{one.etag} {one.modified} {one.size}" for name, one in found if name and not name.endswith("/")}

    def blob(self, name: str) -> str:
        """Return the blob that an input file is."""
        return self.path if self.is_file else self.path + name


def place_of(workspace: Workspace, job: JobView) -> JobInputPlace | None:
    """Return where a job's input lies, or None when that cannot be found out (1 request, 2 for a data set)."""
    try:
        given = _given(workspace, job)
        if given is None:
            return None
        uri = _resolved(workspace, str(given.get("uri") or given.get("path") or given.get("datasetId") or ""))
        if storage_place(uri) is None:
            return None
        container, path = workspace.container_of(uri)
    except BatchEndpointsError:
        return None  # what is known without it is told
    kind = str(given.get("jobInputType") or given.get("kind") or "").replace("_", "").lower()
    is_file = kind == "urifile" or (
        kind != "urifolder" and bool(path) and not path.endswith("/") and _is_blob(container, path)
    )
    return JobInputPlace(container, path if is_file or not path else path.rstrip("/") + "/", is_file, uri)


def _given(workspace: Workspace, job: JobView) -> dict[str, Any] | None:
    """Return the one input of a job as its endpoint tells it: the management route leaves inputs out."""
    url = f"{workspace.api_url}{workspace.path.endpoint_jobs(job.endpoint)}/{quote(job.name, safe='')}"
    params = {"api-version": routes.DATA_PLANE_VERSION}
    action = f"find the input of job '{job.name}'"
    body = workspace.session.send("GET", url, params=params, audience="ml", action=action).body
    inside = _lower(body).get("properties") if isinstance(body, dict) else None
    told = _lower(inside) if isinstance(inside, dict) else {}
    inputs = told.get("inputdata") or ({"dataset": told["dataset"]} if told.get("dataset") else {})
    named = [one for one in inputs.values() if isinstance(one, dict)] if isinstance(inputs, dict) else []
    literal = [one for one in named if str(_lower(one).get("jobinputtype", "")).lower() == "literal"]
    data = [one for one in named if one not in literal]
    if len(data) != 1:
        return None
    given = _lower(data[0])
    return {
        "uri": given.get("uri"),
        "path": given.get("path"),
        "datasetId": given.get("datasetid") or _version(given),
        "jobInputType": given.get("jobinputtype"),
    }


def _lower(body: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).lower(): value for name, value in body.items()}


def _version(given: Mapping[str, Any]) -> str | None:
    name, version = given.get("datasetname"), given.get("datasetversion")
    return f"azureml:{name}:{version}" if name and version else None


def _resolved(workspace: Workspace, uri: str) -> str:
    """Return the URI of a data set's files; any other URI as it is."""
    asset = asset_name(uri)
    if asset is None or not asset.version or asset.kind not in ("data", ""):
        return uri
    url = workspace.path.asset("data", asset.name, asset.version)
    body = workspace.send("GET", url, action=f"find the files of data set '{asset.name}:{asset.version}'").body
    inside = body.get("properties") if isinstance(body, dict) else None
    return str(inside.get("dataUri") or "") if isinstance(inside, dict) else ""


def _is_blob(container: Container, path: str) -> bool:
    return container.find(path) is not None
