"""Which api-version a client may name, and which one each route gets."""

from __future__ import annotations

import pytest

from azure_batch_endpoints import BatchClient
from azure_batch_endpoints._wire import routes, versions
from azure_batch_endpoints.errors import InvalidInputError
from tests.unit.fake_service import Credential


@pytest.mark.parametrize(
    "version",
    ["2021-10-01", "2022-02-01-preview", "2024-10-01", "2025-06-01", "2031-01-31", "2026-01-01-privatepreview"],
)
def test_versions_of_batch_endpoints_can_be_named_also_ones_to_come(version: str) -> None:
    assert versions.checked(version) == version


@pytest.mark.parametrize(
    "version",
    ["", "latest", "v1", "2021", "2024-13-01", "2024-02-30", "2024-10-01 ", "2024-10-01-beta", "24-10-01", 2024, None],
)
def test_a_version_that_is_none_is_refused_by_the_client_with_an_example(version: str) -> None:
    with pytest.raises(InvalidInputError, match=r"api_version is .* no api-version of Azure\. Write one as 2024-10-01"):
        BatchClient(
            subscription_id="s", resource_group="g", workspace="w", credential=Credential(), api_version=version
        )


@pytest.mark.parametrize("version", ["2020-12-01-preview", "2021-03-01-preview", "1999-01-01"])
def test_a_version_from_before_batch_endpoints_is_refused(version: str) -> None:
    with pytest.raises(InvalidInputError, match="batch endpoints begin with 2021-10-01"):
        versions.checked(version)


@pytest.mark.parametrize(
    ("version", "assets", "data"),
    [
        ("2021-10-01", "2021-10-01", "datasets"),
        ("2022-02-01-preview", routes.API_VERSION, "data"),
        ("2022-10-01", routes.API_VERSION, "data"),
        ("2023-04-01", "2023-04-01", "data"),
        ("2023-04-01-preview", "2023-04-01-preview", "data"),
        ("2025-06-01", "2025-06-01", "data"),
    ],
)
def test_assets_get_the_version_that_serves_them(version: str, assets: str, data: str) -> None:
    assert (versions.of_assets(version), versions.kind_of_data(version)) == (assets, data)
    assert versions.is_2021(version) == (data == "datasets")
