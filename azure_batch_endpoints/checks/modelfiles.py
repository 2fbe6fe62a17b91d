"""Whether a model's files can be loaded, as far as their bytes tell: nothing is unpickled, no code of theirs runs."""

from __future__ import annotations

import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from azure_batch_endpoints.checks.findings import Finding

PICKLES = {".pkl", ".pickle", ".joblib", ".sav"}
_OTHERS = {".pt", ".pth", ".onnx", ".h5", ".hdf5", ".keras", ".bin", ".model", ".npz", ".npy", ".safetensors", ".cbm"}
_LFS = b"version https://git-lfs.github.com/spec/"
_WHOLE = 16 << 20
"""Bytes up to which a pickle is walked through; of a larger one only both ends are looked at."""
_MOST_INFLATED = 256 << 20
_MOST_STEPS = 1_000_000
_JOBLIB = b"joblib"


@dataclass
class Pickle:
    """What a pickle is made of.

    Attributes:
        fault: why it cannot be loaded; empty when nothing is known against it.
        needs: modules and names that loading it imports, such as ``("sklearn.svm", "SVC")``.
    """

    fault: str = ""
    needs: set[tuple[str, str]] = field(default_factory=set)


def check_model_file(path: Path, *, used: bool) -> Iterator[Finding]:
    """Look at one file of a model.

    Args:
        path: the file.
        used: whether the deployment surely loads it, so that a fault is an error.
    """
    if path.suffix.lower() not in PICKLES | _OTHERS:
        return
    try:
        fault = fault_of(path)
    except OSError as error:
        fault = f"cannot be read ({error.strerror}). Check its permissions"
    if fault:
        yield Finding("error" if used else "warning", f"The model file '{path}' {fault}.", path)


def fault_of(path: Path) -> str:
    """Return why a model file cannot be loaded; empty when nothing is known against it."""
    with path.open("rb") as stream:
        head = stream.read(200)
    if not head:
        return "is empty. Save the model again, or copy the file again"
    if head.startswith(_LFS):
        return "is a pointer of Git LFS, not the model. Fetch it with 'git lfs pull'"
    if head.lstrip()[:15].lower().startswith((b"<!doctype", b"<html")):
        return "is a web page, not a model: its download went wrong. Fetch it again"
    if head.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(path):
        return "breaks off: it is not the whole archive. Copy or download it again"
    return pickle_of(path).fault if path.suffix.lower() in PICKLES else ""


def pickle_of(path: Path) -> Pickle:
    """Look through a pickle file without loading it."""
    size = path.stat().st_size
    if not size:
        return Pickle("is empty. Save the model again, or copy the file again")
    with path.open("rb") as stream:
        head = stream.read(2)
        stream.seek(-1, 2)
        last = stream.read(1)
    broken = "breaks off: its end is missing. Save, copy or download it again"
    if head[:1] == b"\x78":
        return Pickle("" if size > _WHOLE or _inflates(path) else broken)
    if head == b"PK" or head[:2] in {b"\x1f\x8b", b"BZ", b"\xfd7", b"]\x00"} or head[:1] == b"\x04":
        return Pickle()  # an archive, or compressed by gzip, bzip2, xz, lzma or lz4
    if size > _WHOLE:
        return Pickle("" if last == b"." else broken)
    return _walked(path.read_bytes(), broken)


def _inflates(path: Path) -> bool:
    """Whether a file that zlib compressed, as joblib does, is whole."""
    engine = zlib.decompressobj()
    left = _MOST_INFLATED
    try:
        with path.open("rb") as stream:
            while chunk := engine.unconsumed_tail or stream.read(1 << 16):
                left -= len(engine.decompress(chunk, 1 << 20))
                if left < 0:
                    return True  # as far as was looked
        engine.flush()
    except zlib.error:
        return False
    return engine.eof


def _walked(data: bytes, broken: str) -> Pickle:
    """Walk through a pickle's steps; joblib puts bare arrays between them, which end the walk early."""
    found = Pickle()
    texts: list[str] = []
    memo: dict[int, str] = {}
    steps = 0
    try:
        for code, argument, _ in pickletools.genops(data):
            steps += 1
            if code.name == "STOP":
                return found
            if steps > _MOST_STEPS:
                break
            _note(code.name, argument, texts, memo, found)
    except Exception as error:  # noqa: BLE001 (pickletools raises what it likes on bytes that are no pickle)
        if _JOBLIB not in data:
            what = (
                broken
                if data[:1] == b"\x80"
                else f"is no pickle, or no whole one ({str(error).partition(',')[0]}). Save the model again"
            )
            return Pickle(what, found.needs)
    found.fault = "" if data[-1:] == b"." else broken
    return found


def _note(name: str, argument: object, texts: list[str], memo: dict[int, str], found: Pickle) -> None:
    """Keep track of the texts on the stack, of which ``STACK_GLOBAL`` takes the last two for module and name."""
    if "UNICODE" in name and isinstance(argument, str):
        texts.append(argument)
    elif name == "MEMOIZE":
        memo[len(memo)] = texts[-1] if texts else ""
    elif name in {"BINPUT", "LONG_BINPUT", "PUT"} and texts:
        memo[int(str(argument))] = texts[-1]
    elif name in {"BINGET", "LONG_BINGET", "GET"}:
        texts.append(memo.get(int(str(argument)), ""))
    elif name == "STACK_GLOBAL" and len(texts) > 1:
        found.needs.add((texts[-2], texts[-1]))
    elif name == "GLOBAL" and isinstance(argument, str):
        module, _, what = argument.partition(" ")
        found.needs.add((module, what))
