"""Pairs of a request and its answer, one file an operation; both sides of the wire are run on them.

Shapes are those of the service's recorded answers; ids are made up. ``{ws}`` is the workspace's id. In an answer
``<text>``, ``<time>``, ``<url>`` and ``<list>`` stand for what varies, ``<any>`` for anything, and a key ``<more>``
allows further keys; ``<empty>`` is an answer without any body. ``{child}`` in a request is the run id that the pair
``run-children`` answered. ``after`` names the pairs that must have been sent before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure_batch_endpoints._wire.routes import WorkspacePath

FOLDER = Path(__file__).parent / "pairs"
NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))


@dataclass(frozen=True)
class Pair:
    """One operation."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int
    answer_headers: list[str]
    answer: Any
    after: list[str]


def pair(name: str, path: WorkspacePath) -> Pair:
    """Read a pair, its placeholders for the workspace filled in."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    for mark, value in {
        "{ws}": str(path),
        "{sub}": path.subscription_id,
        "{rg}": path.resource_group,
        "{name}": path.name,
    }.items():
        text = text.replace(mark, value)
    read = json.loads(text)
    request, answer = read["request"], read["answer"]
    return Pair(
        request["method"],
        request["path"],
        request.get("headers", {}),
        request.get("body"),
        answer["status"],
        answer["headers"],
        answer["body"],
        read.get("after", []),
    )


def differences(expected: Any, found: Any, where: str = "") -> list[str]:  # noqa: ANN401 (JSON of any shape)
    """Say where an answer is not as the pair says; nothing when it is."""
    if expected == "<any>":
        return []
    if isinstance(expected, dict) and isinstance(found, dict):
        return _keys(expected, found, where)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = zip(expected, found, strict=True)
        return [one for at, (a, b) in enumerate(pairs) for one in differences(a, b, f"{where}[{at}]")]
    if expected in ("<text>", "<time>") and isinstance(found, str) and found:
        return []
    if expected == "<url>" and isinstance(found, str) and "://" in found:
        return []
    if expected == "<list>" and isinstance(found, list):
        return []
    return [] if expected == found else [f"{where}: {found!r}, not {expected!r}"]


def _keys(expected: dict[str, Any], found: dict[str, Any], where: str) -> list[str]:
    more = "<more>" in expected
    wrong = [f"{where}.{key} is missing" for key in expected if key not in found and key != "<more>"]
    wrong += [f"{where}.{key} is new" for key in found if key not in expected and not more]
    for key in expected.keys() & found.keys():
        wrong += differences(expected[key], found[key], f"{where}.{key}")
    return wrong
