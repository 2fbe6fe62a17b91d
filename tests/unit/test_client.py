"""The way in: what a client names, closes and shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from azure_batch_endpoints import BatchClient, LocalServiceInfo
from azure_batch_endpoints.errors import TransportError
from tests.unit.fake_service import ARM, Credential


def client() -> BatchClient:
    return BatchClient(subscription_id="s", resource_group="g", workspace="w", credential=Credential())


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


def test_another_cloud_gets_tokens_for_itself() -> None:
    made = BatchClient(
        subscription_id="s",
        resource_group="g",
        workspace="w",
        credential=Credential(),
        base_url="https://management.usgovcloudapi.net/",
    )
    with made:
        assert made.base_url == "https://management.usgovcloudapi.net"


def test_the_local_services_secrets_do_not_show() -> None:
    info = LocalServiceInfo(
        "http://127.0.0.1:1", "TOKEN", "http://127.0.0.1:1/a", "AccountKey=KEY", Path("r"), 3, started=True
    )

    assert "TOKEN" not in repr(info) and "KEY" not in repr(info)
