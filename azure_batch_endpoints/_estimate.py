"""What a job over many files would take, reckoned from what a dry run measured. Pure."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure_batch_endpoints import _render

if TYPE_CHECKING:
    from azure_batch_endpoints.specs import RunSettings

CLOSE = 0.5
"""Part of the time limit from which on a mini-batch is thought to be close to it."""
_OVERHEAD = 0.001
"""Seconds that a mini-batch costs beside ``run``."""


@dataclass(frozen=True)
class Estimate(_render.Card):
    """What a job over many files would take, by what a dry run measured."""

    mini_batches: int
    """Mini-batches."""
    seconds: float
    """Wall time of the scoring step, ``init()`` included; start-up of nodes left out."""
    warnings: Sequence[str] = ()
    """What would go wrong, e.g. a mini-batch that needs longer than ``retry_settings.timeout``."""
    workers: int = 1
    """Worker processes of the job, on all its nodes."""
    mini_batch_seconds: float = 0.0
    """Seconds of a full mini-batch."""
    memory: int = 0
    """Bytes that the workers of one node hold together at most."""
    rows: int | None = None
    """Rows of the output, when each file gives as many as those tried; None: not known."""
    mini_batch_size: int | None = None
    """A better ``mini_batch_size``; None: the one it was reckoned with is fine."""
    timeout: float | None = None
    """A better ``retry_settings.timeout`` in seconds for the size it was reckoned with; None: it is fine."""


@dataclass(frozen=True)
class Measured:
    """What a dry run measured.

    Attributes:
        seconds_per_file: in ``run``, a file.
        longest: path and seconds of the file that took longest by itself, or None.
        init_seconds: to start a worker.
        peak_memory: bytes of a worker.
        usable_memory: bytes this machine has for workers; None: not known.
        rows_per_file: or None.
    """

    seconds_per_file: float
    longest: tuple[str, float] | None = None
    init_seconds: float = 0.0
    peak_memory: int = 0
    usable_memory: int | None = None
    rows_per_file: float | None = None


def estimate(measured: Measured, files: int, settings: RunSettings) -> Estimate:
    """Reckon what a job takes.

    Args:
        measured: by a dry run.
        files: input files.
        settings: the job's.
    """
    size = settings.mini_batch_size
    batches = math.ceil(files / size)
    workers = settings.instance_count * settings.max_concurrency_per_instance
    each = measured.seconds_per_file * min(size, max(files, 1))
    rounds = math.ceil(batches / workers)
    better = _better_size(measured, files, settings)
    limit = settings.retry_settings.timeout
    return Estimate(
        mini_batches=batches,
        seconds=measured.init_seconds + rounds * each if batches else 0.0,
        warnings=tuple(_warnings(measured, files, settings, each)),
        workers=workers,
        mini_batch_seconds=each,
        memory=measured.peak_memory * settings.max_concurrency_per_instance,
        rows=None if measured.rows_per_file is None else round(measured.rows_per_file * files),
        mini_batch_size=better if better != size else None,
        timeout=float(10 * math.ceil(each / CLOSE / 10)) if each > CLOSE * limit else None,
    )


def _better_size(measured: Measured, files: int, settings: RunSettings) -> int:
    """Return a size of mini-batches that keeps away from the time limit and leaves no worker idle."""
    size = settings.mini_batch_size
    slowest = max(measured.seconds_per_file, measured.longest[1] if measured.longest else 0.0)
    if slowest * size > CLOSE * settings.retry_settings.timeout:
        size = max(1, int(CLOSE * settings.retry_settings.timeout / slowest))
    workers = settings.instance_count * settings.max_concurrency_per_instance
    if files and math.ceil(files / size) < workers:
        size = max(1, files // workers)
    return size


def _warnings(measured: Measured, files: int, settings: RunSettings, each: float) -> Iterator[str]:
    yield from _of_time(measured, files, settings, each)
    batches = math.ceil(files / settings.mini_batch_size)
    workers = settings.instance_count * settings.max_concurrency_per_instance
    if files == 1 and workers > 1:
        yield f"1 file for {workers} workers: a file is never divided, so one of them does it all. Split the file."
    elif files and batches < workers:
        yield f"{batches} mini-batches for {workers} workers: some stay idle. Lower mini_batch_size."
    cores = os.cpu_count() or 1
    if workers > cores:
        yield (
            f"{workers} workers are reckoned with, and this machine has {cores} cores: its local service runs "
            f"{cores} at once unless told otherwise (workers=…), and needs up to {workers / cores:.1f} times as long."
        )
    together = measured.peak_memory * settings.max_concurrency_per_instance
    if measured.usable_memory is not None and together > measured.usable_memory:
        most = max(1, measured.usable_memory // max(1, measured.peak_memory))
        yield (
            f"{settings.max_concurrency_per_instance} workers of {size_text(measured.peak_memory)} need "
            f"{size_text(together)}; this machine has {size_text(measured.usable_memory)} for them, a node in Azure "
            f"what its size says. Lower max_concurrency_per_instance (here to {most}), or load a smaller model."
        )


def _of_time(measured: Measured, files: int, settings: RunSettings, each: float) -> Iterator[str]:
    limit, size = settings.retry_settings.timeout, min(settings.mini_batch_size, max(files, 1))
    one = "file" if size == 1 else "files"
    if each > limit:
        yield (
            f"A mini-batch of {size} {one} would need {each:.1f} s, longer than "
            f"retry_settings.timeout ({limit:g} s). Lower mini_batch_size or raise timeout."
        )
    elif each > CLOSE * limit:
        yield (
            f"A mini-batch of {size} {one} would need {each:.1f} s, more than half of "
            f"retry_settings.timeout ({limit:g} s); a slower node or larger files would go above it. "
            "Lower mini_batch_size or raise timeout."
        )
    elif measured.longest is not None and measured.longest[1] * size > limit:
        path, seconds = measured.longest
        yield (
            f"'{path}' took {seconds:.3g} s by itself; {size} such files in one mini-batch would need "
            f"{seconds * size:.1f} s, longer than retry_settings.timeout ({limit:g} s). "
            "Lower mini_batch_size or raise timeout."
        )
    if files and 0 < each < _OVERHEAD:
        yield (f"A mini-batch takes {each * 1000:.2g} ms, no more than handing it out does. Raise mini_batch_size.")


def size_text(size: int) -> str:
    """Return bytes for people, e.g. ``1.4 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
