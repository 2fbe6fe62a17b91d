"""Words of the service."""

from __future__ import annotations

import pytest

from azure_batch_endpoints.states import JobStatus, ProvisioningState


@pytest.mark.parametrize("word", ["Completed", "completed", "COMPLETED"])
def test_a_status_is_read_in_any_case(word: str) -> None:
    assert JobStatus(word) is JobStatus.COMPLETED


def test_a_status_is_read_with_underscores_too() -> None:
    assert JobStatus("cancel_requested") is JobStatus.CANCEL_REQUESTED


@pytest.mark.parametrize("word", ["Dreaming", "", None, 3])
def test_an_unknown_word_is_unknown_and_not_an_end(word: object) -> None:
    assert JobStatus(word) is JobStatus.UNKNOWN
    assert ProvisioningState(word) is ProvisioningState.UNKNOWN
    assert not JobStatus(word).is_terminal
    assert not ProvisioningState(word).is_terminal


def test_the_ends_are_those_of_the_service() -> None:
    ends = {one.value for one in JobStatus if one.is_terminal}

    assert ends == {"Completed", "Failed", "Canceled", "NotResponding", "Paused"}
    assert {one.value for one in ProvisioningState if one.is_terminal} == {"Succeeded", "Failed", "Canceled"}


def test_a_status_prints_as_the_services_word() -> None:
    assert f"{JobStatus.CANCEL_REQUESTED}" == "CancelRequested"
    assert str(ProvisioningState.SUCCEEDED) == "Succeeded"
    assert {"Completed": 1}[JobStatus.COMPLETED] == 1
