"""The whole how-to through the public API, on each blob store: the same code, the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import azure_batch_endpoints as abe
from azure_batch_endpoints import (
    BatchClient,
    ComputeSpec,
    DatasetSpec,
    DeploymentSpec,
    JobStatus,
    ModelSpec,
    ProvisioningState,
    RetrySettings,
    RunSettings,
)
from azure_batch_endpoints.local.azurite import Azurite
from tests.local.scripts import NAMES, deployment, numbers

KEY = "YSBrZXkgb2YgdGhlIHRlc3RzLCBvZiBubyBvdGhlciB1c2UgYW5kIG5vIHZhbHVlLg=="


@pytest.fixture
def account(tmp_path: Path) -> Iterator[str]:
    with Azurite(tmp_path / "azurite", account="testaccount", key=KEY) as azurite:
        yield azurite.connection_string


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("azurite", marks=pytest.mark.azurite),
        pytest.param("account", marks=pytest.mark.azurite),
    ]
)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BatchClient]:
    chosen = request.getfixturevalue("account") if request.param == "account" else request.param
    storage = None if chosen == "embedded" else chosen
    with BatchClient.local(tmp_path / "root", workers=2, storage=storage) as client:
        yield client


@pytest.mark.timeout(300)  # the first use of Azurite installs it
def test_the_how_to_from_compute_to_clean_up(client: BatchClient, tmp_path: Path) -> None:
    data = numbers(tmp_path / "data", 8)
    expected = [f"{number:02}.txt" for number in range(8)]
    client.computes.create(ComputeSpec(name="batch-cluster", min_instances=0, max_instances=5))
    endpoint = client.endpoints.create("numbers")
    spec = deployment(tmp_path, "blue", NAMES)

    blue = endpoint.deployments.create(spec, set_default=True)
    assert blue.provisioning_state is ProvisioningState.SUCCEEDED
    assert endpoint.refresh().default_deployment_name == "blue"

    job = endpoint.invoke(data)
    frame = job.wait(timeout=150).results.to_pandas(columns=["file"])
    assert frame["file"].tolist() == expected
    assert job.progress is not None and (job.progress.items_done, job.progress.items_failed) == (8, 0)
    assert [item.path for item in job.items(status="succeeded")] == expected

    registered = client.datasets.create(DatasetSpec(name="numbers", path=data, version="1"))
    for given in (
        abe.dataset("numbers", version=1),
        "azureml:numbers@latest",
        abe.folder(registered.uri),
        f"folder:{registered.uri}",
        abe.local_path(data),
    ):
        assert endpoint.invoke(given).wait(timeout=150).results.to_pandas()[0].tolist() == expected
    single = endpoint.invoke(abe.file(f"{registered.uri.rstrip('/')}/03.txt")).wait(timeout=150)
    assert single.results.to_pandas()[0].tolist() == ["03.txt"]

    client.models.create(ModelSpec(name="numbers", path=Path(str(spec.model)), version="1"))
    green = endpoint.deployments.create(
        spec.model_copy(update={"name": "green", "model": "azureml:numbers:1"}), wait=False
    )
    green.wait(timeout=150)
    output = "folder:azureml://datastores/workspaceblobstore/paths/out/numbers/"
    overridden = endpoint.invoke(
        data,
        deployment=green,
        output=output,
        output_file_name="rows.csv",
        mini_batch_size=1,
        instance_count=2,
        error_threshold=0,
        retry_settings=RetrySettings(max_retries=1, timeout=5.0),
        tags={"asked": "by a test"},
    ).wait(timeout=150)
    assert overridden.deployment_name == "green"
    assert overridden.progress is not None and overridden.progress.total == 8
    assert [file.name for file in overridden.results.files()] == ["_ledger.jsonl", "rows.csv"]
    _, written = overridden.results.download(tmp_path / "out")
    assert written.read_text().split() == expected
    assert overridden.tags["asked"] == "by a test"

    endpoint.set_default(green)
    green.update(settings=RunSettings(mini_batch_size=4))
    assert client.endpoints.get("numbers").deployments.get("green").spec.settings.mini_batch_size == 4
    assert {past.name for past in endpoint.list_jobs()} >= {job.name, overridden.name}
    assert [past.name for past in green.list_jobs()] == [overridden.name]
    again = client.jobs.get(job.name)
    assert again == job
    assert again.status is JobStatus.COMPLETED

    blue.delete()
    endpoint.delete()
    with pytest.raises(abe.NotFoundError, match="numbers"):
        client.endpoints.get("numbers")
    assert client.jobs.get(job.name).results.to_pandas()[0].tolist() == expected


def test_summary_only_keeps_what_the_script_wrote_and_merges_nothing(tmp_path: Path) -> None:
    script = """
        import os

        def init(): pass

        def run(mini_batch):
            for path in mini_batch:
                name = os.path.basename(path)
                with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], name + ".out"), "w") as out:
                    out.write(name)
            return mini_batch
    """
    with BatchClient.local(tmp_path / "root", workers=2) as client:
        endpoint = client.endpoints.create("summary")
        endpoint.deployments.create(
            deployment(tmp_path, "blue", script, output_action="summary_only"), set_default=True
        )
        job = endpoint.invoke(numbers(tmp_path / "data", 5)).wait(timeout=150)

        written = [f"0{number}.txt.out" for number in range(5)]
        assert [file.name for file in job.results.files()] == [*written, "_ledger.jsonl"]
        with pytest.raises(abe.ResultsError, match="summary_only"):
            job.results.to_pandas()


def test_stream_gives_every_line_and_ends_with_the_job(tmp_path: Path) -> None:
    script = """
        import os, time

        def init():
            print("ready to score")

        def run(mini_batch):
            for path in mini_batch:
                print("scored", os.path.basename(path), flush=True)
            time.sleep(0.2)
            return mini_batch
    """
    with BatchClient.local(tmp_path / "root", workers=2) as client:
        endpoint = client.endpoints.create("streamed")
        endpoint.deployments.create(deployment(tmp_path, "blue", script), set_default=True)
        job = endpoint.invoke(numbers(tmp_path / "data", 12))
        entries = list(job.stream(timeout=150))

        assert job.status is JobStatus.COMPLETED
        scored = sorted(entry.message for entry in entries if entry.message.startswith("scored"))
        assert scored == [f"scored {number:02}.txt" for number in range(12)]
        assert {entry.source for entry in entries} == {"driver", "process000", "process001"}
        assert [entry.message for entry in job.logs(tail=3)] == [entry.message for entry in job.logs()[-3:]]
        assert sorted(entry.message for entry in job.logs()) == sorted(entry.message for entry in entries)


def test_a_yaml_of_2021_and_one_of_today_make_the_same_deployment(tmp_path: Path) -> None:
    deployment(tmp_path, "blue", NAMES)
    (tmp_path / "old.yml").write_text(
        "name: blue\nendpoint_name: other\nmodel:\n  local_path: ./blue/model\ncode_configuration:\n  code:\n"
        "    local_path: ./blue/code\n  scoring_script: score.py\ncompute: azureml:local\nmini_batch_size: 3\n"
    )
    (tmp_path / "new.yml").write_text(
        "name: blue\ntype: model\nmodel:\n  path: blue/model\ncode_configuration:\n  code: blue/code\n"
        "  scoring_script: score.py\ncompute: azureml:local\nsettings:\n  mini_batch_size: 3\n"
    )
    with BatchClient.local(tmp_path / "root", workers=1) as client:
        endpoint = client.endpoints.create("spelling")
        old, new = (
            endpoint.deployments.create(DeploymentSpec.from_yaml(tmp_path / name)).spec
            for name in ("old.yml", "new.yml")
        )
        assert old == new


@pytest.mark.azurite
def test_a_root_is_not_opened_with_another_store_than_its_blobs_are_in(account: str, tmp_path: Path) -> None:
    with BatchClient.local(tmp_path / "root", workers=1, storage=account) as client:
        client.endpoints.create("kept")
    with pytest.raises(abe.LocalServiceError, match="has its blobs in the storage account 'testaccount'") as caught:
        BatchClient.local(tmp_path / "root", workers=1)
    assert "Pass the same storage=" in str(caught.value)
    with BatchClient.local(tmp_path / "root", workers=1, storage=account) as client:
        assert client.endpoints.get("kept").name == "kept"
