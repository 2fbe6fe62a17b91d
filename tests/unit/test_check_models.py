"""What `check()` says of a model: where the script looks for it, whether its files are whole, what loading needs."""

from __future__ import annotations

import pickle
import pickletools
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import pytest

from azure_batch_endpoints.checks import Finding, require_script
from azure_batch_endpoints.checks.modelfiles import pickle_of
from azure_batch_endpoints.specs import DeploymentSpec

RUN = "\ndef run(mini_batch):\n    return list(mini_batch)\n"
LOADS = "import os, joblib, pickle\nfrom pathlib import Path\n\ndef init():\n    global model\n    model = {}\n" + RUN
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def deployment(folder: Path, script: str, model: str = "model") -> DeploymentSpec:
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / "score.py").write_text(script, encoding="utf-8")
    return DeploymentSpec(name="blue", model=folder / model, code=folder / "code", scoring_script="score.py")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model" / "nested").mkdir(parents=True)
    (tmp_path / "model" / "nested" / "m.pkl").write_bytes(pickle.dumps({"a": [1, 2.5, "x"]}))
    (tmp_path / "model" / "labels.txt").write_text("a\n", encoding="utf-8")
    return tmp_path / "model"


@pytest.mark.parametrize(
    "load",
    [
        'pickle.load(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl"), "rb"))',
        'joblib.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "m.pkl"))',
        '(Path(os.environ["AZUREML_MODEL_DIR"]) / "m.pkl").read_bytes()',
        """joblib.load(f"{os.environ['AZUREML_MODEL_DIR']}/m.pkl")""",
        'joblib.load(os.environ["AZUREML_MODEL_DIR"] + "/m.pkl")',
    ],
)
def test_the_model_looked_for_one_level_too_high_is_an_error_that_names_the_right_path(
    tmp_path: Path, model: Path, load: str
) -> None:
    spec = deployment(tmp_path, LOADS.replace("{}", load))

    (found,) = spec.check()

    assert (found.severity, found.path, found.line) == ("error", tmp_path / "code" / "score.py", 6)
    assert (
        f"'m.pkl' is not in AZUREML_MODEL_DIR: for the model '{model}' it will hold 'model', 'model/" in found.message
    )
    assert 'Write os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "nested", "m.pkl")' in found.message
    require_script(spec)  # the service takes it, and the job tells


def test_a_path_by_way_of_names_is_followed(tmp_path: Path, model: Path) -> None:
    script = """
        import os, joblib
        FILE = "m.joblib"

        def init():
            global model
            folder = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "nested")
            path = os.path.join(folder, FILE)
            model = joblib.load(path)
        """

    (found,) = deployment(tmp_path, textwrap.dedent(script) + RUN).check()

    assert (found.severity, found.line) == ("error", 9)
    assert "'model/nested/m.joblib' is not in AZUREML_MODEL_DIR" in found.message


def test_a_path_that_may_not_be_opened_is_a_warning_only(tmp_path: Path, model: Path) -> None:
    for body in (
        'if os.name == "posix":\n        joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl"))',
        'path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl")',
        'try:\n        joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl"))\n    except OSError: pass',
    ):
        (found,) = deployment(tmp_path, LOADS.replace("model = {}", body)).check()
        assert found.severity == "warning"


@pytest.mark.parametrize(
    "body",
    [
        'os.makedirs(os.path.join(os.environ["AZUREML_MODEL_DIR"], "cache"), exist_ok=True)',
        'open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "note.txt"), "w").write("x")',
        'print(os.path.exists(os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl")))',
        'joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], os.environ["NAME"]))',
        'joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "nested", "m"))',
    ],
)
def test_nothing_is_said_of_a_path_that_need_not_be_there(tmp_path: Path, model: Path, body: str) -> None:
    assert deployment(tmp_path, LOADS.replace("model = {}", body)).check() == []


def test_a_single_file_lies_in_the_folder_itself(tmp_path: Path, model: Path) -> None:
    right = LOADS.replace("{}", 'open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl"), "rb").read()')
    wrong = right.replace('"m.pkl"', '"model", "m.pkl"')

    assert deployment(tmp_path, right, "model/nested/m.pkl").check() == []
    (found,) = deployment(tmp_path, wrong, "model/nested/m.pkl").check()
    assert "it will hold 'm.pkl'." in found.message
    assert 'Write os.path.join(os.environ["AZUREML_MODEL_DIR"], "m.pkl")' in found.message


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.pkl", b"", "is empty. Save the model again"),
        ("m.pkl", LFS, "is a pointer of Git LFS, not the model. Fetch it with 'git lfs pull'"),
        ("m.onnx", LFS, "is a pointer of Git LFS"),
        ("m.pkl", b"<!DOCTYPE html><html>Sign in</html>", "is a web page, not a model"),
        ("m.pkl", pickle.dumps(list(range(1000)))[:-20], "breaks off: its end is missing"),
        ("m.pkl", b"hello, this is a text", "is no pickle, or no whole one"),
        ("m.pt", b"PK\x03\x04 and then nothing", "breaks off: it is not the whole archive"),
        ("m.joblib", zlib.compress(b"x" * 1000)[:-4], "breaks off: its end is missing"),
    ],
)
def test_a_model_file_that_is_not_whole_is_an_error(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    spec = deployment(
        tmp_path, LOADS.replace("{}", "pickle.load(open(glob(os.environ['AZUREML_MODEL_DIR'])[0]))"), name
    )

    (found,) = spec.check()

    assert (found.severity, found.path) == ("error", tmp_path / name)
    assert said in found.message
    require_script(spec)  # the service takes it, and the job tells


def test_a_broken_model_that_the_script_never_looks_for_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"a placeholder")

    (found,) = deployment(tmp_path, "def init(): ...\ndef run(mini_batch): return mini_batch\n", "m.pkl").check()

    assert (found.severity, found.path) == ("warning", tmp_path / "m.pkl")


def test_a_broken_file_that_the_script_does_not_name_is_a_warning(tmp_path: Path, model: Path) -> None:
    (model / "old.pkl").write_bytes(b"")

    (found,) = deployment(tmp_path, LOADS).check()

    assert (found.severity, found.path) == ("warning", model / "old.pkl")


def test_the_files_of_a_model_in_the_current_folder_are_looked_at(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "old.pkl").write_bytes(b"")
    monkeypatch.chdir(model)

    (found,) = deployment(tmp_path, LOADS).model_copy(update={"model": Path()}).check()

    assert "The model file 'old.pkl' is empty" in found.message


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_loading_a_pickle_imports_is_known_without_loading_it(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "m.pkl"
    for data in (
        pickle.dumps([Path, Finding], protocol),
        pickletools.optimize(pickle.dumps([Path, Finding], protocol)),
    ):
        file.write_bytes(data)
        assert {("azure_batch_endpoints.checks.findings", "Finding")} <= pickle_of(file).needs


def test_no_pickle_is_ever_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "sprung",)

    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Trap()))

    assert deployment(tmp_path, LOADS, "m.pkl").check() == []
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_that_needs_what_a_worker_does_not_have_is_warned_of(tmp_path: Path) -> None:
    save = """
        import pickle, sys, types
        module = types.ModuleType("a_package_nobody_has")
        class Part: ...
        Part.__module__ = "a_package_nobody_has"
        module.Part = Part
        sys.modules["a_package_nobody_has"] = module
        class Mine: ...
        pickle.dump([Part(), Mine()], open(sys.argv[1], "wb"))
        """
    program = tmp_path / "train.py"
    program.write_text(textwrap.dedent(save), encoding="utf-8")
    subprocess.run([sys.executable, str(program), str(tmp_path / "m.pkl")], check=True)

    own, package = deployment(tmp_path, LOADS, "m.pkl").check()

    assert "'m.pkl' holds a 'Mine' of '__main__', the program that saved it, which a worker is not." in own.message
    assert "Loading 'm.pkl' imports 'a_package_nobody_has', which neither the code folder nor this" in package.message
    helped = "import __main__\n" + LOADS
    (tmp_path / "code" / "a_package_nobody_has.py").write_text("", encoding="utf-8")
    assert deployment(tmp_path, helped, "m.pkl").check() == []


def test_models_of_joblib_and_numpy_are_whole(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    numpy = pytest.importorskip("numpy")
    names = [f"feature_{number}" for number in range(1000)]  # the first array comes late in the file
    model = {"names": names, "weights": numpy.arange(1000.0), "more": numpy.ones((50, 50), dtype="float32")}
    ways = (("a.joblib", 0), ("b.joblib", 3), ("c.pkl", ("gzip", 3)), ("d.pkl", ("xz", 3)), ("e.pkl", ("lzma", 3)))
    for name, how in ways:
        joblib.dump(model, tmp_path / name, compress=how)
        assert pickle_of(tmp_path / name).fault == "", name
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        if name < "c":
            assert "breaks off" in pickle_of(tmp_path / name).fault, name


@pytest.mark.parametrize(
    ("text", "severity", "said"),
    [
        ("flavors: [", "error", "The MLflow model cannot be read: MLmodel, line 1: not valid YAML"),
        ("flavors: {sklearn: {}, onnx: {}}", "error", "has no flavor 'python_function' (it has 'onnx', 'sklearn')"),
        ("artifact_path: x", "error", "has no flavor 'python_function' (it has none)"),
        (
            "flavors: {python_function: {loader_module: m, model_path: gone.pkl}}\nsignature: {inputs: x}",
            "error",
            "MLmodel names 'gone.pkl' (model_path), which is not in",
        ),
        ("flavors: {python_function: {loader_module: m}}", "warning", "The MLflow model has no signature"),
    ],
)
def test_an_mlflow_folder_is_read(tmp_path: Path, text: str, severity: str, said: str) -> None:
    (tmp_path / "MLmodel").write_text(text, encoding="utf-8")

    found = DeploymentSpec(name="blue", model=tmp_path).check()

    assert found[0].severity == severity
    assert said in found[0].message


def test_an_mlflow_model_with_a_script_needs_an_environment_in_azure(tmp_path: Path, model: Path) -> None:
    (model / "MLmodel").write_text("flavors: {}", encoding="utf-8")

    (found,) = deployment(tmp_path, LOADS).check()

    assert found.severity == "warning"
    assert "needs an environment too, in Azure" in found.message


def test_a_model_folder_under_git_is_warned_of(tmp_path: Path, model: Path) -> None:
    (model / ".git").mkdir()
    (model / ".git" / "config").write_text("x", encoding="utf-8")

    (found,) = deployment(tmp_path, LOADS).check()

    assert f"The model '{model}' holds '.git'" in found.message


def test_warnings_do_not_block_and_are_logged(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    (model / ".git").mkdir()
    (model / ".git" / "config").write_text("x", encoding="utf-8")

    require_script(deployment(tmp_path, LOADS))

    assert [one.levelname for one in caplog.records] == ["WARNING"]
    assert caplog.records[0].name == "azure_batch_endpoints.checks"
    assert caplog.messages[0].startswith("Deployment 'blue': warning: model: The model")
    assert capfd.readouterr() == ("", "")
