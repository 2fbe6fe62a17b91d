"""The bodies of the REST protocol as frozen values, with their camelCase names.

How they are read and written is in ``body``, conversions to and from specs are in ``convert`` and ``readback``.
"""

from typing import Any

from pydantic import Field

from azure_batch_endpoints._wire.body import Body, Duration, PlainTexts, TextMap, Whole


class SystemData(Body):
    """Who made and changed a resource, and when."""

    created_at: str | None = None
    created_by: str | None = None
    created_by_type: str | None = None
    last_modified_at: str | None = None


class Resource(Body):
    """What every ARM answer has."""

    id: str | None = None
    name: str | None = None
    type: str | None = None
    location: str | None = None
    tags: PlainTexts | None = None
    system_data: SystemData | None = None


class Defaults(Body):
    """``defaults`` of an endpoint."""

    deployment_name: str | None = None


class EndpointProperties(Body):
    """Of a batch endpoint."""

    auth_mode: str | None = None
    description: str | None = None
    properties: TextMap | None = None
    scoring_uri: str | None = None
    swagger_uri: str | None = None
    defaults: Defaults | None = None
    provisioning_state: str | None = None


class EndpointBody(Resource):
    """Batch endpoint."""

    properties: EndpointProperties = Field(default_factory=EndpointProperties)


class CodeConfiguration(Body):
    """Scoring script of a deployment."""

    code_id: str | None = None
    scoring_script: str | None = None


class AssetReference(Body):
    """Model of a deployment: an id; or, of api-version 2021-10-01, a path on a datastore or a job's output."""

    reference_type: str = "Id"
    asset_id: str | None = None
    datastore_id: str | None = None
    job_id: str | None = None
    path: str | None = None


class Resources(Body):
    """Nodes of a deployment."""

    instance_count: Whole | None = None
    instance_type: str | None = None
    properties: dict[str, Any] | None = None


class Retry(Body):
    """``retrySettings``; the time limit is ISO 8601."""

    max_retries: Whole | None = None
    timeout: Duration | None = None


class DeploymentProperties(Body):
    """Of a batch deployment."""

    description: str | None = None
    properties: TextMap | None = None
    code_configuration: CodeConfiguration | None = None
    environment_id: str | None = None
    environment_variables: PlainTexts | None = None
    compute: str | None = None
    error_threshold: Whole | None = None
    retry_settings: Retry | None = None
    mini_batch_size: Whole | None = None
    logging_level: str | None = None
    model: AssetReference | None = None
    max_concurrency_per_instance: Whole | None = None
    output_action: str | None = None
    output_file_name: str | None = None
    resources: Resources | None = None
    provisioning_state: str | None = None


class DeploymentBody(Resource):
    """Batch deployment."""

    properties: DeploymentProperties = Field(default_factory=DeploymentProperties)


class AssetProperties(Body):
    """Of a version of a code, model, environment or data asset; each kind uses its own.

    ``model_format`` and ``paths`` are those of api-version 2021-10-01.
    """

    description: str | None = None
    tags: PlainTexts | None = None
    properties: TextMap | None = None
    is_anonymous: bool | None = None
    is_archived: bool | None = None
    code_uri: str | None = None
    model_type: str | None = None
    model_format: str | None = None
    model_uri: str | None = None
    flavors: dict[str, Any] | None = None
    image: str | None = None
    conda_file: str | None = None
    os_type: str | None = None
    environment_type: str | None = None
    data_type: str | None = None
    data_uri: str | None = None
    paths: list[dict[str, Any]] | None = None
    latest_version: str | None = None
    next_version: str | None = None


class AssetBody(Resource):
    """A version of an asset, or its container."""

    properties: AssetProperties = Field(default_factory=AssetProperties)


class ScaleSettings(Body):
    """Nodes of a compute cluster; the idle time is ISO 8601."""

    max_node_count: Whole | None = None
    min_node_count: Whole | None = None
    node_idle_time_before_scale_down: str | None = None


class ComputeInner(Body):
    """Inner properties of a compute."""

    os_type: str | None = None
    vm_size: str | None = None
    vm_priority: str | None = None
    scale_settings: ScaleSettings | None = None
    address: str | None = None


class ComputeProperties(Body):
    """Of a compute."""

    compute_type: str | None = None
    description: str | None = None
    provisioning_state: str | None = None
    properties: ComputeInner | None = None


class ComputeBody(Resource):
    """Compute."""

    properties: ComputeProperties = Field(default_factory=ComputeProperties)


class DatastoreProperties(Body):
    """Of a datastore; never its secrets."""

    datastore_type: str | None = None
    account_name: str | None = None
    container_name: str | None = None
    endpoint: str | None = None
    protocol: str | None = None
    is_default: bool | None = None
    credentials: dict[str, Any] | None = None


class DatastoreBody(Resource):
    """Datastore."""

    properties: DatastoreProperties = Field(default_factory=DatastoreProperties)


class JobInput(Body):
    """One input of a batch job, ``jobInputType`` in PascalCase."""

    job_input_type: str | None = None
    uri: str | None = None
    value: str | None = None
    mode: str | None = None
    description: str | None = None


class JobOutput(Body):
    """One output of a batch job."""

    job_output_type: str | None = None
    uri: str | None = None
    mode: str | None = None
    description: str | None = None


class DatasetInput(Body):
    """``dataset`` of api-version 2021-10-01: a URL, a version or an id."""

    data_input_type: str | None = None
    path: str | None = None
    dataset_name: str | None = None
    dataset_version: str | None = None
    dataset_id: str | None = None


class OutputDataset(Body):
    """``outputDataset`` of api-version 2021-10-01."""

    datastore_id: str | None = None
    path: str | None = None


class JobCompute(Body):
    """Nodes of one job. ``isLocal`` only means "no target given" and is ignored."""

    target: str | None = None
    instance_count: Whole | None = None
    is_local: bool | None = None


class BatchJobProperties(Body):
    """Body of an invoke, and the inside of its answer."""

    name: str | None = None
    description: str | None = None
    tags: PlainTexts | None = None
    properties: TextMap | None = None
    input_data: dict[str, JobInput] | None = None
    output_data: dict[str, JobOutput] | None = None
    dataset: DatasetInput | None = None
    output_dataset: OutputDataset | None = None
    output_file_name: str | None = None
    mini_batch_size: Whole | None = None
    error_threshold: Whole | None = None
    logging_level: str | None = None
    max_concurrency_per_instance: Whole | None = None
    retry_settings: Retry | None = None
    compute: JobCompute | None = None
    resources: Resources | None = None
    status: str | None = None
    provisioning_state: str | None = None
    interaction_endpoints: dict[str, Any] | None = None


class BatchJobBody(Resource):
    """Answer of the scoring URI and item of an endpoint's job list."""

    properties: BatchJobProperties = Field(default_factory=BatchJobProperties)


class JobProperties(Body):
    """Of a job as the management route shows it."""

    display_name: str | None = None
    description: str | None = None
    status: str | None = None
    experiment_name: str | None = None
    is_archived: bool | None = None
    job_type: str | None = None
    compute_id: str | None = None
    services: dict[str, Any] | None = None
    tags: PlainTexts | None = None
    properties: TextMap | None = None
    inputs: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None


class JobBody(Resource):
    """Job as the management route shows it."""

    properties: JobProperties = Field(default_factory=JobProperties)
