"""Starts a worker: `python <this folder> <socket> <lifeline> <stacks> <tickets>` (descriptors).

The folder is loaded as a package of a name that no script uses, and sees a copy of the built-in functions: a script
may have modules called like those here, and may replace `open` or `len`.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys

NAME = "_azure_batch_endpoints_worker"
PARTS = ("", ".channel", ".memory", ".rows", ".columns", ".sources", ".telling", ".script", ".streams", ".program")
"""Each after those it imports."""


def load(folder: str) -> None:
    """Load the package's modules."""
    own = dict(vars(builtins))
    for part in PARTS:
        path = os.path.join(folder, (part[1:] or "__init__") + ".py")
        spec = importlib.util.spec_from_file_location(
            NAME + part, path, submodule_search_locations=None if part else [folder]
        )
        if spec is None or spec.loader is None:
            raise ImportError(path)
        module = importlib.util.module_from_spec(spec)
        vars(module)["__builtins__"] = own
        sys.modules[NAME + part] = module
        spec.loader.exec_module(module)


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    if os.path.abspath(sys.path[0]) == here:  # Python put it there; the script's folder takes its place
        del sys.path[0]
    load(here)
    sys.modules[NAME + ".program"].main()
