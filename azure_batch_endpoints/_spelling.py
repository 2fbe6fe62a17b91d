"""What was probably meant: the nearest known word, or the nearest path that exists. For the remedies in messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the sentence that offers the nearest known word, or lists them all."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known are: {', '.join(one for one in words if one != '$schema')}."


def nearest(path: Path) -> Path | None:
    """Return a missing path up to its first part that is not there, that part replaced by its most similar sibling."""
    present = next((one for one in path.parents if one.is_dir()), None)
    if present is None:
        return None
    wanted = path.relative_to(present).parts[0] if present != Path() else path.parts[0]
    try:
        siblings = [one.name for one in present.iterdir()]
    except OSError:
        return None
    found = difflib.get_close_matches(wanted, siblings, n=1)
    return present / found[0] if found else None
