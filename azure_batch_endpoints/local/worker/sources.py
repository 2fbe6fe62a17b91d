"""Which input file each row is of, as far as the rows tell: by their number, or by the file's name in them.

Cheap for large mini-batches: names are looked up, never compared one by one, and there is an end to the trouble taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .rows import is_a, is_frame

UNKNOWN = -1
SEVERAL = -2
"""In place of a file: more than one of the mini-batch has this name."""
MOST_ROWS = 2_000_000
"""Rows of a mini-batch that are looked at."""
MOST_FIELDS = 64
"""Columns of a table, or values of a row, that are looked at."""
MOST_TEXT = 2_000
"""Characters of a value that are searched."""
LOOKS_A_ROW = 100
DEEPEST = 3
"""Levels of lists and dicts within a row that are looked into."""
TAIL = 3
"""Characters at the end of a name by which it is found in a text; where names have endings, those."""
MOST_TAILS = 50
AFTER = r"(?![\w-]|\.\w)"
"""What a name does not end before: it would only be the beginning of another one."""
BEFORE = re.compile(r"[\w.-]")
"""What a name does not begin after: "1.png" is not in "11.png"."""


def sources_of(result: Any, files: Sequence[str]) -> list[int] | None:
    """Return for each row the place of its file in the mini-batch, `UNKNOWN` where it is not known.

    Args:
        result: of `run()`.
        files: of the mini-batch.

    Returns:
        `[]`: row i is of file i. One number: all rows are of that file. None: nothing is known.
    """
    rows = len(result)
    as_many = rows == len(files)
    if len(files) == 1:
        return [0] if rows > 1 else []
    if rows > MOST_ROWS:
        return [] if as_many else None
    found = _named(_plain(result), Names(files, telling=as_many))
    if as_many and (UNKNOWN in found or found == list(range(rows))):
        return []
    return found if any(place >= 0 for place in found) else None


def missing(files: int, rows: int, sources: Sequence[int] | None) -> list[int]:
    """Say which files have no row: of those that no row names, the last ones.

    Args:
        files: in the mini-batch.
        rows: that came back, fewer.
        sources: of the rows.
    """
    seen = set(sources or ())
    return [place for place in range(files) if place not in seen][rows - files :]


def per_line(sources: Sequence[int] | None, texts: Sequence[str]) -> list[int]:
    """Return the sources of the lines that rows become in the file: a string with line breaks is several.

    Args:
        sources: of the rows, in any form.
        texts: the rows.
    """
    if sources is None:
        known = [UNKNOWN] * len(texts)  # type: Sequence[int]
    elif len(sources) == len(texts):
        known = sources
    else:
        known = range(len(texts)) if not sources else list(sources) * len(texts)
    return [place for place, text in zip(known, texts) for _ in range(text.count("\n") + 1)]


class Names:
    """The files of a mini-batch by all that a row may call them."""

    def __init__(self, files: Sequence[str], telling: bool) -> None:
        """Take the names down.

        Args:
            files: paths.
            telling: leave out names that are numbers, which may as well be what was predicted.
        """
        self.looks = 0
        self._places = {file: place for place, file in enumerate(files)}
        for place, file in enumerate(files):
            base = file[file.rfind("/") + 1 :]
            if base != file and not (telling and is_number(base)):
                self._places[base] = SEVERAL if base in self._places else place
        if SEVERAL in self._places.values():
            for place, file in enumerate(files):
                longer = "/".join(file.rsplit("/", 2)[1:])
                self._places[longer] = SEVERAL if longer in self._places else place
        self._lengths = {}  # type: dict[str, list[int]]
        self._ends = None  # type: re.Pattern[str] | None

    def exactly(self, value: object) -> int:
        """Return the place of the file that a value is the name or path of."""
        if not isinstance(value, str):
            if not isinstance(value, os.PathLike):
                return UNKNOWN
            value = str(value)
        place = self._places.get(value, UNKNOWN)
        return self._places.get(value[value.rfind("/") + 1 :], UNKNOWN) if place == UNKNOWN and "/" in value else place

    def mentioned(self, text: str) -> set[int]:
        """Return the places of the files whose names are in a text."""
        found = set()
        text = text[:MOST_TEXT]
        for match in (self._ends or self._prepared()).finditer(text):
            end = match.end()
            for length in self._lengths.get(text[max(0, end - TAIL) : end], ()):
                self.looks += 1
                begin = end - length
                place = self._places.get(text[begin:end], UNKNOWN) if begin >= 0 else UNKNOWN
                if place != UNKNOWN and not (begin and BEFORE.match(text[begin - 1])):
                    found.add(place)
                    break
            self.looks += 1
        return found

    def _prepared(self) -> re.Pattern[str]:
        """Make ready for searching."""
        lengths = {}  # type: dict[str, set[int]]
        tails = set()
        for name in self._places:
            lengths.setdefault(name[-TAIL:], set()).add(len(name))
            tails.add(name[name.rfind(".") :] if "." in name[-MOST_TAILS:] else name[-TAIL:])
        self._lengths = {tail: sorted(known, reverse=True) for tail, known in lengths.items()}
        if len(tails) > MOST_TAILS:
            tails = {tail[-1] for tail in tails}
        self._ends = re.compile("(?:" + "|".join(map(re.escape, sorted(tails))) + ")" + AFTER)
        return self._ends


def is_number(name: str) -> bool:
    """Whether a name could as well be a number."""
    try:
        float(name)
    except ValueError:
        return False
    return True


def _named(result: Any, names: Names) -> list[int]:
    """Return the file that each row names."""
    identity = list(range(len(result)))
    first = None
    for values in _columns(result):
        column = [names.exactly(value) for value in values]
        if column == identity:
            return column
        if first is None and column and min(column) >= 0:
            first = column
    return first or _searched(result, names)


def _searched(result: Any, names: Names) -> list[int]:
    rows, found = 0, []
    for texts in _texts_of_rows(result):
        rows += 1
        exact = {names.exactly(text) for text in texts} - {UNKNOWN, SEVERAL}
        places = exact or {place for text in texts for place in names.mentioned(text)}
        place = places.pop() if len(places) == 1 else UNKNOWN
        found.append(place if place >= 0 else UNKNOWN)
        if names.looks > LOOKS_A_ROW * (rows + 1000):
            break
    return found if rows == len(result) else [UNKNOWN] * len(result)


def _plain(result: Any) -> Any:
    """Return an array as a list; one of numbers, which name nothing, as so many of them."""
    if not is_a(result, "numpy", "ndarray"):
        return result
    return result.tolist() if result.dtype.kind in "OUV" else [0] * len(result)


def _columns(result: Any) -> Iterator[Iterable[object]]:
    """Yield what can be seen as a column of the rows, text only."""
    if is_frame(result):
        yield result.index.tolist() if _is_text(result.index.dtype) else ()
        for position, dtype in enumerate(result.dtypes.tolist()[:MOST_FIELDS]):
            if _is_text(dtype):
                yield result.iloc[:, position].tolist()
        return
    kinds = {type(row) for row in result}
    if len(kinds) > 1 or not len(result):
        return
    if all(isinstance(row, (str, os.PathLike)) for row in result):
        yield result
    elif all(isinstance(row, dict) for row in result):
        for key in list(result[0])[:MOST_FIELDS]:
            yield [row.get(key) for row in result]
    elif all(isinstance(row, (list, tuple)) for row in result):
        for position in range(min(MOST_FIELDS, min(map(len, result)))):
            yield [row[position] for row in result]


def _is_text(dtype: object) -> bool:
    return str(dtype).startswith(("object", "str", "large_string", "category"))


def _texts_of_rows(result: Any) -> Iterator[list[str]]:
    if not is_frame(result):
        for row in result:
            yield list(_texts(row))
        return
    columns = [list(map(_text, values)) for values in _columns(result)]
    for row in zip(*[column for column in columns if column]):
        yield [text for text in row if text is not None]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(row: object, deep: int = 0) -> Iterator[str]:
    """Yield the texts in a row, those in its lists and dicts too."""
    if isinstance(row, str):
        yield row
    elif isinstance(row, os.PathLike):
        yield str(row)
    elif isinstance(row, dict):
        yield from _texts(list(row) + list(row.values()), deep)
    elif isinstance(row, (list, tuple)) and deep < DEEPEST:
        for value in row[:MOST_FIELDS]:
            yield from _texts(value, deep + 1)
