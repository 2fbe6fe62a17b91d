"""Sizes of memory as users write them: bytes, or text as "2GiB"."""

from __future__ import annotations

from pydantic import ByteSize, TypeAdapter, ValidationError

LEAST_MEMORY = 64 << 20
"""Bytes below which no Python with a model runs."""
_size = TypeAdapter(ByteSize)


def memory_size(given: int | str) -> int:
    """Return the bytes that a limit of memory means.

    Args:
        given: bytes, or text as "2GiB", "500 MB", "1.5g".

    Raises:
        ValueError: it is no size, or too small for a worker; with a sentence that says so.
    """
    try:
        size = int(_size.validate_python(given))
    except ValidationError:
        size = 0
    if isinstance(given, bool) or size < LEAST_MEMORY:
        raise ValueError(f"worker_memory is {given!r}; give bytes or a text as '2GiB', at least 64 MiB.")
    return size
