"""A list that comes in pages and shows what was read of it.

Imports azure-core's paging, so ``paging`` imports it with the first list only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from azure.core.paging import ItemPaged, PageIterator

from azure_batch_endpoints import _render

_Item = TypeVar("_Item")


class Listing(ItemPaged[_Item]):
    """azure-core's iterator over pages; it keeps the first items it gave, to show them. Showing sends nothing."""

    def __init__(self, pages: Callable[[str | None], PageIterator[_Item]], title: str) -> None:
        """Make the list.

        Args:
            pages: makes the iterator over pages, from a continuation token or from the beginning.
            title: what it lists, e.g. ``endpoints``.
        """
        super().__init__(page_iterator_class=pages)
        self._notes = _render.Notes[_Item](title)

    def __next__(self) -> _Item:
        return self._notes.take(super().__next__)

    def __repr__(self) -> str:
        return self._notes.line()

    def _repr_html_(self) -> str:
        return self._notes.html()
