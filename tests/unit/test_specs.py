"""Specs from keywords and from both generations of YAML."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
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

OF_2021 = """\
    $schema: https://example.invalid/latest/batchDeployment.schema.json
    name: digits-one
    endpoint_name: numbers
    model:
      local_path: ./trained/
    code_configuration:
      code:
        local_path: ./scripts/
      scoring_script: score_digits.py
    environment:
      conda_file: ./env/conda.yml
      image: example.invalid/base:1
    compute: azureml:cluster-a
    resources:
      instance_count: 3
    max_concurrency_per_instance: 2
    mini_batch_size: 25
    output_action: append_row
    output_file_name: digits.csv
    retry_settings:
      max_retries: 4
      timeout: 45
    error_threshold: 10
    logging_level: debug
"""
OF_TODAY = """\
    $schema: https://example.invalid/latest/modelBatchDeployment.schema.json
    name: digits-one
    endpoint_name: numbers
    type: model
    model:
      path: trained
    code_configuration:
      code: scripts
      scoring_script: score_digits.py
    environment:
      conda_file: env/conda.yml
      image: example.invalid/base:1
    compute: azureml:cluster-a
    resources:
      instance_count: 3
    settings:
      max_concurrency_per_instance: 2
      mini_batch_size: 25
      output_action: append_row
      output_file_name: digits.csv
      retry_settings:
        max_retries: 4
        timeout: 45
      error_threshold: 10
      logging_level: debug
"""
UNCHECKED: dict[str, Any] = {"mini_batch_sise": 3}
BASE = "name: blue\nmodel: ./m\n"


def written(folder: Path, text: str, name: str = "deployment.yml") -> Path:
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def refused(folder: Path, text: str, kind: type[Spec] = DeploymentSpec) -> SpecError:
    with pytest.raises(SpecError) as caught:
        kind.from_yaml(written(folder, text))
    assert type(caught.value) is SpecError
    return caught.value


# ------------------------------------------------------------------ both spellings


def test_both_generations_of_yaml_make_the_same_deployment(tmp_path: Path) -> None:
    old = DeploymentSpec.from_yaml(written(tmp_path, OF_2021, "old.yml"))
    new = DeploymentSpec.from_yaml(written(tmp_path, OF_TODAY, "new.yml"))

    assert old == new
    assert old.model == tmp_path / "trained"
    assert old.code == tmp_path / "scripts"
    assert isinstance(old.environment, EnvironmentSpec)
    assert old.environment.conda_file == tmp_path / "env/conda.yml"
    assert old.settings == RunSettings(
        mini_batch_size=25,
        max_concurrency_per_instance=2,
        instance_count=3,
        error_threshold=10,
        retry_settings=RetrySettings(max_retries=4, timeout=45.0),
        output_file_name="digits.csv",
        logging_level="debug",
    )


def test_relative_paths_count_from_the_files_folder_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    written(tmp_path / "sub", "name: blue\nmodel: file:m\nenvironment: env.yml\n")
    monkeypatch.chdir(tmp_path)

    spec = DeploymentSpec.from_yaml("sub/deployment.yml")

    assert (spec.model, spec.environment) == (tmp_path / "sub/m", tmp_path / "sub/env.yml")


def test_references_stay_as_they_are_written(tmp_path: Path) -> None:
    text = "name: blue\nmodel: azureml:m@latest\nenvironment: azureml:e:1\ncompute: azureml:c\n"

    spec = DeploymentSpec.from_yaml(written(tmp_path, text))

    assert (spec.model, spec.environment, spec.compute) == ("azureml:m@latest", "azureml:e:1", "azureml:c")


def test_a_model_without_a_script_needs_name_and_model_only(tmp_path: Path) -> None:
    spec = DeploymentSpec.from_yaml(written(tmp_path, BASE))

    assert (spec.code, spec.scoring_script, spec.environment, spec.compute) == (None, None, None, "local")
    assert spec.settings == RunSettings()


def test_a_named_model_and_an_inline_conda_file_are_read(tmp_path: Path) -> None:
    text = """\
        name: blue
        model: {name: digits, version: 3, path: trained, type: custom_model}
        environment: {name: sk, conda_file: {dependencies: [pip]}, os_type: linux}
    """

    spec = DeploymentSpec.from_yaml(written(tmp_path, text))

    assert spec.model == ModelSpec(name="digits", version="3", path=tmp_path / "trained", type="custom_model")
    assert spec.environment == EnvironmentSpec(name="sk", conda_file={"dependencies": ["pip"]})


def test_overrides_replace_what_the_file_says(tmp_path: Path) -> None:
    spec = DeploymentSpec.from_yaml(
        written(tmp_path, OF_TODAY), name="green", settings=RunSettings(mini_batch_size=1), model="azureml:m:1"
    )

    assert (spec.name, spec.settings.mini_batch_size, spec.model) == ("green", 1, "azureml:m:1")


def test_an_override_that_is_no_field_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"DeploymentSpec has no field 'nam'\. Did you mean 'name'\?") as caught:
        DeploymentSpec.from_yaml(written(tmp_path, BASE), nam="x")
    assert caught.value.field == "nam"


def test_settings_that_are_empty_in_the_file_take_the_defaults(tmp_path: Path) -> None:
    spec = DeploymentSpec.from_yaml(written(tmp_path, BASE + "settings:\ntags:\nresources:\ndescription:\n"))

    assert (spec.settings, spec.tags, spec.description) == (RunSettings(), {}, None)


def test_tags_versions_and_variables_stay_as_written(tmp_path: Path) -> None:
    text = """\
        name: blue
        model: {name: m, path: p, version: 1.10}
        tags: {size: 16, id: 007, flag: yes, none: ~, day: 2026-01-02}
        settings:
          environment_variables: {FLAG: on, OCTAL: 010, RATE: 1.50}
    """

    spec = DeploymentSpec.from_yaml(written(tmp_path, text))

    assert isinstance(spec.model, ModelSpec) and spec.model.version == "1.10"
    assert spec.tags == {"size": "16", "id": "007", "flag": "yes", "none": "", "day": "2026-01-02"}
    assert spec.settings.environment_variables == {"FLAG": "on", "OCTAL": "010", "RATE": "1.50"}


# ------------------------------------------------------------------ wrong files


@pytest.mark.parametrize(
    ("text", "line", "field", "said"),
    [
        (
            "mini_batch_sise: 3",
            3,
            "mini_batch_sise",
            "unknown setting 'mini_batch_sise'. Did you mean 'mini_batch_size'?",
        ),
        ("settings:\n  retry_settings:\n    timeot: 3", 5, "settings.retry_settings.timeot", "Did you mean 'timeout'?"),
        ("zzz: 3", 3, "zzz", "unknown setting 'zzz'. Known are: code_configuration, compute,"),
        ("mini_batch_size: 1.5", 3, "settings.mini_batch_size", "mini_batch_size is 1.5; it should be a valid integer"),
        ("mini_batch_size: true", 3, "settings.mini_batch_size", "mini_batch_size is True; it should be a number."),
        ("mini_batch_size: ten", 3, "settings.mini_batch_size", "is 'ten'; it should be a valid integer"),
        ("mini_batch_size: 0", 3, "settings.mini_batch_size", "is 0; it should be at least 1."),
        ("mini_batch_size: [1]", 3, "settings.mini_batch_size", "is list; it should be a valid integer"),
        ("error_threshold: -2", 3, "settings.error_threshold", "at least -1"),
        (
            "retry_settings: {timeout: PT30S}",
            3,
            "settings.retry_settings.timeout",
            "is 'PT30S'; it should be a valid number",
        ),
        (
            "retry_settings: {timeout: .inf}",
            3,
            "settings.retry_settings.timeout",
            "is inf; it should be",
        ),
        ("retry_settings: {timeout: .nan}", 3, "settings.retry_settings.timeout", "is nan"),
        ("retry_settings: {timeout: yes}", 3, "settings.retry_settings.timeout", "is True; it should be a number."),
        (
            "retry_settings: 3",
            3,
            "retry_settings",
            "'retry_settings' needs settings under it. Give some of: max_retries, timeout.",
        ),
        (
            "output_action: append_rows",
            3,
            "settings.output_action",
            "is 'append_rows'; it can be 'append_row' or 'summary_only'.",
        ),
        ("output_file_name: a/b", 3, "settings.output_file_name", "is 'a/b'; it is a file name, without any of"),
        (
            "mini_batch_size: 3\nsettings:\n  mini_batch_size: 4",
            5,
            "settings.mini_batch_size",
            "was set before, in line 3. Keep one of them.",
        ),
        (
            "code_configuration:\n  code: c",
            4,
            "code",
            "code and scoring_script go together; scoring_script is missing.",
        ),
        ("code_configuration:\n  scoring_script: s.py", 4, "scoring_script", "code is missing."),
        (
            "code_configuration: x",
            3,
            "code_configuration",
            "needs settings under it. Give some of: code, scoring_script",
        ),
        ("type: pipeline", 3, "type", "'type' is 'pipeline': this is a pipeline component deployment"),
        ("tags: [a]", 3, "tags", "tags is list; it should be 'name: value' pairs."),
        ("tags:\n  a: [1]", 4, "tags.a", "tags.a is list; it should be a text."),
        ("description: 3", 3, "description", "description is 3; it should be a text."),
        ("settings: 3", 3, "settings", "'settings' needs settings under it"),
    ],
)
def test_a_wrong_setting_is_named_with_file_line_and_what_it_can_be(
    tmp_path: Path, text: str, line: int, field: str, said: str
) -> None:
    error = refused(tmp_path, BASE + text + "\n")

    assert said in str(error)
    assert str(error).startswith(f"deployment.yml, line {line}: ")
    assert (error.line, error.field, error.path) == (line, field, tmp_path / "deployment.yml")


@pytest.mark.parametrize(
    ("model", "line", "said"),
    [
        ("model: {name: mm}", 2, "model: ModelSpec needs 'path'."),
        ("model:\n  path: m\n  type: foo", 4, "model.type is 'foo'; it can be 'custom_model', 'mlflow_model' or"),
        ("model:\n  path: m\n  typ: x", 4, "unknown setting 'model.typ'. Did you mean 'type'?"),
        ("model: 3", 2, "model is 3; it should be a text."),
        ("model: {path: m, name: 'a b'}", 2, "model.name is 'a b'; letters, digits, '-', '_' and '.' are allowed"),
    ],
)
def test_a_wrong_model_within_a_deployment_is_named(tmp_path: Path, model: str, line: int, said: str) -> None:
    error = refused(tmp_path, f"name: blue\n{model}\n")

    assert said in str(error)
    assert error.line == line


@pytest.mark.parametrize("name", ["ab", "a" * 33, "my_ep", "1abc", "abc-", "ä23", ""])
def test_a_name_that_the_service_forbids_is_refused_with_the_rule(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, f'name: "{name}"\n', EndpointSpec)

    assert f"name is '{name}'; a name has 3 to 32 letters, digits and '-', starts with a letter" in str(error)
    assert error.line == 1


@pytest.mark.parametrize("name", ["", "-a", "_a", "a.b", "ä", "x" * 256])
def test_a_deployment_has_a_rule_for_its_name_of_its_own(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path, f'name: "{name}"\nmodel: m\n')

    assert "a name has 1 to 255 letters, digits, '-' and '_', and starts with a letter or digit" in str(error)
    for good in ("a", "1", "my_blue-", "x" * 255):
        assert DeploymentSpec(name=good, model="azureml:m:1").name == good


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    assert str(refused(tmp_path, "name: blue\n")) == "deployment.yml: DeploymentSpec needs 'model'. Give it."
    assert refused(tmp_path, "model: m\n").field == "name"


def test_a_missing_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(LocalPathError, match="There is no file"):
        EndpointSpec.from_yaml(tmp_path / "none.yml")


# ------------------------------------------------------------------ the other nouns


def test_an_endpoint_is_read_with_its_default(tmp_path: Path) -> None:
    text = "name: numbers\ndescription: d\nauth_mode: AAD_token\ntags: {a: 1}\ndefaults: {deployment_name: blue}\n"

    spec = EndpointSpec.from_yaml(written(tmp_path, text))

    assert spec == EndpointSpec(name="numbers", description="d", tags={"a": "1"}, default_deployment="blue")
    assert "it can be 'aad_token'" in str(refused(tmp_path, "name: numbers\nauth_mode: key\n", EndpointSpec))


def test_a_data_set_is_read_in_both_spellings(tmp_path: Path) -> None:
    new = DatasetSpec.from_yaml(written(tmp_path, "name: d\ntype: uri_folder\npath: x\n"))
    old = DatasetSpec.from_yaml(written(tmp_path, "name: d\npaths:\n  - folder: x\n"))
    remote = DatasetSpec.from_yaml(written(tmp_path, "name: d\npaths:\n  - file: https://a.net/x.csv\n"))

    assert new == old
    assert new.path == tmp_path / "x"
    assert (remote.path, remote.type) == ("https://a.net/x.csv", "uri_file")


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ("x", "exactly one 'folder: <uri>'"),
        ("[{foo: x}]", "'paths' holds 'foo'; it can be 'folder' or 'file'."),
        ("[]", "exactly one"),
    ],
)
def test_paths_of_a_data_set_hold_one_folder_or_file(tmp_path: Path, paths: str, said: str) -> None:
    error = refused(tmp_path, f"name: d\npaths: {paths}\n", DatasetSpec)

    assert said in str(error)
    assert error.line == 2


def test_a_model_is_read_in_the_spelling_of_2021(tmp_path: Path) -> None:
    old = ModelSpec.from_yaml(written(tmp_path, "name: d\nlocal_path: m\nmodel_format: mlflow\nflavors: {}\n"))
    remote = ModelSpec.from_yaml(written(tmp_path, "name: d\nmodel_uri: azureml://datastores/s/paths/m\n"))

    assert (old.path, old.type) == (tmp_path / "m", "mlflow_model")
    assert remote.path == "azureml://datastores/s/paths/m"


def test_an_environment_is_read(tmp_path: Path) -> None:
    spec = EnvironmentSpec.from_yaml(written(tmp_path, "name: e\nversion: 2\nconda_file: c.yml\nimage: i\n"))

    assert spec == EnvironmentSpec(name="e", version="2", conda_file=tmp_path / "c.yml", image="i")


def test_a_compute_is_read_and_checked(tmp_path: Path) -> None:
    text = "name: cluster\ntype: AmlCompute\nmin_instances: 1\nmax_instances: 4\nidle_time_before_scale_down: 90\n"

    assert ComputeSpec.from_yaml(written(tmp_path, text)).max_instances == 4
    few = refused(tmp_path, "name: cluster\nmin_instances: 3\nmax_instances: 1\n", ComputeSpec)
    ray = refused(tmp_path, "name: cluster\ntype: ray\n", ComputeSpec)
    said = "deployment.yml, line 3: max_instances is 1, below min_instances 3. Raise it, or lower min_instances."
    assert (str(few), few.line) == (said, 3)
    assert 'type="ray" and address="host:port" go together; address is missing.' in str(ray)
    with pytest.raises(SpecError, match='type="ray" is missing'):
        ComputeSpec(name="cluster", address="h:1")
    with pytest.raises(SpecError, match="a name has 2 to 32 letters"):
        ComputeSpec(name="c")


# ------------------------------------------------------------------ keywords


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: RunSettings(**UNCHECKED),
            "RunSettings has no field 'mini_batch_sise'. Did you mean 'mini_batch_size'?",
        ),
        (lambda: RunSettings(mini_batch_size=True), "mini_batch_size is True; it should be a number."),
        (
            lambda: RunSettings(retry_settings={"timeout": "x"}),
            "retry_settings.timeout is 'x'; it should be a valid number",
        ),
        (lambda: RunSettings(retry_settings={"timeot": 1}), "retry_settings: RetrySettings has no field 'timeot'."),
        (
            lambda: RunSettings(environment_variables={"A=B": "1"}),
            "environment_variables: 'A=B' cannot be the name of a variable. Write a name without '='.",
        ),
        (
            lambda: RunSettings(environment_variables={"": "1"}),
            "environment_variables: '' cannot be the name of a variable. Write a name without '='.",
        ),
        (
            lambda: RunSettings(environment_variables={"A": "SECRET\0"}),
            "environment_variables: the value of 'A' holds a NUL character. Leave it out.",
        ),
        (
            lambda: RunSettings(environment_variables={"A": object()}),
            "environment_variables.A is object; it should be a text.",
        ),
        (lambda: DeploymentSpec(**{"name": "blue"}), "DeploymentSpec needs 'model'."),
        (lambda: DeploymentSpec(name="blue", model="m", settings=3), "settings is 3; it should be"),
        (lambda: DeploymentSpec(name="blue", model="m", code="c"), "scoring_script is missing."),
        (lambda: EndpointSpec(name=None), "name is None; it should be a text."),
    ],
)
def test_wrong_keywords_are_refused_in_the_same_words(make: Callable[[], object], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()

    assert said in str(caught.value)
    assert caught.value.path is None and caught.value.line is None


def test_a_spec_cannot_be_changed_and_keeps_its_own_copy() -> None:
    variables = {"A": "1"}
    settings = RunSettings(environment_variables=variables)

    variables["A"] = "2"

    assert settings.environment_variables == {"A": "1"}
    with pytest.raises(SpecError, match=r"changed\(mini_batch_size"):
        settings.mini_batch_size = 3  # type: ignore[misc]  # what a user may try
    assert pickle.loads(pickle.dumps(settings)) == settings
