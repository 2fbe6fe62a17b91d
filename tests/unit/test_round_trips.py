"""What goes out comes back: specs through bodies of both api generations and through YAML; answers with holes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_batch_endpoints import folder
from azure_batch_endpoints._spec_base import Spec
from azure_batch_endpoints._wire import bodies_2021, convert, models, readback, scalars
from azure_batch_endpoints._wire.body import Body
from azure_batch_endpoints._wire.jobview import job_view
from azure_batch_endpoints.specs import (
    ComputeSpec,
    DatasetSpec,
    DeploymentSpec,
    EndpointSpec,
    EnvironmentSpec,
    ModelSpec,
    RetrySettings,
    RunSettings,
)

WS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
PAIRS = Path(__file__).parents[1] / "contract" / "pairs"
often = settings(max_examples=60, deadline=None, database=None, derandomize=True)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
described = st.none() | texts
keys = st.text("abcXYZ09_-. äß", min_size=1, max_size=8)
maps = st.dictionaries(keys, texts, max_size=3)
names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9-]{1,20}[a-zA-Z0-9]", fullmatch=True)
asset_names = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,20}", fullmatch=True)
versions = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,8}", fullmatch=True)
counts = st.integers(1, 2**31 - 1)
seconds = st.integers(1, 10**15).map(lambda micro: micro / 10**6)
uris = st.sampled_from(
    ["azureml://datastores/a/paths/b", "https://x.blob.core.windows.net/c/d e", "wasbs://c@a.net/p/"]
)
local_paths = st.lists(st.text("ab .~ä#:$%", min_size=1, max_size=6), min_size=1, max_size=3).map(
    lambda parts: Path("/", *parts)
)
retries = st.builds(RetrySettings, max_retries=st.integers(0, 99), timeout=seconds)
run_settings = st.builds(
    RunSettings,
    mini_batch_size=counts,
    max_concurrency_per_instance=counts,
    instance_count=counts,
    error_threshold=st.integers(-1, 2**31 - 1),
    retry_settings=retries,
    output_action=st.sampled_from(["append_row", "summary_only"]),
    output_file_name=st.from_regex(r"[a-z0-9 _.é-]{1,12}", fullmatch=True),
    logging_level=st.sampled_from(["debug", "info", "warning"]),
    environment_variables=st.dictionaries(keys, texts.map(lambda text: text.replace("\0", "")), max_size=3),
    isolate_failures=st.booleans(),
)
kept = {"description": described, "tags": maps, "properties": maps}
endpoints = st.builds(EndpointSpec, name=names, default_deployment=st.none() | names, **kept)
model_types = st.sampled_from(["custom_model", "mlflow_model", "triton_model"])
computes = st.builds(
    ComputeSpec,
    name=names,
    location=st.sampled_from(["westeurope", "eastus"]),
    tier=st.sampled_from(["dedicated", "low_priority"]),
    min_instances=st.integers(0, 3),
    max_instances=st.integers(3, 9),
    idle_time_before_scale_down=seconds,
    description=described,
    tags=maps,
)
condas = st.dictionaries(
    keys, st.recursive(texts | st.integers() | st.booleans(), lambda one: st.lists(one)), min_size=1
)


def models_at(paths: st.SearchStrategy[Any]) -> st.SearchStrategy[ModelSpec]:
    return st.builds(ModelSpec, name=asset_names, path=paths, version=versions, type=model_types, **kept)


def datasets_at(paths: st.SearchStrategy[Any]) -> st.SearchStrategy[DatasetSpec]:
    kinds = st.sampled_from(["uri_file", "uri_folder"])
    return st.builds(DatasetSpec, name=asset_names, path=paths, version=versions, type=kinds, **kept)


def environments_with(files: st.SearchStrategy[Any]) -> st.SearchStrategy[EnvironmentSpec]:
    return st.builds(EnvironmentSpec, name=asset_names, version=versions, image=described, conda_file=files, **kept)


@st.composite
def deployments(draw: st.DrawFn, model: st.SearchStrategy[Any], environment: st.SearchStrategy[Any]) -> DeploymentSpec:
    code = draw(st.none() | st.just(f"{WS}/codes/c/versions/1"))
    return DeploymentSpec(
        name=draw(names),
        model=draw(model),
        code=code,
        scoring_script="sub/score.py" if code else None,
        environment=draw(environment),
        compute=f"{WS}/computes/{draw(names)}",
        settings=draw(run_settings),
        **{name: draw(one) for name, one in kept.items()},
    )


ids = st.just(f"{WS}/models/m/versions/1"), st.none() | st.just(f"{WS}/environments/e/versions/2")


# ------------------------------------------------------------------ spec, body, spec


@often
@given(endpoints)
def test_an_endpoint_comes_back_from_its_body(spec: EndpointSpec) -> None:
    body = {"name": spec.name, **sent(convert.endpoint_body(spec, "here"))}

    assert readback.endpoint_spec(models.EndpointBody.read(body)) == spec


@often
@given(deployments(*ids))
def test_a_deployment_comes_back_from_its_body(spec: DeploymentSpec) -> None:
    assets = convert.DeploymentAssets(str(spec.model), spec.code and str(spec.code), spec.environment, spec.compute)  # type: ignore[arg-type]  # ids here
    body = {"name": spec.name, **sent(convert.deployment_body(spec, assets, "here"))}

    assert readback.deployment_spec(models.DeploymentBody.read(body)) == spec


@often
@given(computes)
def test_a_compute_comes_back_from_its_body(spec: ComputeSpec) -> None:
    body = {"name": spec.name, **sent(convert.compute_body(spec, "elsewhere"))}

    assert readback.compute_spec(models.ComputeBody.read(body)) == spec


@often
@given(models_at(uris), st.booleans())
def test_a_model_comes_back_from_its_body_of_today_and_of_2021(spec: ModelSpec, old: bool) -> None:
    body = convert.model_body(spec, str(spec.path), spec.type or "")

    assert readback.model_spec(version_of("models", spec, body, old)) == spec


@often
@given(datasets_at(uris), st.booleans())
def test_a_data_set_comes_back_from_its_body_of_today_and_of_2021(spec: DatasetSpec, old: bool) -> None:
    body = convert.data_body(spec, str(spec.path), spec.type or "")

    assert readback.dataset_spec(version_of("datasets" if old else "data", spec, body, old)) == spec


@often
@given(environments_with(st.none() | condas), st.booleans())
def test_an_environment_comes_back_from_its_body_of_today_and_of_2021(spec: EnvironmentSpec, old: bool) -> None:
    conda = convert.conda_text(spec.conda_file) if isinstance(spec.conda_file, dict) else None
    body = convert.environment_body(spec, conda)

    assert readback.environment_spec(version_of("environments", spec, body, old)) == spec


@often
@given(run_settings, run_settings, st.sampled_from(["2021-10-01", "2024-10-01"]))
def test_the_settings_of_one_job_come_back_from_its_body(base: RunSettings, asked: RunSettings, version: str) -> None:
    simple = {
        name: getattr(asked, name)
        for name in (
            *("mini_batch_size", "instance_count", "max_concurrency_per_instance", "error_threshold"),
            "isolate_failures",
        )
    }
    overrides = convert.JobOverrides(
        "j",
        output_file_name=asked.output_file_name,
        settings={**simple, "logging_level": asked.logging_level},
        retry_settings=asked.retry_settings,
    )
    body = convert.job_body({"x": folder("https://a.net/b")}, overrides, api_version=version, datastores=f"{WS}/ds")

    read = convert.job_settings_from(models.BatchJobBody.read(sent(body)).properties, base)

    same = {"output_action": base.output_action, "environment_variables": base.environment_variables}
    assert read == asked.model_copy(update=same)


def sent(body: dict[str, Any]) -> dict[str, Any]:
    """A body as it arrives at the other side."""
    arrived: dict[str, Any] = json.loads(json.dumps(body))
    return arrived


def version_of(kind: str, spec: Any, body: dict[str, Any], old: bool) -> models.AssetBody:  # noqa: ANN401 (any asset)
    arrived = bodies_2021.asset(body) if old else body
    asset_id = f"{WS}/{kind}/{spec.name}/versions/{spec.version}"
    return models.AssetBody.read({"id": asset_id, "name": spec.version, **sent(arrived)})


# ------------------------------------------------------------------ spec, YAML, spec

anything: st.SearchStrategy[Spec] = st.one_of(
    endpoints,
    computes,
    run_settings,
    models_at(uris | local_paths),
    datasets_at(uris | local_paths),
    environments_with(st.none() | local_paths | condas),
    deployments(
        ids[0] | local_paths | models_at(uris | local_paths),
        ids[1] | local_paths | environments_with(local_paths | condas),
    ),
)


@often
@given(deployments(ids[0] | models_at(uris), ids[1]), counts)
def test_one_changed_setting_leaves_the_rest_as_it_was(spec: DeploymentSpec, size: int) -> None:
    changed = spec.changed(mini_batch_size=size)

    assert changed.settings.mini_batch_size == size
    assert changed.changed(mini_batch_size=spec.settings.mini_batch_size) == spec == spec.changed()


@settings(often, max_examples=150)
@given(anything)
def test_any_spec_comes_back_from_its_yaml(spec: Spec) -> None:
    with TemporaryDirectory() as place:
        file = Path(place) / "spec.yml"
        text = spec.to_yaml(file)
        again = type(spec).from_yaml(file)

        assert again == spec
        assert again.to_yaml(file) == text


# ------------------------------------------------------------------ scalars and words


@often
@given(seconds)
def test_a_duration_comes_back_to_the_microsecond(value: float) -> None:
    assert scalars.duration_from_wire(scalars.duration_to_wire(value)) == value


@often
@given(
    st.sampled_from(["append_row", "summary_only"]), st.sampled_from([str.upper, str.lower, str.title]), st.booleans()
)
def test_words_of_the_wire_are_read_in_any_casing(word: str, case: Callable[[str], str], joined: bool) -> None:
    shown = case(word).replace("_", "") if joined else case(word)
    body = models.DeploymentBody.read({"properties": {"outputAction": shown, "LOGGINGLEVEL": case("debug")}})

    assert readback.settings(body.properties).output_action == word
    assert convert.settings_from(body.properties).logging_level == "debug"


def test_words_and_values_of_a_newer_service_are_kept_as_they_came() -> None:
    body = models.DeploymentBody.read(
        {
            "name": "1_odd",
            "properties": {
                "outputAction": "AppendColumn",
                "loggingLevel": "Error",
                "miniBatchSize": "12",
                "errorThreshold": -5,
                "retrySettings": {"timeout": "soon", "maxRetries": "4"},
                "resources": {"instanceCount": "2"},
            },
        }
    )

    spec = readback.deployment_spec(body)

    assert (spec.name, spec.settings.output_action, spec.settings.logging_level) == ("1_odd", "AppendColumn", "Error")
    assert (spec.settings.mini_batch_size, spec.settings.instance_count, spec.settings.error_threshold) == (12, 2, -5)
    assert spec.settings.retry_settings == RetrySettings(max_retries=4)
    assert convert.settings_body(spec.settings)["outputAction"] == "AppendColumn"
    assert readback.conda("a: [") is None, "not YAML"
    compute = readback.compute_spec(models.ComputeBody.read({"name": "n", "properties": {"computeType": "Kubernetes"}}))
    assert convert.compute_body(compute, "here")["properties"]["computeType"] == "Kubernetes"


@pytest.mark.parametrize(
    ("reference", "model"),
    [
        ({"referenceType": "Id", "assetId": "m"}, "m"),
        (
            {"referenceType": "DataPath", "datastoreId": f"{WS}/datastores/d", "path": "/a/b"},
            "azureml://datastores/d/paths/a/b",
        ),
        (
            {"referenceType": "OutputPath", "jobId": f"{WS}/jobs/j", "path": "m"},
            "azureml://jobs/j/outputs/artifacts/paths/m",
        ),
        (None, ""),
    ],
)
def test_the_model_of_a_deployment_is_read_in_each_of_its_forms(reference: object, model: str) -> None:
    body = models.DeploymentBody.read({"properties": {"model": reference}})

    assert readback.deployment_spec(body).model == model


def test_both_stacks_give_the_same_specs() -> None:
    """The older one puts its own keys among the user's properties; the newer one does not."""
    old = {
        "BatchEndpointCreationApiVersion": "2022-05-01",
        "azureml.onlineendpointid": f"{WS.lower()}/onlineendpoints/e",
        "AzureAsyncOperationUri": "https://x/be:1",
    }
    for read, body in (
        (lambda raw: readback.endpoint_spec(models.EndpointBody.read(raw)), {"name": "heart"}),
        (lambda raw: readback.deployment_spec(models.DeploymentBody.read(raw)), {"name": "blue"}),
    ):
        stacks = [{**body, "properties": {"properties": {"mine": "1", **added}}} for added in (old, {})]
        assert read(stacks[0]) == read(stacks[1])
        assert read(stacks[0]).properties == {"mine": "1"}


# ------------------------------------------------------------------ answers with holes

READ: dict[str, Callable[[Any], object]] = {
    "code-get": models.AssetBody.read,
    "compute-put": lambda raw: readback.compute_spec(models.ComputeBody.read(raw)),
    "data-get": lambda raw: readback.dataset_spec(models.AssetBody.read(raw)),
    "datastore-get": models.DatastoreBody.read,
    "deployment-get": lambda raw: readback.deployment_spec(models.DeploymentBody.read(raw)),
    "deployment-put": lambda raw: readback.deployment_spec(models.DeploymentBody.read(raw)),
    "endpoint-get": lambda raw: readback.endpoint_spec(models.EndpointBody.read(raw)),
    "environment-get": lambda raw: readback.environment_spec(models.AssetBody.read(raw)),
    "invoke": job_view,
    "invoke-2021": job_view,
    "job-get": job_view,
    "model-get": lambda raw: readback.model_spec(models.AssetBody.read(raw)),
}


def answer(name: str) -> Any:  # noqa: ANN401 (JSON)
    """The answer of a contract pair, its marks for what varies filled in."""
    text = (PAIRS / f"{name}.json").read_text(encoding="utf-8").replace("{ws}", WS)
    return json.loads(text, object_hook=filled)["answer"]["body"]


def filled(found: dict[str, Any]) -> dict[str, Any]:
    marks: dict[str, Any] = {"<any>": None, "<list>": [], "<time>": "2023-04-09T00:26:46.2787237+00:00"}
    known = {key: value for key, value in found.items() if key != "<more>"}
    return {key: marks.get(value, value) if isinstance(value, str) else value for key, value in known.items()}


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(raw: object, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> object:
    whole = copy.deepcopy(raw)
    holder: Any = whole
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return whole


@pytest.mark.parametrize("name", READ)
def test_an_answer_is_read_whichever_field_is_missing_or_null(name: str) -> None:
    raw = answer(name)
    assert READ[name](raw)

    for path in places(raw):
        READ[name](changed(raw, path, lambda holder, key: holder.pop(key)))
        READ[name](changed(raw, path, lambda holder, key: holder.__setitem__(key, None)))
    empties: list[dict[str, Any]] = [{}, {"properties": None}, {"properties": {}}]
    for empty in empties:
        READ[name](empty)


@pytest.mark.parametrize("name", READ)
def test_numbers_as_text_and_keys_in_another_case_are_read_the_same(name: str) -> None:
    raw = answer(name)

    def text_of(value: Any) -> Any:  # noqa: ANN401 (JSON)
        if isinstance(value, dict):
            return {key: text_of(inner) for key, inner in value.items()}
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def as_told(read: object) -> object:
        return read.body() if isinstance(read, Body) else read

    assert as_told(READ[name](text_of(raw))) == as_told(READ[name](raw))
    if name.endswith("-get") and name != "job-get":
        louder = {key.upper(): value for key, value in raw.items()}
        assert as_told(READ[name](louder)) == as_told(READ[name](raw))
