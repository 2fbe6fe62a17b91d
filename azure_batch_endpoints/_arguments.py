"""Arguments of a wrong type, found before anything is sent: the message names the argument and what it can be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real

from azure_batch_endpoints.errors import InvalidInputError, redact

_MOST_SHOWN = 200
"""Characters of a value that are repeated to the user."""


_TAGS = 'a mapping such as {"team": "x"}'


def require(name: str, value: object, kind: type, what: str, *, optional: bool = False) -> None:
    """Check what an argument is.

    Args:
        name: the argument's.
        value: what was passed.
        kind: type it must have.
        what: what it can be in words, as they continue "Pass …", e.g. ``an EndpointSpec or a name``.
        optional: None will do, too.

    Raises:
        InvalidInputError: it is something else.
    """
    if isinstance(value, kind) or (optional and value is None):
        return
    none = ", or None" if optional else ""
    raise InvalidInputError(f"Argument '{name}' is {_shown(value)}. Pass {what}{none}.")


def require_count(name: str, value: object, what: str) -> None:
    """Check a whole number, 0 or more; None will do.

    Raises:
        InvalidInputError: it is something else.
    """
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise InvalidInputError(f"Argument '{name}' is {_shown(value)}. Pass {what}, or None.")


def require_labels(*, tags: object, **texts: object) -> None:
    """Check tags, and what is text beside them such as a description; None will do.

    Raises:
        InvalidInputError: one is something else.
    """
    require("tags", tags, Mapping, _TAGS, optional=True)
    for name, text in texts.items():
        require(name, text, str, "text", optional=True)


def require_seconds(name: str, value: object, *, endless: bool = True) -> None:
    """Check a time: a number of seconds, not negative, or None.

    Args:
        name: the argument's.
        value: what was passed.
        endless: whether it may be infinite.

    Raises:
        InvalidInputError: it is something else.
    """
    if value is None:
        return
    fits = isinstance(value, Real) and not isinstance(value, bool) and float(value) >= 0
    if not fits or (value == math.inf and not endless):
        raise InvalidInputError(f"{name} is {_shown(value)}. Pass seconds, such as 5, or None.")


def require_callable(call: str, value: object) -> None:
    """Check a function that was passed.

    Args:
        call: what it was passed to, e.g. ``add_done_callback()``.
        value: what was passed.

    Raises:
        InvalidInputError: it cannot be called.
    """
    if not callable(value):
        got = _shown(value)
        got = f"something {got}" if got.startswith("of ") else got
        raise InvalidInputError(f"{call} got {got}, which cannot be called. Pass a function that takes a job.")


def _shown(value: object) -> str:
    """Return a value as it was written where that is a text, a number or the like, else its type."""
    written = repr(value)
    if value is None or isinstance(value, bool | Real):
        return written
    kind = f"of type {type(value).__name__}"
    return kind if written.startswith("<") else f"{redact(written)[:_MOST_SHOWN]}, {kind}"
