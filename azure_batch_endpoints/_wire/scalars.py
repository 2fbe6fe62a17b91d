"""Durations, times and lenient numbers of the wire. The one home of msrest (imported when first needed: 0.2 s)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone


def duration_to_wire(seconds: float) -> str:
    """Return ISO 8601 for a duration in seconds: 30.0 gives ``PT30S``."""
    from msrest.serialization import Serializer

    return str(Serializer.serialize_duration(timedelta(seconds=seconds)))


def duration_from_wire(value: str | float) -> float:
    """Return seconds for an ISO 8601 duration; plain numbers count as seconds (official samples send them).

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int | float):
        return float(value)
    from msrest.serialization import Deserializer

    try:
        return float(value)
    except ValueError:
        pass
    try:
        read: object = Deserializer.deserialize_duration(value.upper())
        if isinstance(read, timedelta):
            return read.total_seconds()
        raise ValueError("empty, or of months or years, which have no length in seconds")
    except (ValueError, AttributeError) as error:  # msrest's own errors are ValueErrors
        raise ValueError(f"'{value}' is not a duration such as PT30S") from error


def time_to_wire(moment: datetime) -> str:
    """Return the service's form of a time: ``2023-04-09T00:26:46.278723+00:00``."""
    return moment.astimezone(timezone.utc).isoformat()


def time_from_wire(value: str | None) -> datetime | None:
    """Return an aware UTC datetime; None for None and for what is not a time (seven digits and ``Z`` are fine)."""
    if not value:
        return None
    from msrest.serialization import Deserializer

    try:
        moment: datetime | None = Deserializer.deserialize_iso(value)
    except (ValueError, OverflowError):
        return None
    return None if moment is None else moment.astimezone(timezone.utc)


def now() -> str:
    """Return the present time as the wire writes it."""
    return time_to_wire(datetime.now(timezone.utc))
