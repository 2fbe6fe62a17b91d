"""A batch endpoint, which starts jobs, and the collection of the workspace's endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from typing_extensions import Self

from azure_batch_endpoints import _progress, _submit
from azure_batch_endpoints import inputs as _inputs
from azure_batch_endpoints._entity import Collection, Provisioned, Snapshot, named
from azure_batch_endpoints._http import paged
from azure_batch_endpoints._storage import assets
from azure_batch_endpoints._wire import convert, models, readback
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.deployments import BatchDeployment, BatchDeployments, change_endpoint
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.inputs import Input, InputLike, InputValue
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.jobs import list_jobs
from azure_batch_endpoints.specs import EndpointSpec, RetrySettings

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged


class BatchEndpoint(Provisioned[models.EndpointBody]):
    """A stable address that batch scoring jobs are sent to."""

    _noun = "endpoint"

    @property
    def spec(self) -> EndpointSpec:
        """What it is, as the spec that would make it again."""
        return readback.endpoint_spec(self._snapshot.body)

    @property
    def scoring_uri(self) -> str:
        """Address that jobs are posted to; empty while the endpoint is being created."""
        return self._snapshot.body.properties.scoring_uri or ""

    @property
    def default_deployment_name(self) -> str | None:
        """Deployment that scores when ``invoke`` names none; None when there is no default."""
        defaults = self._snapshot.body.properties.defaults
        return defaults.deployment_name or None if defaults else None

    @property
    def description(self) -> str | None:
        """Description."""
        return self._snapshot.body.properties.description

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags."""
        return self._snapshot.body.tags or {}

    @property
    def deployments(self) -> BatchDeployments:
        """Its deployments."""
        return BatchDeployments(self._workspace, self.name, self)

    def invoke(
        self,
        input: InputLike | None = None,
        /,
        *,
        inputs: Mapping[str, InputValue] | None = None,
        deployment: str | BatchDeployment | None = None,
        output: str | None = None,
        output_file_name: str | None = None,
        mini_batch_size: int | None = None,
        instance_count: int | None = None,
        max_concurrency_per_instance: int | None = None,
        error_threshold: int | None = None,
        retry_settings: RetrySettings | None = None,
        logging_level: str | None = None,
        isolate_failures: bool | None = None,
        job_name: str | None = None,
        experiment_name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Job:
        """Start a scoring job; returns at once, never waits for it.

        One call starts at most one job: the request is sent once, and when no answer comes the job is looked for by
        its name. 1 request on a known endpoint, and the upload for a local path.

        Args:
            input: what to score: :func:`folder`, :func:`file`, :func:`dataset`, :func:`local_path`, their string forms,
                a URI or a local path (uploaded once by content).
            inputs: the same by name, for deployments with named inputs; a model deployment takes exactly one.
            deployment: which deployment scores; None: the default one. For this call only.
            output: ``folder:azureml://datastores/<datastore>/paths/<path>/`` or the URI alone; None: the service's own
                place. It must not hold the output file yet.
            output_file_name: name of the merged file; None: the deployment's.
            mini_batch_size: files given to one ``run`` call; None: the deployment's.
            instance_count: nodes; None: the deployment's.
            max_concurrency_per_instance: worker processes on a node; None: the deployment's.
            error_threshold: failed input files tolerated, -1 for any number; None: the deployment's.
            retry_settings: tries and time limit of one mini-batch; None: the deployment's.
            logging_level: ``debug``, ``info`` or ``warning``; None: the deployment's.
            isolate_failures: split a mini-batch that failed on its last try until the files that fail are found; None:
                the deployment's. The local service does so; Azure takes no notice.
            job_name: name of the job; None: a new one. With one that was used before, the same call gives that job
                back and starts nothing; another call is refused.
            experiment_name: experiment; None: the endpoint's name.
            tags: tags of the job.

        Returns:
            the job.

        Raises:
            InvalidInputError: no input, several for a model deployment, a bad override, or no default deployment.
            LocalPathError: the local path is not there or empty. Nothing was sent.
            NotFoundError: the deployment or data set does not exist. ConflictError: the job's name is taken.
            ServiceError: the service refused it. TransportError: no answer, and no job was found.

        Source:
            REST: POST to the scoring URI with the header ``azureml-model-deployment``; token audience
            ``https://ml.azure.com``.
        """
        asked = _asked(input, inputs)
        settings = {
            "mini_batch_size": mini_batch_size,
            "instance_count": instance_count,
            "max_concurrency_per_instance": max_concurrency_per_instance,
            "error_threshold": error_threshold,
            "logging_level": logging_level,
            "isolate_failures": isolate_failures,
        }
        overrides = _submit.job_overrides(
            job_name=job_name,
            output=output,
            output_file_name=output_file_name,
            retry_settings=retry_settings,
            experiment_name=experiment_name,
            tags=tags,
            settings=settings,
        )
        chosen = None if deployment is None else self._own(deployment)
        if chosen is None:
            self._require_default()
        uri = self._require_scoring_uri()
        with _progress.upload_bar() as draw:
            ready = {name: assets.resolve_input(self._workspace, one, progress=draw) for name, one in asked.items()}
        job = _submit.Submission(self.name, uri, chosen, ready, overrides)
        return Job(self._workspace, Snapshot.take(job_view, _submit.submit(self._workspace, job)))

    def set_default(
        self, deployment: str | BatchDeployment, *, wait: bool = True, timeout: float | None = None
    ) -> Self:
        """Make a deployment the one that scores when none is named.

        Args:
            deployment: its name, or the object.
            wait: False returns at once; :meth:`wait` goes on.
            timeout: seconds to wait; None: as long as it takes.

        Returns:
            this object, refreshed.

        Raises:
            ServiceError: there is no such deployment. InvalidInputError: it is another endpoint's.
        """
        name = self._own(deployment)
        action = f"set the default deployment of endpoint '{self.name}' to '{name}'"
        self._begun(change_endpoint(self._workspace, self.name, {"default_deployment": name}, action), action)
        return self.wait(timeout=timeout) if wait else self

    def update(
        self,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        wait: bool = True,
        timeout: float | None = None,
    ) -> Self:
        """Change description or tags; what is not given stays.

        Args:
            description: new description.
            tags: new tags, all of them.
            wait: False returns at once; :meth:`wait` goes on.
            timeout: seconds to wait; None: as long as it takes.

        Returns:
            this object, refreshed.
        """
        if description is None and tags is None:
            raise InvalidInputError(f"Endpoint '{self.name}': nothing to update. Pass description or tags.")
        given = {"description": description, "tags": tags}
        changes = {name: value for name, value in given.items() if value is not None}
        action = f"update endpoint '{self.name}'"
        self._begun(change_endpoint(self._workspace, self.name, changes, action), action)
        return self.wait(timeout=timeout) if wait else self

    def delete(self, *, wait: bool = True, timeout: float | None = None) -> None:
        """Delete it with all its deployments; jobs and their results stay.

        Args:
            wait: False returns when the service has accepted it.
            timeout: seconds to wait; None: as long as it takes.
        """
        self._remove(wait=wait, timeout=timeout)

    def list_jobs(self) -> ItemPaged[Job]:
        """List its jobs; asks page by page."""
        return list_jobs(self._workspace, self.name, None)

    def _own(self, deployment: str | BatchDeployment) -> str:
        """Return the name of one of its deployments; whether a name alone is one, the service knows."""
        name = deployment.name if isinstance(deployment, BatchDeployment) else deployment
        if not isinstance(name, str) or not name:
            raise InvalidInputError(f"{name!r} is not the name of a deployment. Pass its name or the object.")
        if isinstance(deployment, BatchDeployment) and deployment.endpoint_name.lower() != self.name.lower():
            raise InvalidInputError(
                f"Deployment '{name}' is one of endpoint '{deployment.endpoint_name}', not of '{self.name}'. "
                "Pass one of this endpoint's. Nothing was sent."
            )
        return name

    def _require_default(self) -> None:
        """Say what is missing rather than let the service answer that it has nothing to route to."""
        if self.default_deployment_name is not None or self.refresh().default_deployment_name is not None:
            return
        names = [one.name for one in self.deployments.list()]
        remedy = (
            f'Pass deployment="{names[0]}" or call endpoint.set_default("{names[0]}").'
            if len(names) == 1
            else f"Pass deployment=<name> or call endpoint.set_default(<name>). There are: {', '.join(names)}."
            if names
            else "It has no deployment at all: create one with endpoint.deployments.create(spec, set_default=True)."
        )
        raise InvalidInputError(f"Endpoint '{self.name}' has no default deployment, and invoke() named none. {remedy}")

    def _require_scoring_uri(self) -> str:
        uri = self.scoring_uri or self.refresh().scoring_uri
        if not uri:
            state = self.provisioning_state.value
            raise InvalidInputError(
                f"Endpoint '{self.name}' is {state} and has no scoring URI yet. Call endpoint.wait() first."
            )
        return uri

    def _url(self) -> str:
        return self._workspace.path.endpoint(self.name)

    def _read(self, data: object) -> Snapshot[models.EndpointBody]:
        return Snapshot.take(models.EndpointBody.read, data)

    def _rows(self) -> list[tuple[str, object]]:
        return [
            ("name", self.name),
            ("state", self.provisioning_state),
            ("default deployment", self.default_deployment_name),
            ("scoring URI", self.scoring_uri),
            ("description", self.description),
            ("tags", dict(self.tags)),
        ]


class BatchEndpoints(Collection):
    """The batch endpoints of the workspace."""

    def create(self, spec: EndpointSpec | str, /, *, wait: bool = True, timeout: float | None = None) -> BatchEndpoint:
        """Create an endpoint, or replace the settings of the one of that name.

        Args:
            spec: what it is, or just its name.
            wait: False returns at once, the endpoint still ``Creating``; its ``wait()`` goes on.
            timeout: seconds to wait; None: as long as it takes.

        Raises:
            SpecError: the name is not allowed; nothing was sent.
            OperationFailedError: the service could not make it. WaitTimeoutError: the time was over.
        """
        wanted = EndpointSpec(name=spec) if isinstance(spec, str) else spec
        body = convert.endpoint_body(wanted, self._workspace.location)
        action = f"create endpoint '{wanted.name}'"
        url = self._workspace.path.endpoint(wanted.name)
        answer = self._workspace.send("PUT", url, json=body, action=action)
        made = self._made(named(answer.body, url))._begun(answer, action)
        return made.wait(timeout=timeout) if wait else made

    def get(self, name: str, /) -> BatchEndpoint:
        """Return an endpoint by its name (1 request).

        Raises:
            NotFoundError: there is none of that name.
        """
        url = self._workspace.path.endpoint(name)
        return self._made(named(self._workspace.send("GET", url, action=f"read endpoint '{name}'").body, url))

    def list(self) -> ItemPaged[BatchEndpoint]:
        """List the endpoints; asks page by page."""
        session, path = self._workspace.session, self._workspace.path
        return paged(session, path.endpoints(), self._made, params=self._workspace.params, action="list endpoints")

    def _made(self, body: object) -> BatchEndpoint:
        return BatchEndpoint(self._workspace, Snapshot.take(models.EndpointBody.read, body))


def _asked(one: InputLike | None, several: Mapping[str, InputValue] | None) -> dict[str, Input]:
    if (one is None) == (several is None):
        raise InvalidInputError(
            'invoke() needs exactly one of an input and inputs=. Pass e.g. invoke("./data") '
            'or invoke(inputs={"data": "./data"}).'
        )
    if several is None:
        parsed = _inputs.parse(one if one is not None else "")
        return {"UriFile" if parsed.kind == "file" else "UriFolder": parsed}
    if not several:
        raise InvalidInputError("inputs= is empty. Pass at least one input.")
    return {name: _inputs.parse_value(value) for name, value in several.items()}
