"""Three ways of pointing the official client at a local service: our helper, one environment variable, by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.constants import _common
from azure.ai.ml.entities import Data, Model

from azure_batch_endpoints import BatchClient, InvalidInputError, LocalServiceError, LocalServiceInfo, ml_client
from tests.official.conftest import Token
from tests.official.driving import Files

USUAL = "https://{}.blob.{}"


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch, ml: MLClient) -> Iterator[None]:
    """The official client's table as it is installed."""
    monkeypatch.setitem(_common.STORAGE_ACCOUNT_URLS, "AzureBlob", USUAL)
    monkeypatch.setenv("AZUREML_DEV_URL_MFE", "http://127.0.0.1:9/elsewhere")
    yield


def test_the_helper_makes_a_client_that_uploads_and_reads(untouched: None, local: BatchClient, files: Files) -> None:
    client = ml_client(local, show_progress=False)

    made = client.models.create_or_update(Model(name="helped", version="1", path=str(files.model)))

    assert "/paths/LocalUpload/" in made.path
    assert client.workspace_name == local.workspace
    assert os.environ["AZUREML_DEV_URL_MFE"] == "http://127.0.0.1:9/elsewhere"


def test_the_helper_leaves_the_addresses_of_other_accounts_alone(
    untouched: None, local: BatchClient, service: LocalServiceInfo
) -> None:
    for _ in range(2):
        ml_client(local)

    address = _common.STORAGE_ACCOUNT_URLS["AzureBlob"]
    assert address.format("abelocal", "core.windows.net") == service.blob_endpoint
    assert address.format("other", "core.windows.net") == "https://other.blob.core.windows.net"


def test_the_helper_is_for_local_services_only() -> None:
    cloud = BatchClient(subscription_id="s", resource_group="g", workspace="w", credential=Token("none"))

    with cloud, pytest.raises(InvalidInputError, match=r"ml_client\(\) is for BatchClient.local\(\)"):
        ml_client(cloud)


def test_without_the_official_client_the_helper_says_what_to_install(
    local: BatchClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "azure.ai.ml", None)

    with pytest.raises(LocalServiceError, match="pip install azure-ai-ml"):
        ml_client(local)


def test_one_environment_variable_is_enough_for_all_but_transfers_of_blobs(
    local: BatchClient, service: LocalServiceInfo, endpoint: str, data: Data
) -> None:
    script = """
        import sys, time
        from azure.ai.ml import Input, MLClient
        from azure.core.credentials import AccessToken
        from azure.core.pipeline.policies import SansIOHTTPPolicy

        class PlainHttp(SansIOHTTPPolicy):
            def on_request(self, request):
                request.context.options["enforce_https"] = False

        class Token:
            def get_token(self, *scopes, **options):
                return AccessToken(token, int(time.time()) + 3600)

        token = input()
        ml = MLClient(Token(), *sys.argv[1:4], per_call_policies=[PlainHttp()], show_progress=False)
        job = ml.batch_endpoints.invoke(sys.argv[4], input=Input(type="uri_folder", path="azureml:letters:1"))
        while ml.jobs.get(job.name).status not in ("Completed", "Failed"):
            time.sleep(0.05)
        print(ml.workspaces.get(sys.argv[3]).location, str(ml.jobs.get(job.name).status.value))
    """
    names = (local.subscription_id, local.resource_group, local.workspace, endpoint)
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), *names],
        input=service.token + "\n",
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("AZUREML_", "COVERAGE_"))},
            "ARM_CLOUD_METADATA_URL": f"{service.base_url}/metadata/endpoints?api-version=2019-05-01",
        },
        capture_output=True,
        text=True,
        timeout=150,
    )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "local Completed"
