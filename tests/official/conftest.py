"""One local service and one official client for all tests here; only the address of blobs is changed in the client."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_batch_endpoints import BatchClient, LocalServiceInfo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # azure.ai.ml warns of its own dependencies while it is imported
    from azure.ai.ml import MLClient
    from azure.ai.ml.constants import _common
    from azure.ai.ml.entities import BatchEndpoint, Data
    from azure.ai.ml.operations._run_history_constants import RunHistoryConstants
    from azure.core.credentials import AccessToken
    from azure.core.pipeline import PipelineRequest
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    from tests.official.driving import Files, deployment, forget_deployment, made

HERE = Path(__file__).parent
EXPECTED = (
    # azure-ai-ml and the libraries under it warn of themselves.
    "ignore:The `context` parameter is deprecated:Warning",
    "ignore:This class is intended as a base class and it's direct usage is deprecated:UserWarning",
    "ignore:The use of a 'BlobProperties' instance for param blob is deprecated:DeprecationWarning",
    "ignore:content_as_bytes is deprecated:DeprecationWarning",
)
"""Warnings of the official client itself; all others are errors here too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            for one in EXPECTED:
                item.add_marker(pytest.mark.filterwarnings(one))


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchClient]:
    with BatchClient.local(tmp_path_factory.mktemp("official") / "root", workers=2) as client:
        yield client


@pytest.fixture(scope="session")
def service(local: BatchClient) -> LocalServiceInfo:
    assert local.local_service
    return local.local_service


class PlainHttp(SansIOHTTPPolicy[Any, Any]):
    """Lets the token travel without TLS."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        request.context.options["enforce_https"] = False


class Token:
    """A credential that gives one token for everything."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)


@pytest.fixture(scope="session")
def ml(local: BatchClient, service: LocalServiceInfo) -> Iterator[MLClient]:
    """The official client as anybody makes it: no helper of ours, one entry of its table changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunHistoryConstants, "_WAIT_COMPLETION_POLLING_INTERVAL_MIN", "1")
        patch.setattr(RunHistoryConstants, "_WAIT_COMPLETION_POLLING_INTERVAL_MAX", "1")
        patch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")  # the client sets it, for the whole process
        patch.setenv("AZUREML_DEV_URL_MFE", service.base_url)
        patch.setitem(_common.STORAGE_ACCOUNT_URLS, "AzureBlob", service.base_url + "/{0}")
        client = MLClient(
            Token(service.token),
            local.subscription_id,
            local.resource_group,
            local.workspace,
            per_call_policies=[PlainHttp()],
            polling_interval=1,
            show_progress=False,
            enable_telemetry=False,
        )
        yield client


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(autouse=True)
def no_deployment_is_remembered() -> Iterator[None]:
    yield
    forget_deployment()


@pytest.fixture(scope="session")
def endpoint(ml: MLClient, files: Files) -> str:
    """An endpoint whose default deployment scores."""
    made(ml, BatchEndpoint(name="shared"))
    made(ml, deployment(files, "shared", "scores", settings={"environment_variables": {"COLOUR": "red"}}))
    one = ml.batch_endpoints.get("shared")
    one.defaults.deployment_name = "scores"
    made(ml, one)
    return "shared"


@pytest.fixture(scope="session")
def data(ml: MLClient, files: Files) -> Data:
    """The three inputs as a data asset."""
    return ml.data.create_or_update(Data(name="letters", version="1", path=str(files.inputs), type="uri_folder"))
