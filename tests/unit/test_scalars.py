"""Durations and times of the wire."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from azure_batch_endpoints._wire import scalars


@pytest.mark.parametrize(("seconds", "text"), [(30, "PT30S"), (0.5, "PT0.5S"), (100, "PT1M40S"), (9999, "PT2H46M39S")])
def test_a_duration_goes_out_and_comes_back(seconds: float, text: str) -> None:
    assert scalars.duration_to_wire(seconds) == text
    assert scalars.duration_from_wire(text) == seconds


@pytest.mark.parametrize(("value", "seconds"), [("30", 30), (30, 30), (2.5, 2.5), ("pt1m", 60), ("P1D", 86400)])
def test_what_samples_send_for_a_duration_is_read(value: str | float, seconds: float) -> None:
    assert scalars.duration_from_wire(value) == seconds


@pytest.mark.parametrize("value", ["", "x", "30s", "P1M", "P1Y2DT3S"])
def test_what_is_no_duration_is_named(value: str) -> None:
    with pytest.raises(ValueError, match=f"'{value}' is not a duration such as PT30S"):
        scalars.duration_from_wire(value)


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05.6789012+00:00", "2026-01-02T03:04:05.678901Z", "2026-01-02T05:04:05.678901+02:00"]
)
def test_a_time_is_read_as_aware_utc_with_seven_digits_too(text: str) -> None:
    assert scalars.time_from_wire(text) == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_none(text: str | None) -> None:
    assert scalars.time_from_wire(text) is None


def test_a_time_goes_out_in_utc() -> None:
    moment = datetime(2026, 1, 2, 3, 0, tzinfo=timezone(timedelta(hours=2)))

    assert scalars.time_to_wire(moment) == "2026-01-02T01:00:00+00:00"
    assert scalars.time_from_wire(scalars.now()) is not None
