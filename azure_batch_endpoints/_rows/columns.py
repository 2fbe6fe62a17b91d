"""What the service tells of a column of rows, as ``local/worker/columns`` says it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

LOOKS = ""
"""The type of a column that takes what its texts look like."""
AT_ONCE = re.compile(r"u?int\d+|U?Int\d+|bool|boolean")
"""Types that a parser itself reads exactly."""
FLOATS = re.compile(r"[fF]loat\d+")
_TEXTS = ("object", "str", "string", "string[pyarrow]", "large_string[pyarrow]")
_MISSING = ("", "nan", "NaN", "<NA>")


@dataclass(frozen=True)
class Column:
    """What is known of a column.

    Attributes:
        name: its name.
        type: pandas' word for its type; of a categorical one, that of its categories.
        flags: what ``local/worker/columns`` says beside it.
        categorical: whether it was categorical.
        missing: rows with a missing value, where the text does not tell; from the first row.
    """

    name: str | int
    type: str
    flags: frozenset[str] = frozenset()
    categorical: bool = False
    missing: tuple[int, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether its values are read as they stand."""
        return self.type in _TEXTS

    @property
    def gaps(self) -> list[str]:
        """Which of its texts are no value: in a text column "NA" is one, and "" too unless it is said to be a gap."""
        if not self.is_text:
            return list(_MISSING)
        return [""] if self.flags & {"gaps", "missing"} and not self.missing else []


def column(name: Any, said: str) -> Column:  # noqa: ANN401 (JSON)
    """Read what the service says of a column."""
    categorical = said.startswith("category ")
    said = said.removeprefix("category ")
    kind, *flags = said.split(" ") if said.startswith(_TEXTS) else [said]
    missing = next((flag.partition("@")[2] for flag in flags if "@" in flag), "")
    found = frozenset(flag.partition("@")[0] for flag in flags)
    return Column(name, kind, found, categorical, tuple(map(int, filter(None, missing.split(",")))))
