from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_batch_endpoints.local.plan import InputItem, mini_batch_count, mini_batch_number, number_inputs, plan


def items(count: int) -> list[InputItem]:
    return list(number_inputs((f"{index}.png", f"in/{index}.png", index) for index in range(count)))


def test_inputs_are_numbered_in_the_order_they_come() -> None:
    assert items(2) == [InputItem(0, "0.png", "in/0.png", 0), InputItem(1, "1.png", "in/1.png", 1)]


def test_the_last_mini_batch_may_be_shorter() -> None:
    batches = list(plan(items(7), 3))

    assert [(batch.number, len(batch.items)) for batch in batches] == [(0, 3), (1, 3), (2, 1)]


def test_no_inputs_make_no_mini_batches() -> None:
    assert list(plan([], 3)) == []
    assert mini_batch_count(0, 3) == 0


def test_a_mini_batch_of_no_files_is_refused() -> None:
    with pytest.raises(ValueError, match="mini_batch_size is 0; it must be at least 1"):
        list(plan(items(1), 0))


def test_planning_is_lazy() -> None:
    endless = (InputItem(index, "p", "s", 0) for index in iter(int, 1))

    assert next(plan(iter(items(4)), 2)).number == 0
    assert next(iter(endless)).index == 0


@given(count=st.integers(0, 200), size=st.integers(1, 50))
def test_every_input_is_in_the_mini_batch_of_its_number_and_none_is_lost(count: int, size: int) -> None:
    batches = list(plan(items(count), size))

    assert [item for batch in batches for item in batch.items] == items(count)
    assert all(mini_batch_number(item.index, size) == batch.number for batch in batches for item in batch.items)
    assert len(batches) == mini_batch_count(count, size)


@given(count=st.integers(1, 60), size=st.integers(1, 10), left_out=st.sets(st.integers(0, 60)))
def test_inputs_keep_their_mini_batch_when_others_are_left_out(count: int, size: int, left_out: set[int]) -> None:
    rest = [item for item in items(count) if item.index not in left_out]

    whole = {item: batch.number for batch in plan(items(count), size) for item in batch.items}
    assert {item: batch.number for batch in plan(rest, size) for item in batch.items} == {
        item: whole[item] for item in rest
    }
