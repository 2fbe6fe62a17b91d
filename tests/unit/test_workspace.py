"""What a workspace asks, how often, and which door it opens to which container."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.credentials import AccessToken

from azure_batch_endpoints._clouds import CHINA
from azure_batch_endpoints._http import Session
from azure_batch_endpoints._wire.models import DatastoreBody
from azure_batch_endpoints._workspace import Workspace
from azure_batch_endpoints.errors import (
    ForeignHostError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    TransportError,
)
from tests.unit.fake_workspace import PATH, FakeService, datastore


class User:
    """A credential that gives the same token for everything."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("token", 4102444800)


def test_region_and_discovery_are_asked_once() -> None:
    service = FakeService()
    workspace = service.workspace()

    assert [workspace.location, workspace.api_url] * 2 == ["westeurope", "https://westeurope.api.azureml.ms"] * 2
    assert service.lines == ["GET", "GET https://westeurope.api.azureml.ms/discovery"]
    assert "Authorization" not in service.transport.requests[1].headers


def test_every_request_carries_the_api_version() -> None:
    service = FakeService()

    assert service.workspace(api_version="2025-06-01").location == "westeurope"
    assert service.query() == {"api-version": "2025-06-01"}


def test_discovery_on_a_foreign_host_is_not_believed() -> None:
    service = FakeService({"GET https://westeurope.api.azureml.ms/discovery": {"api": "https://evil.example"}})

    with pytest.raises(TransportError, match=r"evil\.example"):
        _ = service.workspace().api_url


def test_the_default_container_takes_two_requests_then_none_for_half_an_hour() -> None:
    service = FakeService()
    workspace = service.workspace()

    container = workspace.container()

    assert container.url == "https://acct.blob.core.windows.net/store"
    assert container.credential is not None and container.credential.kind == "account_key"
    assert workspace.container("workspaceblobstore") is container
    assert service.lines == ["GET datastores", "POST datastores/workspaceblobstore/listSecrets"]
    assert service.query(0) == {"api-version": "2024-10-01", "count": "30", "isDefault": "true", "orderByAsc": "false"}
    service.clock.now += 1801
    assert workspace.container() is not container
    assert service.lines[2:] == ["POST datastores/workspaceblobstore/listSecrets"]


def test_a_datastore_on_this_machine_is_reached_by_path_over_http() -> None:
    local = datastore("images", endpoint="127.0.0.1:8123", protocol="http", credentials={"credentialsType": "Sas"})
    service = FakeService(
        {"GET datastores/images": local, "POST datastores/images/listSecrets": {"sasToken": "?sv=1&sig=SECRET"}}
    )

    container = service.workspace().container("images")

    assert container.url == "http://127.0.0.1:8123/acct/store"
    assert container.credential is not None and container.credential.sas == "sv=1&sig=SECRET"


def test_a_datastore_without_a_secret_takes_the_users_credential() -> None:
    service = FakeService({"GET datastores/open": datastore("open", credentials={"credentialsType": "None"})})
    user = User()

    container = service.workspace(credential=user).container("open")

    assert container.credential is not None and container.credential.token is user
    assert service.lines == ["GET datastores/open"]
    assert service.workspace().container("open").credential is None


def test_a_user_who_may_not_see_the_secret_goes_on_with_the_own_credential() -> None:
    refused = {"POST datastores/workspaceblobstore/listSecrets": (403, {"error": {"code": "AuthorizationFailed"}})}
    user = User()

    container = FakeService(refused).workspace(credential=user).container()

    assert container.credential is not None and container.credential.token is user
    with pytest.raises(PermissionDeniedError):
        FakeService(refused).workspace().container()


@pytest.mark.parametrize("answer", [{}, {"secretsType": "Sas", "sasToken": None}, {"secretsType": "None"}, []])
def test_a_datastore_that_hands_out_no_secret_is_opened_with_the_users_credential(answer: object) -> None:
    user = User()
    service = FakeService({"POST datastores/workspaceblobstore/listSecrets": (200, answer)})

    container = service.workspace(credential=user).container()

    assert container.credential is not None and container.credential.token is user
    assert FakeService(service.answers).workspace().container().credential is None


@pytest.mark.parametrize(
    "where",
    [
        {"endpoint": "evil.example"},
        {"endpoint": "core.windows.net.evil.example"},
        {"endpoint": "core.chinacloudapi.cn"},
        {"accountName": "evil.example/x"},
        {"endpoint": "127.0.0.1:9", "protocol": "http"},
    ],
)
def test_the_users_credential_opens_storage_of_the_cloud_only(where: dict[str, Any]) -> None:
    body = datastore("open", credentials={"credentialsType": "None"}, **where)
    service = FakeService({"GET datastores/open": body})

    with pytest.raises(ForeignHostError, match=r"Could not open datastore 'open': its host .* is no storage of Azure"):
        service.workspace(credential=User()).container("open")


def test_a_datastore_that_names_no_endpoint_is_in_the_clouds_own_storage() -> None:
    session = Session(CHINA.management_url, None, {}, cloud=CHINA)

    body = DatastoreBody.read(datastore("open", endpoint=None))

    assert Workspace(session, PATH)._container_url(body, "open") == "https://acct.blob.core.chinacloudapi.cn/store"


def test_a_datastore_that_holds_no_blobs_is_refused() -> None:
    service = FakeService({"GET datastores/files": datastore("files", datastoreType="AzureFile")})

    with pytest.raises(InvalidInputError, match="Datastore 'files' is of type 'AzureFile', which holds no blobs"):
        service.workspace().container("files")


def test_an_unknown_datastore_and_a_missing_default_are_named() -> None:
    unknown = {"GET datastores/ghost": (404, {"error": {"code": "UserError", "message": "Could not find it"}})}
    with pytest.raises(NotFoundError, match="Could not open datastore 'ghost'"):
        FakeService(unknown).workspace().container("ghost")
    with pytest.raises(NotFoundError, match="default datastore of workspace 'ws'"):
        FakeService({"GET datastores": {"value": []}}).workspace().container()


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/workspaceblobstore/paths/a/b.csv",
        "azureml://subscriptions/sub/resourcegroups/rg/workspaces/ws/datastores/workspaceblobstore/paths/a/b.csv",
        "https://acct.blob.core.windows.net/store/a/b.csv",
        "https://acct.blob.core.windows.net:443/store/a/b.csv",
        "wasbs://store@acct.blob.core.windows.net/a/b.csv",
    ],
)
def test_every_form_of_a_uri_in_the_default_datastore_opens_it_with_its_secret(uri: str) -> None:
    workspace = FakeService().workspace()

    container, path = workspace.container_of(uri)

    assert container is workspace.container() and path == "a/b.csv"


def test_a_foreign_url_is_opened_by_its_own_signature_or_as_public() -> None:
    workspace = FakeService().workspace(credential=User())

    public, path = workspace.container_of("https://open.blob.core.windows.net/data/a%20b/c.csv")
    signed, _ = workspace.container_of("https://other.blob.core.windows.net/data/a?sv=1&sig=SECRET")

    assert (public.credential, path) == (None, "a b/c.csv")
    assert signed.credential is not None and signed.credential.sas == "sv=1&sig=SECRET"
    assert workspace.container_of("https://open.blob.core.windows.net/data/x")[0] is public


def test_what_is_no_storage_uri_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"'./data' is not a storage URI"):
        FakeService().workspace().container_of("./data")


def test_closing_forgets_the_containers() -> None:
    service = FakeService()
    workspace = service.workspace()
    container = workspace.container()

    workspace.close()

    assert workspace.container() is not container
    assert repr(workspace) == f"Workspace({str(PATH)!r})"
