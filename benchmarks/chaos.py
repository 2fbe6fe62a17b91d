"""Jobs under random kills, compared byte for byte with the same jobs left in peace.

    python -m benchmarks.chaos [--minutes 10] [--rounds N] [--seed N] [--scenes lists,hangs] [--storage azurite]

Each round starts a real service, uploads and invokes some jobs at once and meanwhile kills (-9) a worker, all workers,
the service with its blob endpoint, or stops and continues them. Then every job must have ended as it ends
undisturbed, with the same files, the same rows and each input accounted for, and nothing may be left behind. The first
difference ends the run with its seed and the line that repeats the round.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from azure_batch_endpoints import (
    BatchClient,
    DeploymentSpec,
    EndpointSpec,
    Job,
    RetrySettings,
    RunSettings,
    local_path,
)
from azure_batch_endpoints.errors import (
    BatchEndpointsError,
    LocalServiceError,
    NotFoundError,
    ResultsError,
    ServerError,
    TransportError,
    UploadError,
)
from benchmarks.chaos_disturber import Disturber, left_behind
from benchmarks.chaos_scenes import SCENES, Scene

T = TypeVar("T")
WORKERS = 3
PATIENCE = 240.0
"""Seconds in which a round's jobs must have ended."""
_ACCOUNT = "_ledger.jsonl"


class Difference(Exception):
    """What a disturbed job did otherwise than an undisturbed one."""


@dataclass(frozen=True)
class Ended:
    """What is left of a job: its status, the files it wrote, the status of each input."""

    status: str
    files: dict[str, bytes]
    items: list[tuple[str, str]]


class Field:
    """One root folder, its service, and the jobs of a round on it."""

    def __init__(self, folder: Path, root: Path, storage: str | None) -> None:
        self.root = root
        self._folder = folder
        self._storage = storage
        self._lock = threading.Lock()
        self._clients = [self._joined()]

    def close(self) -> None:
        """Leave the service, which ends."""
        for client in self._clients:
            client.close()

    def score(self, scenes: Sequence[Scene], name: str, rng: random.Random) -> list[Ended]:
        """Run a job of each scene, all at once, and return what became of them in the scenes' order."""
        moments = [rng.uniform(0.2, 2.0) for _ in scenes]
        with ThreadPoolExecutor(len(scenes)) as pool:
            ended = [
                pool.submit(self._run, scene, f"{scene.name}-{name}", moment)
                for scene, moment in zip(scenes, moments, strict=True)
            ]
            return [one.result() for one in ended]

    def _run(self, scene: Scene, name: str, moment: float) -> Ended:
        self._insist(lambda client: self._invoke(client, scene, name))
        if scene.cancel:
            time.sleep(moment)
            self._insist(lambda client: client.jobs.get(name).cancel())
        job = self._insist(lambda client: client.jobs.get(name).wait(timeout=PATIENCE, raise_on_failure=False))
        return Ended(job.status.value, *self._insist(lambda client: self._left(client.jobs.get(name))))

    def _invoke(self, client: BatchClient, scene: Scene, name: str) -> Job:
        with contextlib.suppress(NotFoundError):  # the answer to an earlier try was lost
            return client.jobs.get(name)
        endpoint = client.endpoints.create(EndpointSpec(name=scene.name))
        marks = self._folder / "marks"
        marks.mkdir(exist_ok=True)
        settings = {"mini_batch_size": 3, "max_concurrency_per_instance": 2, **scene.settings}
        retries = RetrySettings(max_retries=scene.tries, timeout=scene.timeout)
        spec = DeploymentSpec(
            name="blue",
            model=self._folder / "model.txt",
            code=self._folder / "code" / scene.name,
            scoring_script="score.py",
            settings=RunSettings(retry_settings=retries, environment_variables={"CHAOS_MARKS": str(marks)}, **settings),
        )
        endpoint.deployments.create(spec)
        return endpoint.invoke(local_path(self._folder / "data" / scene.name), deployment="blue", job_name=name)

    def _left(self, job: Job) -> tuple[dict[str, bytes], list[tuple[str, str]]]:
        items = [(item.path, str(item.status)) for item in job.items()]
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.suppress(ResultsError):  # it wrote nothing
                job.results.download(folder)
            files = {
                str(file.relative_to(folder)): file.read_bytes() for file in Path(folder).rglob("*") if file.is_file()
            }
        return files, items

    def _insist(self, do: Callable[[BatchClient], T]) -> T:
        """Do something with a service that is killed now and then, as a patient user would."""
        deadline = time.monotonic() + PATIENCE
        while True:
            client = self._clients[-1]
            try:
                return do(client)
            except (TransportError, ServerError, UploadError, LocalServiceError):
                if time.monotonic() > deadline:
                    raise
                with self._lock:  # it starts its service again itself, but not for ever
                    if client is self._clients[-1]:
                        self._clients.append(self._joined())

    def _joined(self) -> BatchClient:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return BatchClient.local(self.root, workers=WORKERS, storage=self._storage)
            except LocalServiceError:  # killed while it started
                if time.monotonic() > deadline:
                    raise


def prepare(folder: Path, scenes: Sequence[Scene], rng: random.Random) -> int:
    """Write a round's model, scripts and inputs; return how many inputs there are."""
    folder.mkdir(parents=True)
    (folder / "model.txt").write_text("model", encoding="utf-8")
    files = 0
    for scene in scenes:
        scene.write_script(folder / "code" / scene.name)
        files += scene.write_inputs(folder / "data" / scene.name, rng)
    return files


def compare(scene: Scene, calm: Ended, shaken: Ended) -> None:
    """Raise `Difference` unless the disturbed job is as good as the undisturbed one."""
    if shaken.status not in scene.ends:
        raise Difference(f"{scene.name}: ended {shaken.status}, not {' or '.join(scene.ends)}")
    if shaken.status == "Canceled" and {path for path, _ in shaken.items} <= {path for path, _ in calm.items}:
        return  # perhaps before all inputs were listed
    if sorted(path for path, _ in shaken.items) != sorted(path for path, _ in calm.items):
        counts = f"{len(shaken.items)} instead of {len(calm.items)}"
        raise Difference(f"{scene.name}: the ledger holds other inputs ({counts})")
    if shaken.status != calm.status and not scene.cancel:  # a job may end before its cancel
        raise Difference(f"{scene.name}: ended {shaken.status}, undisturbed {calm.status}")
    if shaken.status != calm.status or shaken.status != "Completed":
        return  # how far a job came that was stopped is a matter of time
    if shaken.items != calm.items:
        other = [pair for pair in zip(shaken.items, calm.items, strict=True) if pair[0] != pair[1]]
        raise Difference(f"{scene.name}: {len(other)} inputs ended otherwise, the first: {other[0]}")
    names = sorted(name for name in {*calm.files, *shaken.files} if calm.files.get(name) != shaken.files.get(name))
    if other_files := [name for name in names if Path(name).name != _ACCOUNT]:  # it tells of workers and tries
        raise Difference(f"{scene.name}: other bytes in {other_files}")


def check_root(root: Path) -> None:
    """Raise `Difference` when a database is damaged, a process or staged file is left."""
    deadline = time.monotonic() + 15
    while (left := left_behind(root)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if left:
        raise Difference(f"processes are left: {left}")
    for database in (*root.rglob("*.sqlite"), root / "blobs" / "index.db"):
        if database.exists():
            with contextlib.closing(sqlite3.connect(f"file:{urllib.parse.quote(str(database))}", uri=True)) as opened:
                said = opened.execute("PRAGMA integrity_check").fetchall()
            if said != [("ok",)]:
                raise Difference(f"{database} is damaged: {said}")
    staged = [str(file) for file in root.glob("jobs/*/inputs/**/*") if file.is_file()]
    if staged:
        raise Difference(f"{len(staged)} staged files are left, the first: {staged[0]}")


def play(
    seed: int,
    scenes: Sequence[Scene],
    folder: Path,
    *,
    storage: str | None = None,
    every: tuple[float, float],
    most: int,
) -> tuple[int, collections.Counter[str]]:
    """Play one round; return how many files were scored under how many disturbances.

    Args:
        seed: of everything that is drawn by lot.
        scenes: the jobs.
        folder: takes everything; new.
        storage: as `BatchClient.local` takes it.
        every: seconds between disturbances, least and most.
        most: disturbances at most, so that the jobs come to an end.

    Raises:
        Difference: something is not as in the undisturbed run.
    """
    rng = random.Random(seed)
    files = prepare(folder, scenes, rng)
    with contextlib.closing(Field(folder, folder / "calm", storage)) as field:
        calm = field.score(scenes, "calm", random.Random(seed))
    check_root(folder / "calm")
    for scene, ended in zip(scenes, calm, strict=True):
        compare(scene, ended, ended)
    field = Field(folder, folder / "shaken", storage)
    disturber = Disturber(field.root, rng, every=every, most=most)
    disturber.start()
    try:
        shaken = field.score(scenes, "shaken", random.Random(seed))
    finally:
        disturber.rest()
        field.close()
    for scene, before, after in zip(scenes, calm, shaken, strict=True):
        compare(scene, before, after)
    check_root(folder / "shaken")
    return files, disturber.done


def main() -> None:
    """Play rounds until the time is over or something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--scenes", default="", help="names, comma between; default: some drawn by lot each round")
    parser.add_argument("--storage", default=None, help="azurite, or nothing for the embedded store")
    parser.add_argument("--keep", type=Path, default=None, help="folder that takes the rounds and is not removed")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    wanted = [scene for scene in SCENES if scene.name in given.scenes.split(",")]
    over, played, files, total = time.monotonic() + 60 * given.minutes, 0, 0, collections.Counter[str]()
    while time.monotonic() < over and (given.rounds is None or played < given.rounds):
        scenes = wanted or random.Random(seed).sample(SCENES, 3)
        names = ",".join(scene.name for scene in scenes)
        folder = (given.keep or Path(tempfile.gettempdir())) / f"chaos-{os.getpid()}-{seed}"
        began = time.monotonic()
        try:
            scored, done = play(seed, scenes, folder, storage=given.storage, every=(0.05, 0.8), most=60)
        except (Difference, BatchEndpointsError) as error:
            print(f"seed {seed}: {type(error).__name__}: {error}\nkept: {folder}")
            print(f"again: python -m benchmarks.chaos --seed {seed} --rounds 1 --scenes {names}")
            sys.exit(1)
        shutil.rmtree(folder)
        played, seed, files = played + 1, seed + 1, files + scored
        total.update(done)
        print(f"seed {seed - 1}: {names}: {scored} files, {time.monotonic() - began:.0f} s, {dict(done)}", flush=True)
    print(f"{played} rounds, {files} files, nothing lost or doubled; {dict(total)}")


if __name__ == "__main__":
    main()
