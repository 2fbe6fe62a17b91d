"""The digits sample: its pictures, its two deployment files and its scoring script."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from azure_batch_endpoints.specs import DeploymentSpec, EndpointSpec

SAMPLE = Path(__file__).parents[2] / "samples" / "digits"


def load(script: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sample_{Path(script).stem}", SAMPLE / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/, labels.csv and model/, made by the sample's own scripts."""
    folder = tmp_path_factory.mktemp("digits")
    assert load("make_data.py").write(folder / "data", folder / "labels.csv") == 1797
    accuracy = load("train.py").train(folder / "data", folder / "labels.csv", folder / "model" / "digits.pkl")
    assert accuracy > 0.95
    return folder


@pytest.fixture
def score(made: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The scoring script after init(), with the model where a job would put it."""
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(made))
    script = load("code/score.py")
    script.init()
    return script


def test_every_picture_is_written_and_nothing_else_lies_among_them(made: Path) -> None:
    names = sorted(file.name for file in (made / "data").iterdir())

    assert names == [f"{number:04}.png" for number in range(1797)]


@pytest.mark.parametrize("number", [0, 1, 898, 1796])
def test_a_picture_holds_exactly_the_pixels_of_the_data_set(made: Path, number: int) -> None:
    with Image.open(made / "data" / f"{number:04}.png") as picture:
        pixels = np.asarray(picture) / 15

    expected: Any = load_digits()
    assert np.array_equal(pixels, expected.images[number])


def test_the_labels_name_each_picture_once_and_split_them_in_two_halves(made: Path) -> None:
    with (made / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    expected: Any = load_digits()
    assert [int(row["digit"]) for row in rows] == expected.target.tolist()
    assert [row["split"] for row in rows] == ["train"] * 898 + ["test"] * 899


def test_run_returns_a_row_of_file_digit_and_probability_for_each_picture(made: Path, score: ModuleType) -> None:
    files = [str(made / "data" / f"{number:04}.png") for number in (1796, 0, 5)]

    rows = score.run(files)

    assert list(rows.columns) == ["file", "digit", "probability"]
    assert rows["file"].tolist() == ["1796.png", "0000.png", "0005.png"]
    assert rows["digit"].between(0, 9).all()
    assert rows["probability"].between(0.1, 1).all()


def test_the_scores_are_mostly_right_on_pictures_the_model_has_not_seen(made: Path, score: ModuleType) -> None:
    numbers = range(898, 1797, 10)

    rows = score.run([str(made / "data" / f"{number:04}.png") for number in numbers])

    expected: Any = load_digits()
    right = rows["digit"].to_numpy() == expected.target[list(numbers)]
    assert right.mean() > 0.9


def test_a_file_that_is_no_picture_raises(tmp_path: Path, score: ModuleType) -> None:
    (tmp_path / "note.png").write_text("not a picture")

    with pytest.raises(OSError, match=r"note\.png"):
        score.run([str(tmp_path / "note.png")])


def test_both_deployment_files_ask_for_the_same() -> None:
    old = DeploymentSpec.from_yaml(SAMPLE / "deployment-2021.yml")
    new = DeploymentSpec.from_yaml(SAMPLE / "deployment.yml")

    assert old == new
    assert Path(str(new.code)) == SAMPLE / "code"
    assert new.settings.mini_batch_size == 50


def test_the_endpoint_file_is_an_endpoint() -> None:
    assert EndpointSpec.from_yaml(SAMPLE / "endpoint.yml").name == "digits"
