"""The table of clouds agrees with the libraries that know them, and clouds are found by name and by address."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from azure.identity import AzureAuthorityHosts

from azure_batch_endpoints._clouds import CHINA, CLOUDS, PUBLIC, US_GOVERNMENT, Cloud, cloud_at, cloud_named
from azure_batch_endpoints.errors import InvalidInputError


def test_authorities_are_those_of_azure_identity() -> None:
    assert [one.authority_host for one in CLOUDS] == [
        AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
        AzureAuthorityHosts.AZURE_CHINA,
        AzureAuthorityHosts.AZURE_GOVERNMENT,
    ]


@pytest.mark.parametrize("cloud", CLOUDS, ids=lambda one: str(one.name))
def test_addresses_are_those_of_the_official_client(cloud: Cloud) -> None:
    spec = find_spec("azure.ai.ml")  # read, not imported: that takes seconds
    assert spec is not None and spec.origin is not None
    table = (Path(spec.origin).parent / "_azure_environments.py").read_text(encoding="utf-8")

    of_cloud = next(part for part in table.split("AzureEnvironments.ENV_") if f'"{cloud.management_url}/"' in part)

    for address in (f"{cloud.ml_url}/", cloud.storage_suffix, f"https://{cloud.authority_host}/"):
        assert f'"{address}"' in of_cloud
    assert f".{cloud.api_domains[0]}/" in of_cloud


def test_a_cloud_is_found_by_its_name_in_any_case_and_by_its_address() -> None:
    assert cloud_named("azurechinacloud ", "cloud") is CHINA
    assert cloud_at("https://MANAGEMENT.usgovcloudapi.net/") is US_GOVERNMENT
    assert cloud_at("https://gateway.example") is None
    assert PUBLIC.scopes == {
        "management": "https://management.azure.com/.default",
        "ml": "https://ml.azure.com/.default",
    }


def test_another_cloud_is_refused_with_what_it_may_have_been() -> None:
    with pytest.raises(InvalidInputError, match=r"The variable X is 'AzureChina'.*Did you mean 'AzureChinaCloud'"):
        cloud_named("AzureChina", "The variable X")
