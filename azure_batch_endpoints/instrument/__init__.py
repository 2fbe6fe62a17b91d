"""The driver that a deployment with ``instrument=True`` runs: one file, made of the worker's own pieces.

The pieces are modules of ``local/worker``, read as texts: they know only the standard library of Python 3.7. What the
driver writes is read by ``_cloud``. Pure: files of this package in, text out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath

__all__ = ["DRIVER", "driver_path", "driver_text", "is_driver"]

DRIVER = "_abe_driver.py"
"""Name of the file that goes up beside the scoring script."""
_WORKER = Path(__file__).parents[1] / "local" / "worker"
_PARTS = ("rows", "columns", "sources", "telling", "account", "driver")
"""Each after those it imports."""
_TOP = """# Made by azure-batch-endpoints: instrument=True of a deployment. It runs the scoring script named in SCRIPT
# and keeps account of each mini-batch under _abe/ in the job's output. Nothing of it changes what the script does.
from __future__ import annotations

import builtins
import sys

__builtins__ = dict(vars(builtins))  # scripts replace functions such as open: this file keeps to its own
# The code folder may hold modules called like those of the library that this file needs: they are the script's.
_path, _loaded = sys.path[:], set(sys.modules)
_code = [one for one in _path if __file__.startswith(one.rstrip("/") + "/") or not one]
sys.path[:] = [one for one in _path if one not in _code]
"""
_AFTER_IMPORTS = """
sys.path[:] = _path
for _name in set(sys.modules) - _loaded:
    _file = _name.partition(".")[0]
    if any(os.path.exists(os.path.join(one, _file + end)) for one in _code for end in ("", ".py")):
        del sys.modules[_name]
"""


def driver_path(scoring_script: str) -> str:
    """Return where the driver stands in the code folder: beside the script that it wraps."""
    return (PurePosixPath(scoring_script).parent / DRIVER).as_posix()


def is_driver(scoring_script: str | None) -> bool:
    """Whether a deployment's script is the driver."""
    return PurePosixPath(scoring_script or "").name == DRIVER


def driver_text(scoring_script: str) -> str:
    """Return the driver for a script, named relative to the code folder.

    The text is the same for the same script and the same release, so code that did not change is found again.
    """
    return _template().replace('"@SCRIPT@"', ascii(PurePosixPath(scoring_script).as_posix()), 1)


@cache
def _template() -> str:
    texts = [(_WORKER / f"{name}.py").read_text(encoding="utf-8") for name in _PARTS]
    imports = sorted({line for text in texts for line in _imports(text)})
    bodies = [f"\n\n# {name}\n{_body(text)}" for name, text in zip(_PARTS, texts, strict=True)]
    return "".join([_TOP, "\n".join(imports), "\n", _AFTER_IMPORTS, *bodies])


def _imports(text: str) -> list[str]:
    """Return a module's imports from the standard library."""
    import ast

    found = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return [
        ast.unparse(node)
        for node in found
        if isinstance(node, ast.Import) or not (node.level or node.module == "__future__")
    ]


def _body(text: str) -> str:
    """Return a module without its docstring and its imports."""
    import ast

    lines, nodes = text.splitlines(), ast.parse(text).body
    for place, node in enumerate(nodes):
        if isinstance(node, ast.Import | ast.ImportFrom) or (place == 0 and isinstance(node, ast.Expr)):
            lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return "\n".join(lines).strip("\n") + "\n"
