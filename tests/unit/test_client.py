"""The way in: what a client names, closes and shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from azure_batch_endpoints import BatchClient, LocalServiceInfo
from azure_batch_endpoints._clouds import CHINA, CLOUDS, US_GOVERNMENT, Cloud
from azure_batch_endpoints.errors import InvalidInputError, TransportError
from tests.unit.fake_service import ARM, Credential
from tests.unit.fake_transport import FakeTransport, reply


def client(**options: Any) -> BatchClient:
    return BatchClient(subscription_id="s", resource_group="g", workspace="w", credential=Credential(), **options)


def test_a_client_names_its_workspace_and_sends_nothing() -> None:
    with client() as one:
        assert (one.subscription_id, one.resource_group, one.workspace, one.base_url) == ("s", "g", "w", ARM)
        assert one.local_service is None
        assert repr(one) == f"BatchClient('w', {ARM})"
        assert one.endpoints and one.jobs and one.models and one.environments and one.datasets
        assert one.computes and one.datastores


def test_a_closed_client_says_so_and_can_be_closed_again() -> None:
    one = client()
    one.close()
    one.close()

    with pytest.raises(TransportError, match="Could not read endpoint 'heart': the client is closed"):
        one.endpoints.get("heart")


def test_a_client_is_made_of_config_json(tmp_path: Path) -> None:
    whole = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}
    (tmp_path / "config.json").write_text(json.dumps(whole))

    with BatchClient.from_config(tmp_path, credential=Credential()) as one:
        assert one.workspace == "w"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What azure-identity's default credential was made with; nothing of a cloud in the environment."""
    made: list[dict[str, Any]] = []

    def default(**options: Any) -> Credential:
        made.append(options)
        return Credential()

    monkeypatch.setattr("azure.identity.DefaultAzureCredential", default)
    for name in ("AZUREML_CURRENT_CLOUD", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    return made


def scopes(one: BatchClient) -> list[str]:
    """The audiences of a client's tokens, as a request for each tells them."""
    transport = FakeTransport(lambda sent: reply(200, {})(sent))
    one._session._transport = transport
    for audience in ("management", "ml"):
        one._session.send("GET", "/x", audience=audience, action="read")
    return [str(sent.headers["Authorization"]).removeprefix("Bearer token of ") for sent in transport.requests]


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda one: str(one.name))
def test_a_cloud_has_its_own_address_sign_in_and_audiences(cloud: Cloud, asked: list[dict[str, Any]]) -> None:
    for name, url in ((cloud.name.lower(), None), (None, f"{cloud.management_url}/")):
        with BatchClient(subscription_id="s", resource_group="g", workspace="w", cloud=name, base_url=url) as one:
            assert one.base_url == cloud.management_url
            assert scopes(one) == [f"{cloud.management_url}/.default", f"{cloud.ml_url}/.default"]
            assert one._workspace.studio_url("j").startswith(f"{cloud.studio_url}/runs/j?wsid=")
    assert asked == [{"authority": cloud.authority_host}] * 2


def test_the_variable_of_the_official_client_chooses_the_cloud_and_an_argument_wins(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureChinaCloud")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "login.of.my.own")

    assert client().base_url == CHINA.management_url
    assert client(cloud="AzureCloud").base_url == ARM
    BatchClient(subscription_id="s", resource_group="g", workspace="w")
    assert asked == [{}]

    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureMoonCloud")
    with pytest.raises(InvalidInputError, match="The variable AZUREML_CURRENT_CLOUD is 'AzureMoonCloud'"):
        client()


def test_a_gateway_gets_the_requests_and_the_clouds_own_tokens(asked: list[dict[str, Any]]) -> None:
    with client(base_url="https://gateway.example/", cloud="AzureUSGovernment") as one:
        assert one.base_url == "https://gateway.example"
        assert scopes(one) == [f"{US_GOVERNMENT.management_url}/.default", f"{US_GOVERNMENT.ml_url}/.default"]


def test_a_cloud_and_the_address_of_another_contradict_each_other() -> None:
    with pytest.raises(InvalidInputError, match=r"cloud is 'AzureChinaCloud', but base_url .* of another"):
        client(cloud="AzureChinaCloud", base_url=ARM)


@pytest.mark.parametrize("name", ["subscription_id", "resource_group", "workspace"])
@pytest.mark.parametrize("value", [None, "", " ", 5])
def test_a_name_that_is_none_is_refused_by_its_own_name(name: str, value: object) -> None:
    names: dict[str, Any] = {"subscription_id": "s", "resource_group": "g", "workspace": "w", name: value}

    with pytest.raises(InvalidInputError, match=rf"{name} is {value!r}\. Pass .*from_config"):
        BatchClient(**names, credential=Credential())


@pytest.mark.parametrize(
    "url", ["management.azure.com", "http://gateway.example", "https://me@gateway.example", "https://", "https://[::1"]
)
def test_an_address_that_cannot_be_one_is_refused_by_its_own_name(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"base_url: .* The cloud's own is https://management\.azure\.com\."):
        client(base_url=url)


class Later:
    async def get_token(self, *scopes: str) -> None: ...


@pytest.mark.parametrize(
    ("given", "said"), [("key", "str.* gives no tokens"), (Later(), "Later.* of azure.identity.aio")]
)
def test_what_is_no_credential_is_refused_at_once(given: object, said: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"The credential \({said}.*DefaultAzureCredential"):
        BatchClient(subscription_id="s", resource_group="g", workspace="w", credential=cast("Any", given))


def test_from_config_takes_the_cloud_of_the_azure_cli(
    asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "az"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "az").mkdir()
    (tmp_path / "az" / "config").write_text("[cloud]\nname = AzureUSGovernment\n")
    whole = {"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}
    (tmp_path / "config.json").write_text(json.dumps(whole))

    with BatchClient.from_config(workspace="other", api_version="2021-10-01") as one:
        assert (one.base_url, one.workspace) == (US_GOVERNMENT.management_url, "other")
        assert one._workspace.api_version == "2021-10-01"
    assert asked == [{"authority": US_GOVERNMENT.authority_host}]

    (tmp_path / "az" / "config").write_text("[cloud]\nname = MyStack\n")
    with pytest.raises(InvalidInputError, match=r"The cloud of the Azure CLI in '.*az' is 'MyStack'"):
        BatchClient.from_config()
    with BatchClient.from_config(cloud="AzureCloud") as one:
        assert one.base_url == ARM


def test_the_local_services_secrets_do_not_show() -> None:
    info = LocalServiceInfo(
        "http://127.0.0.1:1", "TOKEN", "http://127.0.0.1:1/a", "AccountKey=KEY", Path("r"), 3, started=True
    )

    assert "TOKEN" not in repr(info) and "KEY" not in repr(info)
