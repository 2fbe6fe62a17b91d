"""The scoring script of the benchmarks: the same function in our workers and in the peers'. Standard library only.

`score` does what a file's path asks for, `<gate>/<work>/<number>`: work "s0.02" sleeps 20 ms, "c0.02" takes 20 ms of
processor time, "s0" does nothing. `read` reads a file that is there. At the first file that it scores a worker waits at
the gate until all workers stand there, so that start-up is told from work; the moment it goes on is left in
`<gate>/<pid>.go`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

GATE_SECONDS = 120.0
"""How long a worker waits for the others."""
_records: dict[str, int] = {}


def init() -> None:
    """Nothing to load."""


def run(mini_batch: list[str]) -> list[str]:
    """Score files: a row each."""
    return [score(file) for file in mini_batch]


def score(file: str) -> str:
    """Do what a file asks for; return its path."""
    gate, work, _ = file.rsplit("/", 2)
    if gate not in _records:
        _records[gate] = _pass(Path(gate))
    seconds = float(work[1:])
    if seconds and work[0] == "s":
        time.sleep(seconds)
    elif seconds:
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
    if _records[gate] >= 0:
        os.write(_records[gate], f"{file} {time.monotonic()}\n".encode())
    return file


def read(file: str) -> str:
    """Return a file's own name and the sum of its bytes."""
    with open(file, "rb") as content:  # noqa: PTH123 - the quickest way
        return digest(file, content.read())


def digest(file: str, content: bytes) -> str:
    """Return the row of a file."""
    return f"{file.rpartition('/')[2]} {sum(content)}"


def _pass(gate: Path) -> int:
    """Wait for the other workers; return a descriptor for what this one finishes, or -1 when nobody asks."""
    workers = int((gate / "workers").read_text())
    (gate / f"{os.getpid()}.here").touch()
    until = time.monotonic() + GATE_SECONDS
    while len(list(gate.glob("*.here"))) < workers:
        if time.monotonic() > until:
            raise TimeoutError(f"less than {workers} workers came to work")
        time.sleep(0.002)
    (gate / f"{os.getpid()}.go").write_text(str(time.monotonic()))
    if not (gate / "record").exists():
        return -1
    return os.open(gate / f"{os.getpid()}.done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
