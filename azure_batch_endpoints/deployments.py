"""A batch deployment and the collection of an endpoint's deployments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from azure_batch_endpoints import _progress, checks
from azure_batch_endpoints._arguments import require, require_labels, require_seconds
from azure_batch_endpoints._entity import Collection, Provisioned, Snapshot, from_put, named
from azure_batch_endpoints._http import Answer, Deadline, DeadlinePassed, Operation, OperationEnded, paged
from azure_batch_endpoints._storage import assets
from azure_batch_endpoints._wire import convert, kept, models, readback
from azure_batch_endpoints._wire.uris import asset_name
from azure_batch_endpoints._workspace import Workspace, understood
from azure_batch_endpoints.errors import InvalidInputError, OperationFailedError, WaitTimeoutError
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.jobs import list_jobs
from azure_batch_endpoints.specs import DeploymentSpec, RunSettings

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged


class BatchDeployment(Provisioned[models.DeploymentBody]):
    """Model, scoring script, environment, compute and settings behind an endpoint."""

    _noun = "deployment"

    def __init__(self, workspace: Workspace, endpoint_name: str, snapshot: Snapshot[models.DeploymentBody]) -> None:
        super().__init__(workspace, snapshot)
        self.endpoint_name = endpoint_name
        """Endpoint it belongs to."""

    @property
    def spec(self) -> DeploymentSpec:
        """What it is, as the spec that would make it again; assets as ids of the workspace."""
        return readback.deployment_spec(self._snapshot.body)

    @property
    def settings(self) -> RunSettings:
        """How its jobs run."""
        return self.spec.settings

    @property
    def description(self) -> str | None:
        """Description."""
        return self._snapshot.body.properties.description

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags."""
        return self._snapshot.body.tags or {}

    def update(
        self,
        spec: DeploymentSpec | None = None,
        /,
        *,
        settings: RunSettings | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Self:
        """Replace what it is; jobs in flight finish on what they started with.

        Args:
            spec: the new whole; its name must be this deployment's. None keeps what is there.
            settings: new settings, over those of ``spec``.
            description: new description.
            tags: new tags, all of them.
            wait: False returns at once; :meth:`wait` goes on.
            timeout: seconds to wait; None: as long as it takes.

        Returns:
            this object, refreshed.

        Raises:
            InvalidInputError: nothing to change, or the spec's name is another.
            OperationFailedError: the service could not do it. WaitTimeoutError: the time was over.
            NotKeptError: it did something else than was asked.
        """
        changes = {"settings": settings, "description": description, "tags": tags}
        given = {name: value for name, value in changes.items() if value is not None}
        if spec is None and not given:
            raise InvalidInputError(
                f"Deployment '{self.name}': nothing to update. Pass a spec, settings, description or tags."
            )
        require("spec", spec, DeploymentSpec, "a DeploymentSpec", optional=True)
        require("settings", settings, RunSettings, "RunSettings", optional=True)
        require_labels(description=description, tags=tags)
        require_seconds("timeout", timeout)
        if spec is not None and spec.name != self.name:
            raise InvalidInputError(
                f"The spec is of deployment '{spec.name}', not '{self.name}'. Create it with deployments.create()."
            )
        if spec is not None:
            checks.require_script(spec, otherwise="stays as it is")
        action = f"update deployment '{self.name}' of endpoint '{self.endpoint_name}'"
        base = self.refresh().spec if spec is None else spec
        wanted = base.model_copy(update=given)
        answer, body = _put(self._workspace, self.endpoint_name, wanted, action)
        return self._begun(answer, action, body)._finished(wait=wait, timeout=timeout)

    def delete(self, *, wait: bool = True, timeout: float | None = None) -> None:
        """Delete it; its jobs and their results stay.

        Args:
            wait: False returns when the service has accepted it.
            timeout: seconds to wait; None: as long as it takes.
        """
        self._remove(wait=wait, timeout=timeout)

    def list_jobs(self) -> ItemPaged[Job]:
        """List its jobs; asks page by page."""
        return list_jobs(self._workspace, self.endpoint_name, self.name)

    def _make_default(self, deadline: Deadline) -> None:
        action = f"make deployment '{self.name}' the default of endpoint '{self.endpoint_name}'"
        changes = {"default_deployment": self.name}
        answer, asked = change_endpoint(self._workspace, self.endpoint_name, changes, action)
        left = deadline.remaining()
        operation = Operation.start(self._workspace.session, answer, action=action)
        try:
            body = operation.wait(None if math.isinf(left) else left)
        except OperationEnded as ended:
            reason = (ended.message or "the service gave no reason").rstrip(".")
            raise OperationFailedError(
                f"Could not {action}: {reason}. It was created. Try again: endpoint.set_default('{self.name}').",
                self,
                request_id=ended.request_id,
            ) from ended
        except DeadlinePassed as passed:
            raise WaitTimeoutError(
                f"The time was over before the service could {action}. It goes on. Look with endpoint.refresh().", self
            ) from passed
        found = kept.losses(asked, body if isinstance(body, dict) else {})
        session = self._workspace.session
        if found and not session.is_local:  # what was read may be older than what was written
            session.clock.sleep(session.first_pause)
            body = self._workspace.send("GET", self._workspace.path.endpoint(self.endpoint_name), action=action).body
            found = kept.losses(asked, body if isinstance(body, dict) else {})
        called = f"deployment '{self.name}' as the default of endpoint '{self.endpoint_name}'"
        kept.judge(found, self, called=called, remedy=still_default(self.name))

    def _url(self) -> str:
        return self._workspace.path.deployment(self.endpoint_name, self.name)

    def _read(self, data: object) -> Snapshot[models.DeploymentBody]:
        return Snapshot.take(models.DeploymentBody.read, data)

    def _called(self) -> str:
        return f"deployment '{self.name}' of endpoint '{self.endpoint_name}'"

    def _rows(self) -> list[tuple[str, object]]:
        inside = self._snapshot.body.properties
        return [
            ("name", self.name),
            ("state", self.provisioning_state),
            ("endpoint", self.endpoint_name),
            ("model", _short(inside.model.asset_id) if inside.model else None),
            ("scoring script", inside.code_configuration.scoring_script if inside.code_configuration else None),
            ("compute", (inside.compute or "").rpartition("/")[2]),
            ("mini-batch size", inside.mini_batch_size),
            ("description", inside.description),
            ("tags", dict(self.tags)),
        ]


class BatchDeployments(Collection):
    """The deployments of one endpoint."""

    def __init__(self, workspace: Workspace, endpoint_name: str, endpoint: Provisioned[Any] | None = None) -> None:
        super().__init__(workspace)
        self._endpoint_name = endpoint_name
        self._endpoint = endpoint

    def create(
        self, spec: DeploymentSpec, /, *, set_default: bool = False, wait: bool = True, timeout: float | None = None
    ) -> BatchDeployment:
        """Create a deployment, or replace the one of that name.

        Local model and code are uploaded unless the workspace has them already, and registered; the spec stays as it
        is. Creating never makes it the default unless asked.

        Args:
            spec: what it is.
            set_default: make it the endpoint's default once it is ready (waits for it, and refreshes the endpoint
                object this collection came from).
            wait: False returns at once, the deployment still ``Updating``; its ``wait()`` goes on.
            timeout: seconds to wait for the service, uploads not counted; None: as long as it takes.

        Raises:
            LocalPathError: model or code is not there. ScoringScriptError: the script cannot work. Nothing was sent.
            InvalidInputError: it is no spec. NotFoundError: the endpoint, or an asset named, does not exist.
            OperationFailedError: the service could not make it. WaitTimeoutError: the time was over.
            NotKeptError: it is there, but the service did not keep what was asked for.
        """
        if not isinstance(spec, DeploymentSpec):
            raise InvalidInputError(
                f"{spec!r} is no DeploymentSpec. Pass one; from a file: DeploymentSpec.from_yaml(path)."
            )
        require_seconds("timeout", timeout)
        checks.require_script(spec)
        action = f"create deployment '{spec.name}' of endpoint '{self._endpoint_name}'"
        answer, body = _put(self._workspace, self._endpoint_name, spec, action)
        deadline = Deadline(self._workspace.session.clock, timeout)
        url = self._workspace.path.deployment(self._endpoint_name, spec.name)
        made = self._made(from_put(answer.body, url))._begun(answer, action, body)
        made._finished(wait=wait or set_default, timeout=timeout)
        if set_default:
            made._make_default(deadline)
            if self._endpoint is not None:
                self._endpoint.refresh()  # it shows its new default
        return made

    def get(self, name: str, /) -> BatchDeployment:
        """Return a deployment by its name (1 request).

        Raises:
            NotFoundError: the endpoint has none of that name.
        """
        url = self._workspace.path.deployment(self._endpoint_name, name)
        answer = self._workspace.send(
            "GET", url, action=f"read deployment '{name}' of endpoint '{self._endpoint_name}'"
        )
        return self._made(named(answer.body, url))

    def list(self) -> ItemPaged[BatchDeployment]:
        """List the deployments; asks page by page."""
        url = self._workspace.path.deployments(self._endpoint_name)
        action = f"list the deployments of endpoint '{self._endpoint_name}'"
        return paged(self._workspace.session, url, self._made, params=self._workspace.params, action=action)

    def _made(self, body: object) -> BatchDeployment:
        return BatchDeployment(self._workspace, self._endpoint_name, Snapshot.take(models.DeploymentBody.read, body))


def _short(reference: str | None) -> str | None:
    """Return an asset's id in the form that people write."""
    named = asset_name(reference) if reference else None
    return f"azureml:{named.name}:{named.version}" if named and named.version else reference


def still_default(deployment: str) -> str:
    """Say what to do when a deployment was not made the default."""
    return f'Call endpoint.set_default("{deployment}") again, and name the deployment in invoke() until it is.'


def change_endpoint(
    workspace: Workspace, name: str, changes: Mapping[str, Any], action: str
) -> tuple[Answer, convert.JsonBody]:
    """Change fields of an endpoint's spec: read the whole endpoint and put it back, as the official client does.

    Returns:
        the answer, and the body that was sent.
    """
    url = workspace.path.endpoint(name)
    before = understood(models.EndpointBody.read, workspace.send("GET", url, action=f"read endpoint '{name}'").body)
    spec = readback.endpoint_spec(before).model_copy(update=changes)
    location = before.location or workspace.location
    body = convert.endpoint_body(spec, location, properties=before.properties.properties)
    return workspace.send("PUT", url, json=body, action=action), body


def _put(
    workspace: Workspace, endpoint_name: str, spec: DeploymentSpec, action: str
) -> tuple[Answer, convert.JsonBody]:
    with _progress.upload_bar() as draw:
        ids = assets.resolve_deployment(workspace, spec, progress=draw)
    body = convert.deployment_body(spec, ids, workspace.location)
    url = workspace.path.deployment(endpoint_name, spec.name)
    return workspace.send("PUT", url, json=body, action=action), body
