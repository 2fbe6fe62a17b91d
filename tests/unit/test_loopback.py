"""Which addresses are this machine, and that nothing secret travels in the clear to one that only looks like it."""

from __future__ import annotations

import pytest

from azure_batch_endpoints._loopback import is_loopback, leads_here
from azure_batch_endpoints._storage.blobs import Container, ContainerCredential
from azure_batch_endpoints.errors import InvalidInputError


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_addresses_are_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["127.example.com", "localhost.example.com", "10.0.0.1", "0.0.0.0", ""])
def test_a_name_that_begins_like_a_loopback_address_is_another_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("url", ["http://127.0.0.1:10000/account", "//LOCALHOST:80", "https://[::1]:7/x"])
def test_a_url_leads_here_whatever_its_scheme_port_and_case(url: str) -> None:
    assert leads_here(url)


def test_what_is_no_url_leads_nowhere() -> None:
    assert not leads_here("https://[::1")


def test_a_storage_credential_is_not_sent_over_plain_http_to_a_name_that_looks_like_this_machine() -> None:
    with pytest.raises(InvalidInputError, match="plain http"):
        Container("http://127.example.com/account/container", ContainerCredential(account_key="a2V5"))
