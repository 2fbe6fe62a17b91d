"""What a real notebook shows, run by a real kernel against a real service, and what a real browser makes of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.notebooks.running import executed, html_of, printed, setup
from tests.unit.test_render import is_calm

CELLS = {
    "setup": setup(),
    "deployment": "deployment",
    "spec": "spec",
    "client": "client",
    "endpoints": "client.endpoints",
    "unread": "found = client.jobs.list()\nfound",
    "watch": "job = endpoint.invoke('data', error_threshold=-1)\nprint(job.watch() is job)",
    "job": "job",
    "wait": "job.wait();",
    "read": "list(found)\nfound",
    "results": "job.results",
    "files": "job.results.files()",
    "failed": "job.failed_items()",
    "items": "items = job.items(status='failed')\nfirst = next(items)\nitems",
    "item": "first",
    "mini-batches": "batches = job.mini_batches()\nprint(sum(one.items for one in batches))\nbatches",
    "logs": "job.logs()[:3]",
    "progress": "job.progress",
    "check": "spec.check()",
    "secrets": "client.local_service",
    "stop": """
import os, signal, threading
slow = endpoint.invoke("slow")
def stop():
    while not (client.jobs.get(slow.name).progress and client.jobs.get(slow.name).progress.items_done):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)  # what the stop button does
threading.Thread(target=stop).start()
slow.watch()
""",
    "goes on": "print(slow.refresh().status.is_terminal)\nslow.cancel();",
    "close": "print(client.local_service.token, client.local_service.connection_string)\nclient.close()",
}


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The cells of a notebook that was run, by name."""
    ran = executed(tmp_path_factory.mktemp("notebook"), *CELLS.values(), allow_errors=True)
    cells = dict(zip(CELLS, ran.cells, strict=True))
    failed = {
        name: output["evalue"]
        for name, cell in cells.items()
        for output in cell["outputs"]
        if output["output_type"] == "error" and name != "stop"
    }
    assert failed == {}
    yield cells


SHOWN = [name for name in CELLS if name not in {"setup", "goes on", "close"}]


@pytest.mark.parametrize("name", SHOWN)
def test_everything_shows_itself_as_html_and_as_text(notebook: dict[str, Any], name: str) -> None:
    rich = [one["data"] for one in notebook[name]["outputs"] if "text/html" in one.get("data", {})]

    assert rich, notebook[name]["outputs"]
    assert all(set(data) == {"text/html", "text/plain"} for data in rich)
    for data in rich:
        if name != "failed":  # that one is pandas' own
            assert is_calm(data["text/html"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("deployment", "scoring script"),
        ("spec", "mini_batch_size"),
        ("endpoints", "get(name)"),
        ("unread", "nothing read yet"),
        ("read", "1 read, that is all"),
        ("files", "predictions.csv"),
        ("items", "1 read so far"),
        ("item", "cannot read &lt;b&gt;it&lt;/b&gt;"),
        ("mini-batches", "12 read, that is all"),
        ("logs", "3 LogEntries"),
        ("progress", "items failed"),
    ],
)
def test_it_says_what_one_wants_to_know(notebook: dict[str, Any], name: str, said: str) -> None:
    assert said in html_of(notebook[name])[-1]


def test_nothing_is_printed(notebook: dict[str, Any]) -> None:
    ours = {"watch": "True\n", "mini-batches": "24\n", "goes on": "False\n"}

    assert {name: text for name in CELLS if name != "close" and (text := printed(notebook[name], "stdout"))} == ours
    assert printed(notebook["watch"], "stderr").count("batchjob") == 0


def test_a_live_view_is_one_output_that_stays_as_a_record(notebook: dict[str, Any]) -> None:
    (shown,) = html_of(notebook["watch"])

    assert "Completed" in shown and "24 of 24 files, 4 failed" in shown
    assert "ValueError cannot read &lt;b&gt;it&lt;/b&gt; in score.py:10: 4 files" in shown
    assert re.search(r"<title>mini-batch \d+: succeeded, 2 files, [\d.]+ s, from [\d.]+ s</title>", shown)
    assert "tried again" in shown and ">process001</text>" in shown
    assert "model loaded" in shown
    assert len(shown) < 200_000


def test_a_wait_is_a_small_bar_that_stays(notebook: dict[str, Any]) -> None:
    (shown,) = html_of(notebook["wait"])

    assert "Completed" in shown and "<svg" not in shown


def test_stopping_the_cell_stops_watching_and_the_job_goes_on(notebook: dict[str, Any]) -> None:
    (error,) = [one for one in notebook["stop"]["outputs"] if one["output_type"] == "error"]
    shown = html_of(notebook["stop"])[-1]

    assert error["ename"] == "WatchStopped" and "\n" not in "\n".join(error["traceback"]).strip()
    assert "goes on. Watch it again: job.watch()" in error["traceback"][0]
    assert "Stopped watching; the job goes on." in shown and "Running" in shown


def test_no_secret_is_shown(notebook: dict[str, Any]) -> None:
    token, connection = printed(notebook["close"], "stdout").split(maxsplit=1)
    key = re.search(r"AccountKey=([^;]+)", connection)
    assert key is not None

    shown = "".join("".join(html_of(cell)) + str(cell["outputs"]) for name, cell in notebook.items() if name != "close")

    assert token not in shown and key[1] not in shown


# ---------------------------------------------------------------------- in a browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
THEMES = {
    "light": ("#ffffff", "rgba(0, 0, 0, 0.87)", "#388e3c", "#d32f2f"),
    "dark": ("#111111", "#ffffff", "#4caf50", "#f44336"),
}
"""Background, text, success and error of JupyterLab's themes."""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
@pytest.mark.parametrize("theme", THEMES)
def test_a_browser_draws_it_in_the_colours_of_the_theme(notebook: dict[str, Any], tmp_path: Path, theme: str) -> None:
    back, text, good, bad = THEMES[theme]
    variables = f"--jp-content-font-color1: {text}; --jp-success-color1: {good}; --jp-error-color1: {bad}"
    (view,) = html_of(notebook["watch"])
    page = f"<!doctype html><style>:root {{ {variables} }} body {{ background: {back} }}</style><body>{view}"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")

    colours = drawn(tmp_path)

    assert colours.most_common[0] == rgb(back)
    assert {rgb(good), rgb(bad)} <= colours.all
    assert any(sum(colour) > 600 if theme == "dark" else sum(colour) < 150 for colour in colours.all - {rgb(back)})


class Colours:
    """Colours of a picture: which there are, and which there are most of."""

    def __init__(self, picture: Image.Image) -> None:
        counted = picture.convert("RGB").getcolors(1 << 24) or []
        self.most_common: list[Any] = [colour for _, colour in sorted(counted, key=lambda one: -one[0])]
        self.all: set[Any] = set(self.most_common)


def drawn(folder: Path) -> Colours:
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--virtual-time-budget=500",
    ]
    command += ["--window-size=900,700", f"--user-data-dir={folder / 'profile'}", f"--screenshot={folder / 'page.png'}"]
    subprocess.run([*command, (folder / "page.html").as_uri()], check=True, capture_output=True, timeout=60)
    return Colours(Image.open(BytesIO((folder / "page.png").read_bytes())))


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))
