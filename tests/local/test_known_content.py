"""What is there already costs one request and no upload, through the whole client; counted on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from azure_batch_endpoints import BatchClient, DatasetSpec, DeploymentSpec, ModelSpec
from azure_batch_endpoints._storage.swift import SwiftWriter

SCORE = "import pandas as pd\ndef init(): ...\ndef run(files): return pd.DataFrame({'file': files})\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchClient]:
    with BatchClient.local(tmp_path_factory.mktemp("known") / "root", workers=1) as opened:
        yield opened


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request this process sends: method and the last words of its path."""
    seen: list[str] = []
    real = HTTPAdapter.send

    def send(self: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        path = str(request.url).split("?")[0]
        store = "abelocal/" in path or "azureml-blobstore" in path
        seen.append(f"{request.method} {'blob' if store else '/'.join(path.split('/')[-2:])}")
        return real(self, request, **options)

    monkeypatch.setattr(HTTPAdapter, "send", send)
    monkeypatch.setattr(SwiftWriter, "put", lambda *_given: pytest.fail("a small file was sent"))
    return seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("content")
    for name, content in {"data/1.txt": "1", "data/2.txt": "2", "model/m": "m", "code/score.py": SCORE}.items():
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(content)
    return made


def test_invoking_with_a_folder_that_is_there_is_one_look_and_one_post(
    client: BatchClient, folder: Path, sent: list[str]
) -> None:
    endpoint = client.endpoints.create("known-input")
    spec = DeploymentSpec(name="one", model=folder / "model", code=folder / "code", scoring_script="score.py")
    endpoint.deployments.create(spec, set_default=True)
    first = endpoint.invoke(folder / "data")
    sent.clear()

    again = endpoint.invoke(folder / "data")

    assert sent == ["HEAD blob", "POST known-input/jobs"]
    assert len(again.wait(progress=False).results.to_pandas()) == 2
    first.wait(progress=False)


def test_a_deployment_of_known_code_and_model_uploads_nothing(
    client: BatchClient, folder: Path, sent: list[str]
) -> None:
    endpoint = client.endpoints.create("known-code")
    spec = DeploymentSpec(name="one", model=folder / "model", code=folder / "code", scoring_script="score.py")
    endpoint.deployments.create(spec)
    sent.clear()

    endpoint.deployments.create(spec.changed(name="two"))

    to_storage = [one for one in sent if "blob" in one]
    about_assets = [one.split()[0] for one in sent if "/versions" in one or one.endswith("/1")]
    assert to_storage == ["HEAD blob"]
    assert sent[:3] == ["HEAD blob", *sent[1:3]] and about_assets.count("GET") == 1, sent


@pytest.mark.parametrize("kind", ["models", "data"])
def test_a_named_asset_of_known_content_stays_the_version_it_is(
    client: BatchClient, folder: Path, sent: list[str], kind: str
) -> None:
    def create() -> str:
        if kind == "models":
            return client.models.create(ModelSpec(name="known", path=folder / "model")).version
        return client.datasets.create(DatasetSpec(name="known", path=folder / "data")).version

    first = create()
    sent.clear()

    assert create() == first
    assert [one for one in sent if "blob" in one] == ["HEAD blob"]
    assert not [one for one in sent if one.startswith(("PUT", "POST"))]
