"""Sizes of memory as users write them."""

from __future__ import annotations

import pytest

from azure_batch_endpoints.local.sizes import memory_size


@pytest.mark.parametrize(
    ("given", "size"),
    [(1 << 30, 1 << 30), ("2GiB", 2 << 30), ("500 MB", 500_000_000), ("1.5gib", 3 << 29), ("134217728", 128 << 20)],
)
def test_bytes_and_texts_are_understood(given: int | str, size: int) -> None:
    assert memory_size(given) == size


@pytest.mark.parametrize("given", ["", "much", "-2GiB", 0, -1, True, "1MiB", "2 apples", 1 << 20])
def test_what_is_no_size_for_a_worker_is_refused(given: int | str) -> None:
    with pytest.raises(ValueError, match="at least 64 MiB"):
        memory_size(given)
