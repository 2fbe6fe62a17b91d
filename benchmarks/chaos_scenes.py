"""What the chaos run scores: scripts of many kinds and inputs of many shapes, all with a result that can be foretold.

A script may fail, hang, exit or fork, but what becomes of each file depends on the file alone; so a run that is
disturbed must end with the very bytes of one that is not.
"""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_COMMON = """
import hashlib, os, pathlib, sys, time

def name(path): return os.path.basename(path)
def digest(path): return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:16]
def first_time(path):
    mark = hashlib.sha256((os.environ["AZUREML_ROOT_RUN_ID"] + name(path)).encode()).hexdigest()
    try:
        os.close(os.open(os.path.join(os.environ["CHAOS_MARKS"], mark), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True

def init(): pass
"""
_LISTS = "def run(mini_batch): return [f'{name(one)} {digest(one)}' for one in mini_batch]"
_TUPLE = "def run(mini_batch): return tuple(f'{name(one)},{digest(one)}' for one in mini_batch)"
_NUMPY = """
def run(mini_batch):
    import numpy
    return numpy.array([digest(one) for one in mini_batch])
"""
_FRAME = """
def run(mini_batch):
    import pandas
    rows = [{"file": name(one), "size": os.path.getsize(one), "digest": digest(one)} for one in mini_batch]
    return pandas.DataFrame(rows)
"""
_SUMMARY = """
def run(mini_batch):
    for one in mini_batch:
        target = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "by", digest(one)[:1], digest(one) + ".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(name(one) * 50)
    return list(mini_batch)
"""
_SLOW = "def run(mini_batch):\n    time.sleep(0.03)\n    return [f'{name(one)} {digest(one)}' for one in mini_batch]"
_SLOW_INIT = """
def init(): time.sleep(0.4)
def run(mini_batch): return [digest(one) for one in mini_batch]
"""
_FLAKY = """
def run(mini_batch):
    for one in mini_batch:
        if int(digest(one), 16) % 3 == 0 and first_time(one):
            raise ConnectionError(f"no luck with {name(one)}")
    return [digest(one) for one in mini_batch]
"""
_BAD = """
def run(mini_batch):
    for one in mini_batch:
        if "bad" in name(one): raise ValueError(f"cannot read {name(one)}")
    return [digest(one) for one in mini_batch]
"""
_SHORT = "def run(mini_batch): return [digest(one) for one in mini_batch if 'bad' not in name(one)]"
_EXIT = """
def run(mini_batch):
    for one in mini_batch:
        if "bad" in name(one): sys.exit(f"enough of {name(one)}")
        if int(digest(one), 16) % 5 == 0 and first_time(one): os._exit(7)
    return [digest(one) for one in mini_batch]
"""
_HANG = """
def run(mini_batch):
    for one in mini_batch:
        if "bad" in name(one): time.sleep(3600)
    return [digest(one) for one in mini_batch]
"""
_FORK = """
import subprocess
def run(mini_batch):
    child = os.fork()
    if child == 0: os._exit(0)
    os.waitpid(child, 0)
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    os.chdir("/")
    print("x" * 5000)
    return [digest(one) for one in mini_batch]
"""
_RUDE = """
import signal
def init():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdout.close()
def run(mini_batch):
    time.sleep(0.02)
    return [digest(one) for one in mini_batch]
"""
_BIG = "def run(mini_batch): return [digest(one) * 20_000 for one in mini_batch]"
_EMPTY = "def run(mini_batch): return [''] * len(mini_batch)"


@dataclass(frozen=True)
class Scene:
    """One kind of job.

    Attributes:
        name: what it is called; part of endpoint and job names.
        script: the scoring script.
        files: how many inputs, at most.
        tries: tries of a mini-batch.
        timeout: seconds of one ``run``.
        settings: further settings of the deployment.
        bad: whether some files are named so that the script cannot do with them.
        ends: how the job must end.
        cancel: cancel it at some moment.
    """

    name: str
    script: str
    files: int = 60
    tries: int = 25
    timeout: int = 60
    settings: Mapping[str, Any] = field(default_factory=dict)
    bad: bool = False
    ends: tuple[str, ...] = ("Completed",)
    cancel: bool = False

    def write_script(self, folder: Path) -> None:
        """Write ``score.py``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "score.py").write_text(_COMMON + textwrap.dedent(self.script), encoding="utf-8")

    def write_inputs(self, folder: Path, rng: random.Random) -> int:
        """Write inputs of many shapes and return how many there are."""
        count = rng.choice([1, 7, self.files, self.files, self.files])
        shape = rng.choice(_SHAPES)
        for number in range(count):
            word = "bad" if self.bad and count > 1 and number % 11 == 3 else "good"
            file = folder / shape(number, word)
            file.parent.mkdir(parents=True, exist_ok=True)
            # The number makes each content one of its own: files of the same bytes would share a digest.
            file.write_bytes(f"{number} {rng.random()} ".encode() + rng.randbytes(rng.choice([0, 9, 900, 90_000])))
        return count


_SHAPES: list[Callable[[int, str], str]] = [
    lambda number, word: f"{number:05}-{word}.txt",
    lambda number, word: f"day {number % 3}/{number // 3 % 2}/{word} {number}.bin",
    lambda number, word: f"äöü ß/{word}-日本-{number}.dat",
    lambda number, word: f"a+b&c=d%20/{word}'{number}' (copy)#1.txt",
]
_ENDS = ("Failed", "Completed")  # of a single good file nothing can fail
SCENES = (
    Scene("lists", _LISTS, files=400),
    Scene("many", _LISTS, files=2500, settings={"mini_batch_size": 7}),
    Scene("tuples", _TUPLE),
    Scene("numpy", _NUMPY, files=30),
    Scene("frames", _FRAME, files=80),
    Scene("summary", _SUMMARY, files=150, settings={"output_action": "summary_only"}),
    Scene("slow", _SLOW, files=120, settings={"mini_batch_size": 1}),
    Scene("slow-init", _SLOW_INIT),
    Scene("flaky", _FLAKY, files=80),
    Scene("bad-files", _BAD, files=90, tries=8, bad=True),
    Scene("short", _SHORT, files=90, tries=8, bad=True),
    Scene("exits", _EXIT, files=40, tries=8, bad=True),
    Scene("hangs", _HANG, files=24, tries=5, timeout=1, bad=True),
    Scene("forks", _FORK, files=30),
    Scene("rude", _RUDE),
    Scene("big-rows", _BIG, files=40),
    Scene("empty-rows", _EMPTY),
    Scene("too-many-bad", _BAD, files=90, tries=4, bad=True, settings={"error_threshold": 2}, ends=_ENDS),
    Scene("cancelled", _SLOW, files=150, ends=("Canceled", "Completed"), cancel=True),
)
