"""Every Python block of README.md and docs/ runs, page by page, against a real local service of its own.

Blocks marked ``python`` run; those marked ``py`` are for reading (they need the cloud, or are only a piece).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.local.scripts import unmeasured

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "digits"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
RUNNABLE = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's folder as scripts/demo leaves it, with every twentieth picture only."""
    folder = tmp_path_factory.mktemp("digits")
    for name in ("code", "environment"):
        shutil.copytree(SAMPLE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("deployment.yml", "deployment-2021.yml", "endpoint.yml", "make_data.py", "train.py"):
        shutil.copy(SAMPLE / name, folder)
    for script in ("make_data.py", "train.py"):
        subprocess.run([sys.executable, script], cwd=folder, check=True, capture_output=True, timeout=200)
    for number, picture in enumerate(sorted((folder / "data").iterdir())):
        if number % 20:
            picture.unlink()
    return folder


Runs = dict[Path, "Future[subprocess.CompletedProcess[str]]"]


@pytest.fixture(scope="module")
def runs(digits: Path, two_at_once: ThreadPoolExecutor, request: pytest.FixtureRequest) -> Runs:
    """The programs of the pages that are asked for, each in a folder of its own."""
    asked = [item.callspec.params.get("page") for item in request.session.items if hasattr(item, "callspec")]
    return {page: two_at_once.submit(run, page, digits) for page in RUNNABLE if page in asked}


def run(page: Path, digits: Path) -> subprocess.CompletedProcess[str]:
    folder = shutil.copytree(digits, digits.with_name(f"digits-{page.stem}"))
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    script = folder / f"{page.stem}.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    return subprocess.run(
        [sys.executable, script.name],
        cwd=folder,
        env={**unmeasured(), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=280,
    )


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, runs: Runs) -> None:
    ran = runs[page].result()

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_a_page_links_to_are_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_each_decision_of_the_local_service_has_a_test_of_its_name() -> None:
    table = (ROOT / "docs" / "local-service.md").read_text(encoding="utf-8").partition("## What differs")[2]
    decisions = re.findall(r"^\| \*\*(.+?)\*\* \|", table, flags=re.MULTILINE)
    tests = set(
        re.findall(r"^def (test_\w+)", (ROOT / "tests/local/test_decisions.py").read_text(), flags=re.MULTILINE)
    )
    named = {"test_" + re.sub(r"\W+", "_", one.lower()) for one in decisions}

    assert len(named) > 10
    assert named - tests == set(), "a decision without its test"
    assert tests - named == set(), "a test without its decision"
