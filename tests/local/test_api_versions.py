"""The whole story by address and token, as for the cloud: with today's api-version and with the first."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

import azure_batch_endpoints as abe
from azure_batch_endpoints import (
    BatchClient,
    ComputeSpec,
    DatasetSpec,
    InvalidInputError,
    JobStatus,
    ModelSpec,
    NotFoundError,
)
from tests.local.scripts import NAMES, deployment, numbers

FILES = [f"{number:02}.txt" for number in range(6)]


class Token:
    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchClient]:
    with BatchClient.local(tmp_path_factory.mktemp("root"), workers=2) as client:
        yield client


def connected(service: BatchClient, version: str) -> BatchClient:
    info = service.local_service
    assert info is not None
    return BatchClient(
        subscription_id=service.subscription_id,
        resource_group=service.resource_group,
        workspace=service.workspace,
        credential=Token(info.token),
        api_version=version,
        base_url=info.base_url,
    )


@pytest.mark.parametrize("version", ["2021-10-01", "2024-10-01"])
def test_the_whole_story_with_an_api_version(
    service: BatchClient, version: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="azure_batch_endpoints.http")
    data, name = numbers(tmp_path / "data", len(FILES)), f"story-{version[:4]}"
    with connected(service, version) as client:
        client.computes.create(ComputeSpec(name="nodes"))
        spec = deployment(tmp_path, "blue", NAMES).model_copy(update={"compute": "azureml:nodes"})
        model = client.models.create(ModelSpec(name=name, path=Path(str(spec.model))))
        images = client.datasets.create(DatasetSpec(name=name, path=data))
        endpoint = client.endpoints.create(name)
        spec = spec.model_copy(update={"model": f"azureml:{name}@latest"})
        endpoint.deployments.create(spec, set_default=True)
        assert model.version == images.version == "1" and images.type == "uri_folder"
        assert f"/{'datasets' if version == '2021-10-01' else 'data'}/{name}/versions/1" in images.id

        output = f"folder:azureml://datastores/workspaceblobstore/paths/out-{version}/"
        jobs = [
            endpoint.invoke(abe.folder(images.uri)),
            endpoint.invoke(abe.dataset(name, version=1), deployment="blue"),
            endpoint.invoke(f"azureml:{name}@latest"),
            endpoint.invoke(data, output=output, output_file_name="rows.csv", mini_batch_size=2, instance_count=1),
        ]
        single = endpoint.invoke(abe.file(f"{images.uri.rstrip('/')}/03.txt"), error_threshold=0)
        rows = [job.wait(timeout=150).results.to_pandas()[0].tolist() for job in jobs]
        assert rows == [FILES] * 4
        assert single.wait(timeout=150).results.to_pandas()[0].tolist() == ["03.txt"]
        assert [one.name for one in jobs[3].results.files()] == ["_ledger.jsonl", "rows.csv"]
        assert jobs[3].results.uri.rstrip("/").endswith(f"out-{version}")
        assert {job.name for job in endpoint.list_jobs()} == {job.name for job in [*jobs, single]}
        assert single.name in [job.name for job in client.jobs.list(status="Completed")]
        assert [one.name for one in client.datasets.list(name)] == [name]
        assert single.logs() and list(jobs[0].stream(timeout=150))
        assert single.cancel().status is JobStatus.COMPLETED

        endpoint.delete()
        with pytest.raises(NotFoundError):
            client.endpoints.get(name)
        assert jobs[0].refresh().status is JobStatus.COMPLETED

    asked = set(re.findall(r"/([a-zA-Z]+)(?:/[^/\s?']+)*\?[^'\s]*api-version=([\w.-]+)", caplog.text))
    assert {one for _, one in asked} == {version, "2020-09-01-dataplanepreview", "v1.0"}


def test_what_one_version_registered_the_other_uses(service: BatchClient, tmp_path: Path) -> None:
    data, name = numbers(tmp_path / "data", 3), "crossed"
    with connected(service, "2021-10-01") as first, connected(service, "2025-06-01") as second:
        first.datasets.create(DatasetSpec(name=name, path=data, version="7"))
        first.endpoints.create(name)
        second.endpoints.get(name).deployments.create(deployment(tmp_path, "blue", NAMES), set_default=True)
        found = second.datasets.get(name)
        assert (found.version, found.type, found.spec.version) == ("7", "uri_folder", "7")

        job = first.endpoints.get(name).invoke(f"azureml:{name}:7").wait(timeout=150)

        assert second.jobs.get(job.name).results.to_pandas()[0].tolist() == FILES[:3]
        assert first.endpoints.get(name).deployments.get("blue").spec.scoring_script == "score.py"


def test_a_client_of_the_local_service_takes_an_api_version_too(
    service: BatchClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="azure_batch_endpoints.http")
    info = service.local_service
    assert info is not None

    with BatchClient.local(info.root, workers=2, api_version="2021-10-01") as joined:
        assert list(joined.endpoints.list()) == list(service.endpoints.list())

    assert "api-version=2021-10-01" in caplog.text


def test_an_api_version_that_is_none_starts_no_service(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="api_version"):
        BatchClient.local(tmp_path / "root", api_version="banana")

    assert not (tmp_path / "root").exists()
