"""Where progress can be drawn, and the bar for that place. The one home of tqdm."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any


def wanted(asked: bool | None) -> bool:  # noqa: FBT001 (the user's own switch, passed on)
    """Whether to draw: as asked, else when stderr is a terminal or this is a notebook."""
    return asked if asked is not None else in_notebook() or on_terminal()


def on_terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel; Colab and others have a shell of their own, made of Jupyter's."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = ask() if callable(ask) else None
    return any(kind.__name__ == "ZMQInteractiveShell" for kind in type(shell).__mro__)


def tqdm() -> Any:  # noqa: ANN401 (two classes without a common base)
    """Return the class of bars for this place."""
    if in_notebook() and find_spec("ipywidgets"):
        from tqdm.notebook import tqdm as notebook_bar

        return notebook_bar
    from tqdm import tqdm as bar

    return bar
