"""What is found in a deployment before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_batch_endpoints.checks import check, check_script, require_script
from azure_batch_endpoints.errors import InvalidInputError, LocalPathError, ScoringScriptError
from azure_batch_endpoints.local import trial
from azure_batch_endpoints.specs import DeploymentSpec

GOOD = "def init():\n    pass\n\ndef run(mini_batch):\n    return [str(one) for one in mini_batch]\n"


def deployment(folder: Path, script: str = GOOD, **more: str) -> DeploymentSpec:
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "score.py").write_text(script, encoding="utf-8")
    (folder / "model.bin").write_bytes(b"m")
    given = {"model": str(folder / "model.bin"), "code": str(folder / "code"), "scoring_script": "score.py", **more}
    return DeploymentSpec(name="blue", **given)


def test_a_good_deployment_has_no_findings(tmp_path: Path) -> None:
    spec = deployment(tmp_path)

    assert spec.check() == []
    require_script(spec)


@pytest.mark.parametrize(
    ("script", "line", "said"),
    [
        ("def init()\n    pass\n", 1, "SyntaxError, expected ':'."),
        ("x = 1\0", None, "null bytes"),
        ("def run(b):\n    return b\n", None, "has no function init(). Define it."),
        ("def init(): ...\n", None, "has no function run(mini_batch). Define it."),
        ("class A:\n  def init(self): ...\n  def run(self, b): return b\n", None, "has no function init()"),
    ],
)
def test_a_script_no_job_can_begin_with_is_refused_with_file_and_line(
    tmp_path: Path, script: str, line: int | None, said: str
) -> None:
    spec = deployment(tmp_path, script)

    with pytest.raises(ScoringScriptError) as caught:
        require_script(spec)

    assert said in str(caught.value)
    assert str(caught.value).startswith(f"score.py, line {line}: " if line else "score.py: ")
    assert "The deployment 'blue' was not created; nothing was uploaded." in str(caught.value)
    assert (caught.value.path, caught.value.line) == (tmp_path / "code" / "score.py", line)


@pytest.mark.parametrize(
    ("script", "line", "said"),
    [
        ("def init(): ...\ndef run():\n    return []\n", 2, "run() takes no argument; it must take the mini-batch."),
        ("def init(): ...\nasync def run(b):\n    return []\n", 2, "run() is async; it must be a plain function"),
        (
            "def init(): ...\ndef run(b):\n    for x in b:\n        yield x\n",
            4,
            "run() is a generator (it yields); it must return a list",
        ),
        (
            "def init(): ...\ndef run(b):\n    print(b)\n",
            2,
            "run() returns nothing; it must return a list or a DataFrame",
        ),
        ("def init(): ...\ndef run(b):\n    return None\n", 2, "run() returns nothing"),
        ("def init(): ...\ndef run(b):\n    def inner():\n        return 1\n    inner()\n", 2, "run() returns nothing"),
    ],
)
def test_a_script_whose_jobs_will_fail_is_an_error_but_the_service_takes_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, script: str, line: int, said: str
) -> None:
    spec = deployment(tmp_path, script)

    found = check(spec)[0]
    require_script(spec)

    assert (found.severity, found.path, found.line) == ("error", tmp_path / "code" / "score.py", line)
    assert said in found.message
    assert said in caplog.text


@pytest.mark.parametrize(
    "script",
    [
        "from model import init, run\n",
        "from model import *\n",
        "import model\ninit = model.init\nrun = model.run\n",
        "try:\n    from a import init\nexcept ImportError:\n    def init(): ...\ndef run(*b): return b\n",
        "def init(): ...\ndef run(b):\n    raise ValueError('not today')\n",
        "import re\ndef init(): ...\ndef run(b):\n    return [re.sub('\\d', '', x) for x in b]\n",
        "def init(): ...\ndef run(b):\n    if not b:\n        return None\n    return b\n",
    ],
)
def test_a_script_that_may_work_is_let_pass(tmp_path: Path, script: str) -> None:
    assert [one for one in check(deployment(tmp_path, script)) if one.severity == "error"] == []


def test_a_script_written_for_an_online_endpoint_is_warned_of(tmp_path: Path) -> None:
    spec = deployment(tmp_path, "import json\ndef init(): ...\ndef run(data):\n    return json.loads(data)\n")

    (found,) = check(spec)

    assert (found.severity, found.line) == ("warning", 3)
    assert "run(data) parses JSON as for an online endpoint" in found.message
    require_script(spec)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"code": "cod"}, "The code folder 'cod' does not exist (looked in '{cwd}'). Did you mean 'code'?"),
        ({"code": "model.bin"}, "The code 'model.bin' is a file. Give the folder it is in as code."),
        ({"scoring_script": "scor.py"}, "The scoring script 'scor.py' is not in 'code' (it has: 'score.py')."),
        ({"model": "modl.bin"}, "The model 'modl.bin' does not exist (looked in '{cwd}'). Did you mean 'model.bin'?"),
        ({"model": "no/where"}, "The model 'no/where' does not exist (looked in '{cwd}'). Correct the path."),
    ],
)
def test_a_path_that_is_not_there_is_named_and_nothing_is_uploaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    deployment(tmp_path)
    spec = DeploymentSpec(
        **{"name": "blue", "model": "model.bin", "code": "code", "scoring_script": "score.py", **more}
    )

    with pytest.raises(LocalPathError) as caught:
        require_script(spec)

    assert said.format(cwd=tmp_path) in str(caught.value)
    assert "The deployment 'blue' was not created; nothing was uploaded." in str(caught.value)


def test_an_empty_code_folder_is_said_to_hold_no_python(tmp_path: Path) -> None:
    (found,) = check_script(tmp_path, "score.py")

    assert "it has: no Python file" in found.message


def test_a_model_without_a_script_must_be_an_mlflow_folder(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "MLmodel").write_text("flavors: {python_function: {loader_module: m}}")
    (tmp_path / "bad").mkdir()

    require_script(DeploymentSpec(name="blue", model=tmp_path / "good"))
    with pytest.raises(InvalidInputError, match=r"is no MLflow folder .* needs a scoring script\. Give code and"):
        require_script(DeploymentSpec(name="blue", model=tmp_path / "bad"), otherwise="stays as it is")


def test_what_the_workspace_has_is_not_looked_at_here() -> None:
    assert check(DeploymentSpec(name="blue", model="azureml:m:1")) == []
    assert check(DeploymentSpec(name="blue", model="azureml:m:1", code="azureml:c:1", scoring_script="s.py")) == []


@pytest.mark.parametrize("script", ["../score.py", "/tmp/score.py", "sub\\score.py", "C:/score.py", "sub/../../x.py"])
def test_a_script_outside_the_code_folder_is_refused(tmp_path: Path, script: str) -> None:
    (tmp_path / "score.py").write_text(GOOD, encoding="utf-8")
    for more in ({}, {"code": "azureml:code:1", "model": "azureml:m:1"}):
        spec = deployment(tmp_path, **{"scoring_script": script, **more})
        with pytest.raises(InvalidInputError, match=r"It must be a path inside the code folder.*nothing was uploaded"):
            require_script(spec)


def test_a_script_that_is_a_link_out_of_the_code_folder_is_refused(tmp_path: Path) -> None:
    spec = deployment(tmp_path)
    (tmp_path / "elsewhere.py").write_text(GOOD, encoding="utf-8")
    (tmp_path / "code" / "score.py").unlink()
    (tmp_path / "code" / "score.py").symlink_to(tmp_path / "elsewhere.py")

    with pytest.raises(InvalidInputError, match="leads out of"):
        require_script(spec)


def test_a_link_within_the_code_folder_is_followed(tmp_path: Path) -> None:
    spec = deployment(tmp_path)
    (tmp_path / "code" / "score.py").rename(tmp_path / "code" / "real.py")
    (tmp_path / "code" / "score.py").symlink_to("real.py")

    require_script(spec)


def test_the_dry_runs_worker_takes_no_script_from_elsewhere(tmp_path: Path) -> None:
    spec = deployment(tmp_path)
    (tmp_path / "elsewhere.py").write_text(GOOD, encoding="utf-8")
    wanted = trial.Trial(
        code=tmp_path / "code",
        script="../elsewhere.py",
        code_files=(),
        model=tmp_path / "model.bin",
        model_files=(),
        inputs=(),
        settings=spec.settings,
        folder=tmp_path,
    )

    assert "leads out of the code folder and was not run" in (trial.score(wanted).script_error or "")
