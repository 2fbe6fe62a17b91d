"""Values, lists and iterators that show themselves in a notebook, without sending anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, SupportsIndex, TypeVar, overload

from azure_batch_endpoints._render import pages
from azure_batch_endpoints._render.cells import rows_of

_T = TypeVar("_T")


class Card:
    """A value that shows itself as a card: the rows that its ``repr`` shows."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return pages.card(type(self).__name__, rows_of(self))


class Rows(list[_T]):
    """A list that shows itself as a table, a row an element."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> _T: ...

    @overload
    def __getitem__(self, index: slice, /) -> Rows[_T]: ...

    def __getitem__(self, index: SupportsIndex | slice, /) -> _T | Rows[_T]:
        """Return an element, or a part that shows itself too."""
        return Rows(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def _repr_html_(self) -> str:
        return _table(self, f"{len(self):,} {_several(self)}" if self else "an empty list")


class Noted(Iterator[_T], Generic[_T]):
    """An iterator over what a service lists; it keeps the first rows it gave, to show them. Showing sends nothing."""

    def __init__(self, source: Iterator[_T], title: str) -> None:
        """Wrap an iterator.

        Args:
            source: sends when it is read.
            title: what it lists, e.g. ``items of job 'x'``.
        """
        self._source = source
        self._notes = Notes[_T](title)

    def __next__(self) -> _T:
        return self._notes.take(self._source.__next__)

    def __iter__(self) -> Noted[_T]:
        return self

    def __repr__(self) -> str:
        return self._notes.line()

    def _repr_html_(self) -> str:
        return self._notes.html()


class Notes(Generic[_T]):
    """What was read of a list so far, and its first rows."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._first: Rows[_T] = Rows()
        self._count = 0
        self._ended = False

    def take(self, following: Callable[[], _T]) -> _T:
        """Return the next element, noted."""
        try:
            one = following()
        except StopIteration:
            self._ended = True
            raise
        self._count += 1
        if len(self._first) < pages.MOST_ROWS:
            self._first.append(one)
        return one

    def state(self) -> str:
        """Say how far it was read."""
        if not self._count:
            return "there are none" if self._ended else "nothing read yet; read it with list(…) or in a for loop"
        return f"{self._count:,} read" + (", that is all" if self._ended else " so far")

    def line(self) -> str:
        """Return the ``repr``."""
        return f"<{self.title}: {self.state()}>"

    def html(self) -> str:
        """Return the first rows that were read, and how far it was read."""
        return _table(self._first, self.title, note=self.state())


def _table(elements: list[_T], title: str, note: str = "") -> str:
    shown = [dict(rows_of(one)) for one in elements[: pages.MOST_ROWS]]
    columns = list(dict.fromkeys(name for row in shown for name in row))
    rows: list[list[object]] = [[row.get(name) for name in columns] for row in shown]
    more = f"{len(elements) - len(rows):,} more" if len(elements) > len(rows) else ""
    return pages.table(title, columns, rows, note="; ".join(filter(None, (more, note))))


def _several(elements: list[_T]) -> str:
    kinds = {type(one).__name__ for one in elements}
    name = kinds.pop() if len(kinds) == 1 else "value"
    if len(elements) == 1:
        return name
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
