"""Progress bars on stderr, in a notebook or on a terminal. The one home of tqdm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure_batch_endpoints._storage.upload import UploadStep
    from azure_batch_endpoints.items import JobProgress


_LONGEST_LABEL = 24
"""Characters of a job's name before a bar: a made-up name is longer than half a terminal."""


def wanted(asked: bool | None) -> bool:  # noqa: FBT001 (the user's own switch, passed on)
    """Whether to draw: as asked, else when stderr is a terminal or this is a notebook."""
    return asked if asked is not None else _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


@contextmanager
def job_bar(name: str, *, show: bool | None) -> Iterator[Callable[[JobProgress | None, str], None]]:
    """Draw a job's progress in input files; yields the function that takes progress and status."""
    if not wanted(show):
        yield _draw_nothing
        return
    label = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"
    # the service knows the rate of scoring; the bar itself would take what was done before it was drawn for speed
    form = "{l_bar}{bar}| {n_fmt}/{total_fmt} files [{elapsed}{postfix}]"
    bar = _tqdm()(desc=label, file=sys.stderr, dynamic_ncols=True, bar_format=form)

    def update(progress: JobProgress | None, status: str) -> None:
        bar.set_description_str(f"{label}: {status}", refresh=False)
        if progress is not None:
            if progress.items_total != bar.total:
                bar.total = progress.items_total
            failed = f"{progress.items_failed:,} failed" if progress.items_failed else ""
            bar.set_postfix_str(", ".join(filter(None, (progress.pace, failed))), refresh=False)
            bar.n = progress.items_done
        bar.refresh()

    try:
        yield update
    finally:
        bar.close()


@contextmanager
def upload_bar(*, show: bool | None = None) -> Iterator[Callable[[UploadStep], None] | None]:
    """Draw uploads in bytes and files; yields what the upload reports to, or None when nothing is to be drawn."""
    if not wanted(show):
        yield None
        return
    bars: dict[str, Any] = {}

    def update(step: UploadStep) -> None:
        if step.name not in bars:
            total = step.bytes_total
            bars[step.name] = _tqdm()(
                desc=f"Uploading {step.name}", total=total, unit="B", unit_scale=True, file=sys.stderr
            )
        bar = bars[step.name]
        bar.set_postfix_str(f"{step.files_done:,} of {step.files_total:,} files", refresh=False)
        bar.update(step.bytes_done - bar.n)  # draws ten times a second at most
        if step.files_done == step.files_total and step.bytes_done >= step.bytes_total:
            bar.close()

    try:
        yield update
    finally:
        for bar in bars.values():
            bar.close()


def _draw_nothing(_progress: JobProgress | None, _status: str) -> None:
    return


def _tqdm() -> Any:  # noqa: ANN401 (two classes without a common base)
    if _in_notebook() and find_spec("ipywidgets"):
        from tqdm.notebook import tqdm as notebook_bar

        return notebook_bar
    from tqdm import tqdm

    return tqdm


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"
