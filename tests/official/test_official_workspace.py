"""The workspace, and who may ask, through the official client."""

from __future__ import annotations

import pytest
from azure.ai.ml import MLClient
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError

from azure_batch_endpoints import BatchClient, LocalServiceInfo
from tests.official.conftest import Token


def test_the_workspace_says_who_it_is_and_where_its_data_plane_is(
    ml: MLClient, local: BatchClient, service: LocalServiceInfo
) -> None:
    found = ml.workspaces.get(local.workspace)

    assert (found.name, found.location, found.resource_group) == (local.workspace, "local", local.resource_group)
    assert found.discovery_url.startswith(service.base_url)
    assert found.storage_account.endswith("/storageAccounts/abelocal")
    assert [one.name for one in ml.workspaces.list()] == [local.workspace]
    assert [one.name for one in ml.workspaces.list(scope="subscription")] == [local.workspace]


def test_the_keys_of_the_workspace_are_those_of_its_store(ml: MLClient, service: LocalServiceInfo) -> None:
    key = ml.workspaces.get_keys().user_storage_key

    assert f"AccountKey={key};" in service.connection_string


def test_another_workspace_is_not_found(ml: MLClient) -> None:
    with pytest.raises(ResourceNotFoundError, match=r"The Resource .*workspaces/other' .* was not found"):
        ml.workspaces.get("other")


def test_another_token_is_refused(
    local: BatchClient, service: LocalServiceInfo, ml: MLClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZUREML_DEV_URL_MFE", service.base_url)
    names = (local.subscription_id, local.resource_group, local.workspace)
    other = MLClient(Token("not the token"), *names, enable_telemetry=False)

    with pytest.raises(ClientAuthenticationError, match="InvalidAuthenticationToken"):
        other.batch_endpoints.get("any")
