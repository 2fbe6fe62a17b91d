"""The bodies of 2021-10-01: written from today's, and read back into today's words."""

from __future__ import annotations

import pytest

from azure_batch_endpoints._wire import bodies_2021, convert, readback
from azure_batch_endpoints._wire.models import AssetBody
from azure_batch_endpoints.specs import DatasetSpec, EnvironmentSpec, ModelSpec

COMMON = {"isAnonymous": False, "tags": {"a": "b"}, "properties": {}, "description": "d"}


@pytest.mark.parametrize(("kind", "word"), [("uri_file", "file"), ("uri_folder", "folder")])
def test_a_data_set_has_one_path_and_no_archive(kind: str, word: str) -> None:
    spec = DatasetSpec(name="n", path="p", description="d", tags={"a": "b"})

    body = bodies_2021.asset(convert.data_body(spec, "https://a.net/b", kind))

    assert body == {"properties": {**COMMON, "paths": [{word: "https://a.net/b"}]}}
    read = readback.dataset_spec(AssetBody.read({"id": "/x/data/n/versions/1", **body}))
    assert (read.type, read.path) == (kind, "https://a.net/b")


@pytest.mark.parametrize(
    ("kind", "word"), [("custom_model", "Custom"), ("mlflow_model", "MLFlow"), ("triton_model", "Triton")]
)
def test_a_model_has_a_format(kind: str, word: str) -> None:
    spec = ModelSpec(name="n", path="p", description="d", tags={"a": "b"})

    body = bodies_2021.asset(convert.model_body(spec, "https://a.net/m", kind))

    assert body == {"properties": {**COMMON, "modelFormat": word, "modelUri": "https://a.net/m"}}
    assert readback.model_spec(AssetBody.read({"id": "/x/models/n/versions/1", **body})).type == kind


def test_an_environment_stays_as_it_is_but_for_the_archive() -> None:
    spec = EnvironmentSpec(name="e", image="i", description="d", tags={"a": "b"})

    assert bodies_2021.asset(convert.environment_body(spec, "c")) == {
        "properties": {**COMMON, "image": "i", "condaFile": "c"}
    }
