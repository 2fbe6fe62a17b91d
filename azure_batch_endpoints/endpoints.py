"""A batch endpoint, which starts jobs, and the collection of the workspace's endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from typing_extensions import Self

from azure_batch_endpoints import _progress, _submit
from azure_batch_endpoints import inputs as _inputs
from azure_batch_endpoints._arguments import require, require_labels, require_seconds
from azure_batch_endpoints._entity import Collection, Provisioned, Snapshot, from_put, named
from azure_batch_endpoints._http import paged
from azure_batch_endpoints._storage import assets
from azure_batch_endpoints._wire import convert, kept_job, models, readback
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.deployments import BatchDeployment, BatchDeployments, change_endpoint
from azure_batch_endpoints.errors import InvalidInputError
from azure_batch_endpoints.inputs import Input, InputLike, InputValue
from azure_batch_endpoints.job import Job
from azure_batch_endpoints.jobs import list_jobs
from azure_batch_endpoints.specs import EndpointSpec, RetrySettings

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged

    from azure_batch_endpoints.comparison import Comparison


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
            job_name: name of the job; None: a new one. With one that was used before, nothing is started: the
                local service gives the job of the same call back; another call, and Azure, refuse.
            experiment_name: experiment; None: the endpoint's name.
            tags: tags of the job.

        Returns:
            the job.

        Raises:
            InvalidInputError: no input, several for a model deployment, a bad override, or no default deployment.
            LocalPathError: the local path is not there or empty. Nothing was sent.
            NotFoundError: the deployment or data set does not exist. ConflictError: the job's name is taken.
            ServiceError: the service refused it. TransportError: no answer, and no job was found.
            NotKeptError: the job was started (``error.resource``), but with another deployment, input or output.

        Source:
            REST: POST to the scoring URI with the header ``azureml-model-deployment``; token audience
            ``https://ml.azure.com``.
        """
        asked = _inputs.asked(input, inputs)
        settings = {
            **{"mini_batch_size": mini_batch_size, "instance_count": instance_count},
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
        ready = self._resolved(asked)
        job = _submit.Submission(self.name, uri, chosen, ready, overrides)
        local = self._workspace.session.is_local
        call = kept_job.AskedJob(overrides, ready, chosen, named=job_name is not None, exact=local)
        return Job(self._workspace, Snapshot.take(job_view, _submit.submit(self._workspace, job)))._started_as(call)

    def compare(
        self,
        input: InputLike,
        first: str | BatchDeployment,
        second: str | BatchDeployment,
        /,
        *,
        key: str | Sequence[str] | None = None,
        tolerance: float = 0.0,
        timeout: float | None = None,
        progress: bool | None = None,
    ) -> Comparison:
        """Score the same input, uploaded once, with two deployments, and say how far they agree; changes nothing.

        Args:
            input: what to score, as of :meth:`invoke`.
            first: one deployment, e.g. the default one.
            second: the other one.
            key: columns that tell which rows belong together; None: the source file and the place in it where these are
                known, else the place in the results.
            tolerance: by how much equal numbers may differ: absolutely up to 1, as a part of the larger one above.
            timeout: seconds for both jobs; None: as long as they take.
            progress: as for :meth:`Job.wait`.

        Returns:
            the comparison. When one of them fails, it says why, and compares what there is.

        Raises:
            InvalidInputError: the same deployment twice, a negative tolerance, no such key column.
            NotFoundError: there is no such deployment; nothing was sent.
            JobFailedError: both failed. ResultsError: neither returned rows, or nothing tells which belong together.
            WaitTimeoutError: the time was over; the jobs go on.
        """
        from azure_batch_endpoints import comparison  # seldom needed

        require_seconds("timeout", timeout)
        names = (self._own(first), self._own(second))
        return comparison.compare(self, input, names, key=key, tolerance=tolerance, timeout=timeout, progress=progress)

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
            NotKeptError: the service said yes and kept another default.
        """
        name = self._own(deployment)
        require_seconds("timeout", timeout)
        action = f"set the default deployment of endpoint '{self.name}' to '{name}'"
        answer, body = change_endpoint(self._workspace, self.name, {"default_deployment": name}, action)
        return self._begun(answer, action, body)._finished(wait=wait, timeout=timeout)

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
        require_labels(description=description, tags=tags)
        require_seconds("timeout", timeout)
        given = {"description": description, "tags": tags}
        changes = {name: value for name, value in given.items() if value is not None}
        action = f"update endpoint '{self.name}'"
        answer, body = change_endpoint(self._workspace, self.name, changes, action)
        return self._begun(answer, action, body)._finished(wait=wait, timeout=timeout)

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

    def _ready(self, given: InputLike) -> dict[str, Input]:
        return self._resolved(_inputs.asked(given, None))

    def _resolved(self, asked: Mapping[str, Input]) -> dict[str, Input]:
        with _progress.upload_bar() as draw:
            return {name: assets.resolve_input(self._workspace, one, progress=draw) for name, one in asked.items()}

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
        raise _submit.no_default(self.name, names)

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
            SpecError: the name is not allowed. InvalidInputError: it is no spec. Nothing was sent.
            OperationFailedError: the service could not make it. WaitTimeoutError: the time was over.
            NotKeptError: it is there, but the service did not keep what was asked for.
        """
        wanted = EndpointSpec(name=spec) if isinstance(spec, str) else spec
        require("spec", wanted, EndpointSpec, "an EndpointSpec or a name")
        require_seconds("timeout", timeout)
        body = convert.endpoint_body(wanted, self._workspace.location)
        action = f"create endpoint '{wanted.name}'"
        url = self._workspace.path.endpoint(wanted.name)
        answer = self._workspace.send("PUT", url, json=body, action=action)
        return self._made(from_put(answer.body, url))._begun(answer, action, body)._finished(wait=wait, timeout=timeout)

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
