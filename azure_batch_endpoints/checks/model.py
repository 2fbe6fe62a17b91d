"""The model on this machine: is what the script opens below AZUREML_MODEL_DIR there, and are its files whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from azure_batch_endpoints._storage.ignoring import Ignored
from azure_batch_endpoints.checks.findings import Finding, listed
from azure_batch_endpoints.checks.places import MODEL, Place, Places, Use
from azure_batch_endpoints.checks.source import Script, certain

MOST_FILES = 5_000
"""Files of a folder that are looked at; of one with more, nothing is said about names."""


@dataclass(frozen=True)
class ModelTree:
    """What AZUREML_MODEL_DIR will hold: the registered file or folder under its own name."""

    path: Path
    names: tuple[str, ...]
    """Files and folders below AZUREML_MODEL_DIR, with ``/``."""
    whole: bool
    """False when there are more than were looked at."""

    @classmethod
    def of(cls, path: Path) -> ModelTree:
        """Look at a local model."""
        name = Path(os.path.abspath(path)).name  # noqa: PTH100 (resolve would lose a link's own name)
        if not path.is_dir():
            return cls(path, (name,), whole=True)
        ignored = Ignored.of(path)
        found = list(islice(below(path, ignored), MOST_FILES + 1))
        names = (name, *(f"{name}/{one}" for one in found[:MOST_FILES]))
        return cls(path, names, whole=len(found) <= MOST_FILES)

    def holds(self, below_dir: str) -> bool:
        """Whether a path is there, or begins names as those of checkpoints do (``m.ckpt`` of ``m.ckpt.index``)."""
        wanted = below_dir.rstrip("/")
        return any(one == wanted or one.startswith((f"{wanted}.", f"{wanted}-", f"{wanted}_")) for one in self.names)


def below(folder: Path, ignored: Ignored) -> Iterator[str]:
    """Yield files and folders of a folder, without what its ignore file leaves out."""
    for root, folders, files in os.walk(folder, followlinks=True):
        base = Path(root).relative_to(folder)
        names = {one: (base / one).as_posix() for one in sorted((*folders, *files))}
        folders[:] = sorted(one for one in folders if not ignored.matches(names[one]))
        kept = set(folders)
        yield from (name for one, name in names.items() if one in kept or not ignored.matches(name))


def check_model_paths(script: Script, tree: ModelTree) -> list[Finding]:
    """Compare the paths a script builds below AZUREML_MODEL_DIR with what will be there."""
    if not tree.whole:
        return []
    missing: dict[Place, Use] = {}
    for use in Places(script).uses():
        usable = use.place.base == MODEL and use.role in {"", "read"} and "*" not in use.place.below
        if usable and not tree.holds(use.place.below):
            known = missing.get(use.place)
            missing[use.place] = use if known is None or (use.role == "read" and known.role != "read") else known
    init = script.functions.get("init")
    sure = {id(one) for one in chain(certain(script.tree.body), certain(init.body) if init else ())}
    longest = [one for place, one in missing.items() if not _leads_to(place, missing)]
    return [_missing(one, tree, script, sure=id(one.node) in sure and one.role == "read") for one in longest]


def _leads_to(place: Place, others: dict[Place, Use]) -> bool:
    """Whether a longer path that is missing too begins with this one."""
    return any(one != place and one.parts[: len(place.parts)] == place.parts for one in others)


def _missing(use: Use, tree: ModelTree, script: Script, *, sure: bool) -> Finding:
    wanted = use.place.below
    ending = [one for one in tree.names if Path(one).name == Path(wanted).name]
    there = [one for one in tree.names if one.count("/") <= 1]
    remedy = " Correct the path, or the model of the deployment."
    if ending:
        inside = ", ".join(f'"{part}"' for part in ending[0].split("/"))
        remedy = f' Write os.path.join(os.environ["{MODEL}"], {inside}): it holds the registered file or folder itself.'
    text = f"'{wanted}' is not in {MODEL}: for the model '{tree.path}' it will hold {listed(there)}.{remedy}"
    return Finding("error" if sure else "warning", text, script.path, use.node.lineno)
