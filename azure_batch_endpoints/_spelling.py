"""What was probably meant: the nearest known word, or the nearest path that exists. For the remedies in messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

_ALIKE = 0.6
"""From here on difflib calls two words close."""


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
    found = (one for one in difflib.get_close_matches(wanted, siblings) if _is_near(wanted, one))
    return next((present / one for one in found), None)


def _is_near(wanted: str, there: str) -> bool:
    """Whether two file names are alike without their endings, which alone make 'v.yml' of 'zzz.yml'."""
    return difflib.SequenceMatcher(None, Path(wanted).stem.lower(), Path(there).stem.lower()).ratio() >= _ALIKE
