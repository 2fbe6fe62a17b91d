"""Every form of YAML file that the how-to of 2021 and today's samples use: read, written, read again, overridden."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints._spec_base import Spec
from azure_batch_endpoints.errors import LocalPathError, SpecError
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

FOLDER = Path(__file__).parent / "yaml_files"
KINDS: dict[str, type[Spec]] = {
    "compute": ComputeSpec,
    "dataset": DatasetSpec,
    "deployment": DeploymentSpec,
    "endpoint": EndpointSpec,
    "environment": EnvironmentSpec,
    "model": ModelSpec,
    "settings": RunSettings,
}
FILES = sorted(one.name for one in FOLDER.glob("*.yml"))
NAMELESS: dict[str, Any] = {"deployment-preview-2021.yml": {"name": "blue"}}
BASE = "name: blue\nmodel: ./m\n"
SETTINGS = RunSettings(
    mini_batch_size=5,
    max_concurrency_per_instance=2,
    instance_count=3,
    retry_settings=RetrySettings(max_retries=4, timeout=45),
    output_file_name="codes.csv",
)


def load(name: str, **overrides: Any) -> Any:  # noqa: ANN401 (each file has a type of its own)
    kind = KINDS[name.partition(".")[0].partition("-")[0]]
    return kind.from_yaml(FOLDER / name, **{**NAMELESS.get(name, {}), **overrides})


def written(folder: Path, text: str, name: str = "d.yml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, kind: type[Spec] = DeploymentSpec, **overrides: Any) -> SpecError:
    with pytest.raises(SpecError) as caught:
        kind.from_yaml(written(folder, text), **overrides)
    return caught.value


# ------------------------------------------------------------------ every form is read


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_each_form_is_read_and_written_and_read_again_the_same(name: str, tmp_path: Path) -> None:
    spec = load(name)

    text = spec.to_yaml(tmp_path / "again.yml")

    assert type(spec).from_yaml(tmp_path / "again.yml") == spec
    assert (tmp_path / "again.yml").read_text(encoding="utf-8") == text
    assert type(spec).from_yaml(tmp_path / "again.yml").to_yaml(tmp_path / "again.yml") == text


def test_there_is_a_file_for_every_kind() -> None:
    assert {name.partition(".")[0].partition("-")[0] for name in FILES} == set(KINDS)


def test_the_deployment_is_the_same_in_all_three_spellings() -> None:
    preview, old, new = (load(f"deployment-{one}.yml") for one in ("preview-2021", "2021", "today"))

    assert old.model == new.model.path == preview.model.path == FOLDER / "net"
    assert old.code == new.code == preview.code == FOLDER / "scripts"
    assert {one.environment.conda_file for one in (preview, old, new)} == {FOLDER / "env/conda.yml"}
    assert {one.compute for one in (preview, old, new)} == {"azureml:nodes"}
    assert old.settings == SETTINGS
    assert preview.settings.instance_count == 3
    assert new.settings.environment_variables == {"POST_REGION": "$POST_REGION", "POST_FORMAT": "2023-03-15"}
    assert new.tags == {"acceleration": "CUDA", "batching": "16"}


def test_references_to_the_workspace_and_to_a_registry_stay_as_written() -> None:
    spec = load("deployment-today-references.yml")

    assert spec.model == "azureml://registries/post/models/postcodes/versions/3"
    assert (spec.environment, spec.code) == ("azureml:post-env@latest", "azureml:post-code:2")
    assert (spec.settings.output_action, spec.settings.instance_count) == ("summary_only", 2)
    assert spec.properties == {"reviewed": "yes"}


def test_what_an_existing_endpoint_is_shown_with_is_read_as_the_endpoint() -> None:
    assert load("endpoint-as-shown.yml") == EndpointSpec(
        name="sorter",
        description="Sorts letters by their postcode.",
        default_deployment="blue",
        properties={"owner": "post"},
    )


def test_the_other_nouns_are_read_in_both_spellings() -> None:
    assert load("dataset-2021-folder.yml").type == "uri_folder"
    assert load("dataset-2021-file.yml").path == "https://example.blob.core.windows.net/post/letters.csv"
    assert load("dataset-2021-local.yml").path == load("dataset-today.yml").path == FOLDER / "data"
    assert load("dataset-today.yml").version == "007"
    assert (load("model-2021.yml").path, load("model-2021.yml").type) == (FOLDER / "autolog", "mlflow_model")
    assert load("model-2021-uri.yml").type == "custom_model"
    assert load("model-today.yml").properties == {"trained_by": "ana"}
    assert load("environment-2021.yml").image == "example.invalid/base"
    assert load("environment-today.yml").conda_file["dependencies"][2] == {"pip": ["pillow"]}
    assert load("compute-today.yml") == ComputeSpec(
        name="nodes",
        size="STANDARD_DS3_v2",
        location="westeurope",
        max_instances=5,
        idle_time_before_scale_down=90,
        tier="low_priority",
    )
    assert load("settings.yml").retry_settings == RetrySettings(max_retries=2, timeout=90)


def test_anchors_and_merged_settings_keep_what_is_written() -> None:
    spec = load("deployment-anchors.yml")

    assert spec.model.version == "1.10"
    assert spec.settings.environment_variables == {"RATE": "1.50", "team": "post"}


@pytest.mark.parametrize("word", ["append_row", "AppendRow", "APPEND_ROW", "appendrow", "Append-Row"])
def test_words_are_read_in_any_casing(word: str, tmp_path: Path) -> None:
    spec = DeploymentSpec.from_yaml(written(tmp_path, f"{BASE}output_action: {word}\nlogging_level: INFO\n"))

    assert (spec.settings.output_action, spec.settings.logging_level) == ("append_row", "info")


PAGE = (Path(__file__).parents[2] / "docs" / "yaml-files.md").read_text(encoding="utf-8")
SHOWN = re.findall(r'^```yaml title="(\w+)"\n(.*?)^```$', PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("kind", "text"), SHOWN, ids=[kind for kind, _ in SHOWN])
def test_the_file_that_the_docs_show_of_each_kind_is_read(kind: str, text: str, tmp_path: Path) -> None:
    assert KINDS[kind].from_yaml(written(tmp_path, text)).to_yaml()
    assert {kind for kind, _ in SHOWN} | {"settings"} == set(KINDS)


# ------------------------------------------------------------------ known keys that are not supported are explained


@pytest.mark.parametrize(
    ("kind", "text", "line", "said"),
    [
        (DeploymentSpec, f"{BASE}type: pipeline\ncomponent: azureml:c@latest\n", 4, "pipeline component deployment"),
        (DeploymentSpec, "name: blue\ncomponent: p.yml\ntype: pipeline\n", 2, "Write 'type: model' with model"),
        (DeploymentSpec, "name: blue\njob_definition: azureml:j\n", 2, "pipeline component deployment"),
        (DeploymentSpec, f"{BASE}settings:\n  default_compute: c\n", 4, "pipeline component deployment"),
        (DeploymentSpec, f"{BASE}type: stream\n", 3, "'type' is 'stream': it can be 'model'."),
        (DeploymentSpec, f"{BASE}liveness_probe: {{period: 3}}\n", 3, "a key of online deployments"),
        (DeploymentSpec, f"{BASE}resources: {{instance_type: big}}\n", 3, "run on the nodes of their compute"),
        (DeploymentSpec, f"{BASE}auth_mode: aad_token\n", 3, "Read the file with EndpointSpec"),
        (DeploymentSpec, f"{BASE}environment: {{build: {{path: .}}}}\n", 3, "Build and push the image"),
        (DeploymentSpec, f"{BASE}timeout: 3\n", 3, "'timeout' belongs under 'retry_settings': put it there."),
        (DeploymentSpec, f"{BASE}instance_count: 3\n", 3, "'instance_count' belongs under 'resources': put it there."),
        (DeploymentSpec, f"{BASE}miniBatchSize: 3\n", 3, "Did you mean 'mini_batch_size'?"),
        (DeploymentSpec, f"{BASE}environment:\n  docker: {{imag: x}}\n", 4, "Did you mean 'image'?"),
        (DeploymentSpec, "name: blue\nmodel: ''\n", 2, "it should be a path or a reference"),
        (EndpointSpec, "name: sorter\ntraffic: {blue: 100}\n", 2, "Write 'defaults: {deployment_name: <name>}'"),
        (EndpointSpec, "name: sorter\ndeployments: {blue: {}}\n", 2, "deployments have files of their own"),
        (EndpointSpec, "name: sorter\nmodel: m\n", 2, "Read the file with DeploymentSpec"),
        (EndpointSpec, "name: sorter\ntype: online\n", 2, "this package has batch endpoints only"),
        (EndpointSpec, "name: sorter\nidentity: {type: x}\n", 2, "this package sets no identity"),
        (EnvironmentSpec, "name: e\nbuild: {path: .}\n", 2, "Build and push the image"),
        (EnvironmentSpec, "name: e\nchannels: []\ndependencies: [pip]\n", 3, "this is a conda file"),
        (DatasetSpec, "name: d\npath: x\ntype: mltable\n", 3, "batch deployments of models read folders and files"),
        (DatasetSpec, "name: d\npath: x\ndatastore: other\n", 3, "uploads go to the workspace's default datastore"),
        (ModelSpec, "name: m\npath: x\nstage: Production\n", 3, "this package does not set it"),
        (ComputeSpec, "name: nodes\nssh_settings: {admin_username: u}\n", 2, "az ml compute create"),
    ],
)
def test_a_known_key_that_cannot_be_honoured_says_what_to_do(
    kind: type[Spec], text: str, line: int, said: str, tmp_path: Path
) -> None:
    error = refused(tmp_path, text, kind)

    assert said in str(error)
    assert str(error).startswith(f"d.yml, line {line}: ")
    assert error.line == line


def test_keys_without_a_value_that_are_not_supported_are_passed_over(tmp_path: Path) -> None:
    text = (
        f"{BASE}instance_type:\nresources: {{instance_count: 2, properties: {{}}, instance_type: ~, locations: []}}\n"
    )

    assert DeploymentSpec.from_yaml(written(tmp_path, text)).settings.instance_count == 2


# ------------------------------------------------------------------ paths


def test_paths_with_spaces_dots_and_the_home_folder_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "a b").mkdir()
    text = "name: blue\nmodel: file:../my model\nenvironment: ~/env.yml\n"

    spec = DeploymentSpec.from_yaml(written(tmp_path / "a b", text))

    assert isinstance(spec.model, Path) and spec.model.parent.resolve() / "my model" == tmp_path / "my model"
    assert spec.environment == tmp_path / "home/env.yml"


def test_a_path_that_is_not_there_is_named_with_the_file_and_line_that_name_it(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    text = (
        "name: blue\nmodel:\n  path: nets\n  name: m\ncode_configuration:\n  code: $HOME/code\n  scoring_script: s.py\n"
        "environment:\n  conda_file: c.yml\n"
    )
    file = written(tmp_path, text)

    model, conda, code = (one.message for one in DeploymentSpec.from_yaml(file).check())

    assert f"The model '{tmp_path / 'nets'}' (named in '{file}', line 3) does not exist" in model
    assert f"Did you mean '{tmp_path / 'net'}'? A registered model is named 'azureml:<name>:<version>'." in model
    assert f"The conda file '{tmp_path / 'c.yml'}' (named in '{file}', line 9) does not exist" in conda
    assert f"(named in '{file}', line 6)" in code and "Environment variables are not replaced." in code


def test_an_environment_file_and_a_script_that_are_not_there_are_named_likewise(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    text = f"{BASE}code_configuration:\n  code: .\n  scoring_script: s.py\nenvironment: e.yml\n"

    environment, script = (one.message for one in DeploymentSpec.from_yaml(written(tmp_path, text)).check())

    assert "line 6) does not exist" in environment and "A registered environment is named" in environment
    assert "The scoring script 's.py' (named in " in script and "line 5)" in script


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalPathError, match=r"e\.yml' cannot be written \(No such file or directory\)"):
        EndpointSpec(name="sorter").to_yaml(tmp_path / "none" / "e.yml")


def test_written_paths_are_relative_below_the_file_and_absolute_elsewhere(tmp_path: Path) -> None:
    spec = DeploymentSpec(name="blue", model=tmp_path / "in" / "~odd", environment=tmp_path / "e.yml")
    (tmp_path / "in").mkdir()

    text = spec.to_yaml(tmp_path / "in" / "d.yml")

    assert "model: ./~odd\n" in text
    assert f"environment: {tmp_path / 'e.yml'}\n" in text
    assert f"model: {tmp_path / 'in' / '~odd'}\n" in spec.to_yaml()
    assert DeploymentSpec.from_yaml(tmp_path / "in" / "d.yml") == spec


def test_a_written_path_of_a_keyword_counts_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert f"path: {tmp_path / 'net'}\n" in ModelSpec(name="m", path="net").to_yaml()


# ------------------------------------------------------------------ overrides


def test_dotted_overrides_reach_into_the_file_in_either_spelling(tmp_path: Path) -> None:
    spec = load(
        "deployment-today.yml",
        mini_batch_size="7",
        **{
            "settings.retry_settings.timeout": 9,
            "resources.instance_count": "4",
            "tags.team.lead": "post",
            "environment_variables.RATE": 3,
            "model.path": "elsewhere",
            "code_configuration.scoring_script": "other.py",
        },
    )

    assert (spec.settings.mini_batch_size, spec.settings.instance_count) == (7, 4)
    assert spec.settings.retry_settings == RetrySettings(max_retries=4, timeout=9)
    assert spec.settings.output_file_name == "codes.csv"
    assert spec.tags == {"acceleration": "CUDA", "batching": "16", "team.lead": "post"}
    assert spec.settings.environment_variables["RATE"] == "3"
    assert spec.model.path == Path("elsewhere"), "counts from the current folder"
    assert (spec.model.name, spec.scoring_script) == ("postcodes", "other.py")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"settings.mini_batch_sze": 3}, "has no field 'settings.mini_batch_sze'. Did you mean 'settings.mini_batch_s"),
        ({"endpoint_name": "x"}, "DeploymentSpec has no field 'endpoint_name'. Known are: code, compute,"),
        ({"mini_batch_size": 0}, "is 0; it should be at least 1. (an override of 'd.yml')"),
        ({"model.name": "x"}, "'model' is given as a whole, so 'model.name' cannot be set in it"),
        ({"settings": RunSettings(), "settings.mini_batch_size": 1}, "'settings' is given as a whole"),
    ],
)
def test_an_override_that_cannot_be_is_refused_without_blaming_the_file(
    overrides: dict[str, Any], said: str, tmp_path: Path
) -> None:
    error = refused(tmp_path, f"{BASE}mini_batch_size: 3\n", **overrides)

    assert said in str(error)
    assert error.path is None and error.line is None


def test_a_spec_is_changed_by_field_and_by_dotted_key() -> None:
    spec = load("deployment-today.yml")

    changed = spec.changed(
        {"settings.retry_settings.timeout": "60", "tags.batching": 8, "model.version": "4"}, name="green"
    )

    assert (changed.name, changed.settings.retry_settings) == ("green", RetrySettings(max_retries=4, timeout=60))
    assert (changed.tags["batching"], changed.model.version, changed.model.name) == ("8", "4", "postcodes")
    assert changed.environment == spec.environment and spec.name == "blue"
    assert spec.named_in("name") == f" (named in '{FOLDER / 'deployment-today.yml'}', line 3)"
    assert changed.named_in("name") == "", "what is changed is not the file's"
    assert changed.named_in("code") == spec.named_in("code")
    with pytest.raises(SpecError, match=r"DeploymentSpec has no field 'settings\.timeout'"):
        spec.changed({"settings.timeout": 3})


def test_single_settings_are_changed_by_keyword_also_in_settings_that_are_given() -> None:
    spec = DeploymentSpec(name="blue", model="azureml:m:1", settings=RunSettings(mini_batch_size=7, error_threshold=2))

    assert spec.changed(mini_batch_size=3).settings == RunSettings(mini_batch_size=3, error_threshold=2)
    assert spec.changed(settings=RunSettings(), mini_batch_size=3).settings == RunSettings(mini_batch_size=3)
    assert spec.settings.changed(retry_settings=RetrySettings(timeout=9)).retry_settings.timeout == 9


def test_none_is_a_value_and_not_given_is_kept() -> None:
    spec = DeploymentSpec(name="blue", model="azureml:m:1", description="first", tags={"team": "vision"})

    assert spec.changed(description=None).description is None
    assert spec.changed(name="green").description == "first"
    assert spec.changed() == spec


# ------------------------------------------------------------------ equality and repr


def test_specs_are_equal_wherever_they_come_from(tmp_path: Path) -> None:
    one, two = (DeploymentSpec.from_yaml(written(tmp_path, BASE, name)) for name in ("a.yml", "b.yml"))

    assert one == two == DeploymentSpec(name="blue", model=tmp_path / "m")
    assert one != DeploymentSpec(name="green", model=tmp_path / "m")
    assert one != "blue"


def test_no_repr_shows_what_opens_anything() -> None:
    settings = RunSettings(environment_variables={"API_KEY": "hush", "URL": "https://a.net/b?sig=hush", "RATE": "3"})
    model = ModelSpec(name="m", path="https://a.blob.core.windows.net/b/m?sig=hush")
    spec = DeploymentSpec(name="blue", model=model, settings=settings)

    assert "hush" not in repr(spec) + str(spec) + f"{spec}"
    assert "'RATE': '3'" in repr(spec) and "'API_KEY': '***'" in repr(spec)
    assert repr(RetrySettings()) == "RetrySettings(max_retries=3, timeout=30.0)"
    with pytest.raises(SpecError) as caught:
        DatasetSpec(name="https://a.net/b?sig=hush", path="x")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("$schema: https://x/batchEndpoint.schema.json\nname: heart\n", DeploymentSpec, "$schema says 'batchEndpoint'"),
        (
            "name: cpu\nsize: s\ntier: dedicated\n",
            DeploymentSpec,
            "another kind, 'compute', not 'deployment': its keys",
        ),
        ("$schema: https://x/amlCompute.schema.json\nname: cpu\nsize: s\n", EndpointSpec, "'compute', not 'endpoint'"),
    ],
)
def test_the_file_of_another_kind_is_said_to_be_one(text: str, kind: type[Spec], said: str, tmp_path: Path) -> None:
    assert said in str(refused(tmp_path, text, kind))


def test_a_wrong_schema_alone_refuses_no_file(tmp_path: Path) -> None:
    file = tmp_path / "e.yml"
    file.write_text("$schema: https://x/modelBatchDeployment.schema.json\nname: heart\n")

    assert EndpointSpec.from_yaml(file).name == "heart"
    wrong = "$schema: https://x/batchEndpoint.schema.json\nname: heart\nauthmode: key\n"
    assert "authmode" in str(refused(tmp_path, wrong, EndpointSpec))


@pytest.mark.parametrize("where", ["settings:\n  isolate_failures: {}\n", "isolate_failures: {}\n"])
@pytest.mark.parametrize(("word", "meant"), [("true", True), ("yes", True), ('"True"', True), ("false", False)])
def test_whether_failures_are_isolated_is_read_from_a_file(tmp_path: Path, where: str, word: str, meant: bool) -> None:
    spec = DeploymentSpec.from_yaml(written(tmp_path, BASE + where.format(word)))

    assert spec.settings.isolate_failures is meant
    assert spec.changed(isolate_failures=not meant).settings.isolate_failures is not meant


def test_a_number_is_no_truth_value(tmp_path: Path) -> None:
    error = refused(tmp_path, f"{BASE}settings:\n  isolate_failures: 1\n")

    assert "settings.isolate_failures is 1; it should be true or false." in str(error)
    assert error.line == 4


def test_a_file_names_isolation_only_when_it_is_asked_for(tmp_path: Path) -> None:
    spec = DeploymentSpec.from_yaml(written(tmp_path, BASE))

    assert "isolate_failures" not in spec.to_yaml()  # which other readers of the schema do not know
    asked = spec.changed(isolate_failures=True).to_yaml(tmp_path / "on.yml")
    assert "isolate_failures: true" in asked
    assert DeploymentSpec.from_yaml(tmp_path / "on.yml").settings.isolate_failures
