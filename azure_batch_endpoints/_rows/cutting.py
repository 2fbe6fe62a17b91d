"""Rows one by one: text that comes in pieces cut into whole rows, and those as dicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from azure_batch_endpoints._arguments import require
from azure_batch_endpoints._rows import guesses, runs, typed
from azure_batch_endpoints._rows.joining import HAS_SOURCE, SOURCE
from azure_batch_endpoints.errors import InvalidInputError, ResultsError

_NAMES = 'names as text, e.g. ["file", "label"]'
_HEAD = 4096
"""Bytes by which the form of rows is told when nobody says it."""


@dataclass
class Cutter:
    """Gives whole rows as soon as they are there.

    Attributes:
        form: kind and columns, or None.
        sep: separator that was asked for, or None.
        names: for the columns, or None.
        done: rows given so far.
    """

    form: Mapping[str, Any] | None
    sep: str | None = None
    names: Sequence[str] | None = None
    done: int = 0
    _left: bytes = field(default=b"", repr=False)

    def feed(self, data: bytes, *, last: bool = False) -> list[dict[Any, Any]]:
        """Return the rows that are whole now.

        Args:
            data: what follows.
            last: nothing follows it.

        Raises:
            ResultsError: they cannot be read so.
        """
        text = self._left + data
        if self.form is None and self.sep is None:
            if len(text) < _HEAD and not last:
                self._left = text
                return []
            self.form, self.sep = _told_by_look(text)
        end = len(text) if last else self._whole(text)
        whole, self._left = text[:end], text[end:]
        if not whole:
            return []
        found = self._rows(whole)
        self.done += len(found)
        return found

    def _whole(self, text: bytes) -> int:
        end = text.rfind(b"\n") + 1
        if self.sep is None and (self.form or {}).get("kind") == "list":
            return end
        odd = text.count(b'"', 0, end) % 2  # then the line break is within a value
        while odd and end:
            before = text.rfind(b"\n", 0, end - 1) + 1
            odd = (odd + text.count(b'"', before, end)) % 2
            end = before
        return end

    def _rows(self, text: bytes) -> list[dict[Any, Any]]:
        form = self.form or {}
        if self.sep is None and form.get("kind") == "list" and not form.get("columns"):
            return [renamed(_element(line), self.names) for line in guesses.lines(text)]
        if self.sep is not None:
            frame = guesses.separated(text, self.sep)
        else:
            frame = runs.one_form(text, _from_row(form, self.done))
        if self.names is not None:
            frame = runs.named(frame, self.names)
        check_unique(list(frame.columns))
        found: list[dict[Any, Any]] = (
            frame.to_dict("records") if len(frame.columns) else [{} for _ in range(len(frame))]
        )
        return found


def check_unique(names: Sequence[Any]) -> None:
    """Refuse columns that a dict cannot hold.

    Raises:
        ResultsError: two have one name.
    """
    if len(set(names)) < len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ResultsError(f"The rows have two columns '{twice}', which a dict cannot hold. Name them: columns=.")


def check_names(columns: Sequence[str] | None) -> None:
    """Refuse names for columns that a dict cannot hold.

    Raises:
        InvalidInputError: one is there twice, or is no text.
    """
    check_texts(columns, None)
    columns = [columns] if isinstance(columns, str) else columns
    if columns is not None and len(set(columns)) < len(columns):
        raise InvalidInputError(f"columns= gives a name twice ({', '.join(columns)}). Give each column its own name.")


def check_texts(columns: object, sep: object) -> None:
    """Refuse what is no name of a column, and what separates none.

    Raises:
        InvalidInputError: it names the argument.
    """
    if columns is not None and not isinstance(columns, str):
        require("columns", columns, Iterable, _NAMES)
        for one in cast("Iterable[object]", columns):
            require("columns", one, str, _NAMES)
    require("sep", sep, str, 'text, e.g. ","', optional=True)
    if sep == "":
        raise InvalidInputError('sep is "", which separates nothing. Pass a character, e.g. sep=",", or None.')


def _told_by_look(text: bytes) -> tuple[Mapping[str, Any], str | None]:
    """Return the form and the separator of rows that nobody told anything of, as ``guesses.guessed`` finds them."""
    end = text.rfind(b"\n") + 1
    head = [line.removesuffix("\r") for line in guesses.lines(text[:end] if end else text)[: guesses.PROBE]]
    if guesses.literals(head[:1]) is not None:
        return {"kind": "list"}, None
    sep = guesses.separator(head)
    return ({"kind": "list"}, None) if sep is None else ({}, sep)


def _element(line: str) -> dict[Any, Any]:
    """Return an element of a list, read by itself."""
    line = line.removesuffix("\r")
    values = guesses.literals([line])
    if values is not None:
        value = values[0]
        if isinstance(value, dict):
            return value
        return dict(enumerate(value)) if isinstance(value, list | tuple) else {0: value}
    if not guesses.numbers([line]):
        return {0: line}
    if line == "None":
        return {0: float("nan")}
    return {0: int(line) if line.lstrip("-").isdigit() else float(line)}


def with_file(row: dict[Any, Any], name: str | None) -> dict[Any, Any]:
    """Return a row with the file that it came from.

    Raises:
        ResultsError: it has a column of that name.
    """
    if SOURCE in row:
        raise ResultsError(f"{HAS_SOURCE} Read them without source_file=True, or name theirs: columns=.")
    return {**row, SOURCE: name}


def renamed(row: dict[Any, Any], names: Sequence[str] | None) -> dict[Any, Any]:
    """Return a row with other names for its columns.

    Raises:
        ResultsError: there are not as many names as columns.
    """
    if names is None:
        return row
    names = [names] if isinstance(names, str) else names
    if len(names) != len(row):
        raise ResultsError(
            f"A row has {len(row)} columns, but {len(names)} names were given ({', '.join(names)}). "
            "Give one name a column, or sep= if the separator was guessed wrong."
        )
    return dict(zip(names, row.values(), strict=True))


def _from_row(form: Mapping[str, Any], first: int) -> Mapping[str, Any]:
    """Return a form for the rows from ``first`` on: rows that it says are missing are counted from there."""
    if not first or "@" not in str(form.get("columns")):
        return form
    columns = []
    for name, said in form.get("columns") or []:
        missing = typed.column(name, said).missing
        later = ",".join(str(row - first) for row in missing if row >= first)
        # without one more missing row it says that none is, which "empty" means
        said = said.replace("gaps@" + ",".join(map(str, missing)), f"gaps@{later}" if later else "empty")
        columns.append([name, said])
    return {**form, "columns": columns}


def together(pieces: Sequence[tuple[runs.Run, bytes]]) -> Iterator[tuple[list[runs.Run], bytes]]:
    """Put neighbours of one form together, so that many small ones are read at once."""
    group: list[runs.Run] = []
    text: list[bytes] = []
    for run, data in pieces:
        if group and (run.format != group[0].format or "@" in str((run.format or {}).get("columns"))):
            yield group, b"".join(text)
            group, text = [], []
        group.append(run)
        text.append(data)
    if group:
        yield group, b"".join(text)


def sources(run: runs.Run, data: bytes) -> Sequence[str | None]:
    """Return the input file of each row of a mini-batch."""
    return runs.of_run(run, run.rows if run.kind == "dataframe" else data.count(b"\n"))


def of_rows(run: runs.Run, start: int, end: int) -> Sequence[str | None]:
    """Return the input files of some rows of a mini-batch that comes in parts; of a list each line is a row."""
    told = len(run.sources or ())
    if told == 1:
        return runs.of_run(run, end - start)
    return runs.of_run(run, told or run.rows)[start:end]
