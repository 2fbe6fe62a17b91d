"""What `check()` says of scoring scripts: nothing of good ones in all the shapes they have, much of bad ones."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from azure_batch_endpoints.checks import Finding
from azure_batch_endpoints.specs import DeploymentSpec, EnvironmentSpec, RunSettings

INIT = "import os, json\n\ndef init():\n    global model\n    model = object()\n\n"


def found_in(folder: Path, script: str, more: dict[str, str] | None = None, **spec: object) -> list[Finding]:
    for name, text in {"score.py": script, **(more or {})}.items():
        (folder / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "code" / name).write_text(textwrap.dedent(text), encoding="utf-8")
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "weights.txt").write_text("w", encoding="utf-8")
    given = {"model": folder / "model", "code": folder / "code", "scoring_script": "score.py", **spec}
    return DeploymentSpec(name="blue", **given).check()


GOOD = {
    "a list that a function inside gives its name": """
        def run(mini_batch):
            results = 0

            def work():
                nonlocal results
                results = [str(path) for path in mini_batch]

            work()
            return results
    """,
    "a list built in a loop": """
        def run(mini_batch):
            results = []
            for path in mini_batch:
                with open(path) as stream:
                    results.append(json.loads(stream.read()))
            return results
        """,
    "frames put together, with type hints": """
        from typing import List
        import pandas as pd

        def run(mini_batch: List[str]) -> "pd.DataFrame":
            frames = []
            for path in mini_batch:
                frame = pd.read_csv(path)
                frame["file"] = os.path.basename(path)
                frames.append(frame)
            return pd.concat(frames, ignore_index=True)
        """,
    "a class that does the work": """
        class Scorer:
            def __init__(self):
                self.names = {}

            def run(self, data):
                yield {"a": data}

            def score(self, path):
                return {"path": path}

        scorer = Scorer()

        def run(mini_batch):
            return [scorer.score(path) for path in mini_batch]
        """,
    "functions assigned": """
        def _score(batch):
            return [1 for _ in batch]

        run = _score
        """,
    "a lambda": "run = lambda mini_batch: [str(one) for one in mini_batch]\n",
    "a method assigned": """
        class Scorer:
            def __call__(self, batch):
                return list(batch)

        run = Scorer()
        """,
    "decorators that change what comes back": """
        import functools

        def collected(function):
            @functools.wraps(function)
            def inner(batch):
                return list(function(batch))
            return inner

        @collected
        def run(mini_batch):
            for path in mini_batch:
                yield path
        """,
    "a definition that depends": """
        if os.environ.get("FAST"):
            def run(mini_batch):
                return [1] * len(mini_batch)
        else:
            def run(mini_batch):
                return [2] * len(mini_batch)
        """,
    "helpers that are async, generators and nested": """
        import asyncio

        async def fetch(path):
            return path

        async def fetch_all(paths):
            return await asyncio.gather(*(fetch(path) for path in paths))

        def rows(paths):
            for path in paths:
                yield path

        def run(mini_batch):
            def nested():
                for one in mini_batch:
                    yield one

            asyncio.run(fetch_all(mini_batch))
            return list(rows(list(nested())))
        """,
    "return in every branch": """
        def run(mini_batch):
            if len(mini_batch) > 3:
                return [1] * len(mini_batch)
            elif len(mini_batch) > 1:
                return [2] * len(mini_batch)
            else:
                return [3]
        """,
    "loops that end in every way": """
        def run(mini_batch):
            for place, one in enumerate(mini_batch):
                while place:
                    for inner in one:
                        if inner:
                            break
                    else:
                        continue
                    break
                if not one:
                    break
            else:
                return list(mini_batch)
            with open(os.devnull) as stream:
                assert stream is not None
                return [stream.name] * len(mini_batch)
        """,
    "a way that ends the worker": """
        import sys

        def run(mini_batch):
            if mini_batch:
                return list(mini_batch)
            sys.exit("nothing to do")
        """,
    "a way that cannot be": """
        def run(mini_batch):
            try:
                return list(mini_batch)
            except OSError:
                assert False, "cannot be"
        """,
    "finally that returns": """
        def run(mini_batch):
            rows = []
            try:
                rows += list(mini_batch)
            finally:
                return rows
        """,
    "try that returns": """
        def run(mini_batch):
            try:
                return [open(one).read() for one in mini_batch]
            except OSError as error:
                return [str(error)] * len(mini_batch)
            finally:
                print("done")
        """,
    "try that raises again": """
        def run(mini_batch):
            try:
                rows = [open(one).read() for one in mini_batch]
            except OSError:
                raise
            else:
                return rows
        """,
    "match that catches all": """
        def run(mini_batch):
            match len(mini_batch):
                case 0:
                    return []
                case 1 | 2:
                    return [1] * len(mini_batch)
                case _:
                    return [2] * len(mini_batch)
        """,
    "an endless loop that returns": """
        def run(mini_batch):
            tries = 0
            while True:
                try:
                    return list(mini_batch)
                except OSError:
                    tries += 1
                    if tries == 3:
                        raise
        """,
    "run with any arguments": "def run(*args, **kwargs):\n    return list(args[0])\n",
    "a run that never ends by itself": "import sys\ndef run(mini_batch):\n    while True:\n        sys.stdin.read()\n",
    "a run that ends the worker": "def run(mini_batch):\n    os._exit(1)\n",
    "files by a path that the script itself changes to": """
        os.chdir("/tmp")
        words = open("words.txt").read()

        def run(mini_batch):
            return list(mini_batch)
        """,
    "arguments looked through by hand": """
        import sys

        names = [sys.argv[place + 1] for place, one in enumerate(sys.argv) if one == "--model"]

        def run(mini_batch):
            return list(mini_batch)
        """,
    "run with defaults": "def run(mini_batch, size=3, *, verbose=False):\n    return list(mini_batch)\n",
    "a with block": """
        from contextlib import contextmanager

        @contextmanager
        def timed():
            yield

        def run(mini_batch):
            with timed():
                return tuple(mini_batch)
        """,
    "a tuple, an array, a sum of lists": """
        def run(mini_batch):
            return sum([[one] for one in mini_batch], [])
        """,
    "a name that is a dict first and a list in the end": """
        def run(mini_batch):
            results = {}
            for one in mini_batch:
                results[one] = 1
            results = list(results.items())
            return results
        """,
    "JSON of each file": """
        from pathlib import Path

        def run(mini_batch):
            rows = []
            for path in mini_batch:
                data = json.loads(Path(path).read_text())
                rows.append(json.dumps({"file": path, "age": data["age"]}))
            return rows
        """,
    "a path that is read in the loop": """
        def run(mini_batch):
            rows = []
            for text in mini_batch:
                text = open(text).read()
                rows.append(json.loads(text))
            return rows
        """,
    "command line read as it should be": """
        import argparse

        parser = argparse.ArgumentParser()
        parser.add_argument("--threshold", type=float, default=0.5)
        args, _ = parser.parse_known_args()

        def run(mini_batch):
            return [args.threshold for _ in mini_batch]
        """,
    "a main guard for trying it by hand": """
        import argparse, sys

        def run(mini_batch):
            return list(mini_batch)

        if __name__ == "__main__":
            parser = argparse.ArgumentParser()
            args = parser.parse_args()
            init()
            print(run(sys.argv[1:]), open("/home/me/data.csv"))
        """,
    "files of their own below the output folder": """
        from pathlib import Path

        def run(mini_batch):
            folder = os.environ["AZUREML_BI_OUTPUT_PATH"]
            for path in mini_batch:
                name = Path(path).stem
                with open(os.path.join(folder, name + ".json"), "w") as stream:
                    stream.write("{}")
                Path(folder, f"{name}.txt").write_text("x")
            return mini_batch
        """,
    "imports that may fail": """
        try:
            import a_package_nobody_has
        except ImportError:
            a_package_nobody_has = None

        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            import another_package_nobody_has

        def run(mini_batch):
            return list(mini_batch)
        """,
    "a relative import that has another way": """
        try:
            from . import helper
        except ImportError:
            helper = None

        def run(mini_batch):
            return list(mini_batch)
        """,
    "the service's own helper": """
        from azureml_user.parallel_run import EntryScript

        def run(mini_batch):
            EntryScript().logger.info("scoring")
            return list(mini_batch)
        """,
    "model found by looking": """
        import glob
        from pathlib import Path

        for found in glob.glob(os.environ["AZUREML_MODEL_DIR"] + "/*/*.pkl"):
            print(found)
        first = next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.txt"))

        def run(mini_batch):
            return list(mini_batch)
        """,
    "model in one of several places": """
        base = os.environ["AZUREML_MODEL_DIR"]
        path = os.path.join(base, "nested", "weights.txt")
        if not os.path.exists(path):
            path = os.path.join(base, "model", "weights.txt")

        def run(mini_batch):
            return [path] * len(mini_batch)
        """,
    "model where it is, said in every way": """
        from os import environ, getenv
        from os.path import join
        from pathlib import Path

        FILE = "weights.txt"
        root = Path(environ["AZUREML_MODEL_DIR"]) / "model"
        a = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "weights.txt")).read()
        b = (root / FILE).read_text()
        c = open(join(getenv("AZUREML_MODEL_DIR"), "model/weights.txt")).read()
        d = open(f"{os.environ['AZUREML_MODEL_DIR']}/model/{FILE}").read()
        e = Path(os.environ.get("AZUREML_MODEL_DIR", "."), "model").joinpath("weights.txt").read_text()
        f = open(os.environ["AZUREML_MODEL_DIR"] + "/model/weights.txt").read()
        g = open(os.path.join(str(root), "weights")).read()

        def run(mini_batch):
            return list(mini_batch)
        """,
}


@pytest.mark.parametrize("script", GOOD.values(), ids=GOOD.keys())
def test_nothing_is_said_of_a_good_script(tmp_path: Path, script: str) -> None:
    assert found_in(tmp_path, INIT + textwrap.dedent(script)) == []


def test_nothing_is_said_of_init_and_run_of_other_modules_of_the_code_folder(tmp_path: Path) -> None:
    more = {
        "lib/__init__.py": "",
        "lib/work.py": INIT + "from lib.rows import rows\n\ndef run(batch):\n    return rows(batch)\n",
    }
    more["lib/rows.py"] = "def rows(batch):\n    return list(batch)\n"
    more["other.py"] = "from lib import work\n"

    assert found_in(tmp_path, "from lib.work import init, run\n", more) == []
    assert found_in(tmp_path, "import other\ninit, run = other.work.init, other.work.run\n", more) == []
    assert found_in(tmp_path, "from lib.work import *\n", more) == []


def test_run_is_looked_at_in_the_module_it_comes_from(tmp_path: Path) -> None:
    (found,) = found_in(
        tmp_path, "from work import init, run\n", {"work.py": INIT + "def run(batch):\n    print(batch)\n"}
    )

    assert (found.severity, found.path, found.line) == ("error", tmp_path / "code" / "work.py", 7)


BAD = [
    (
        "def run(a, b):\n    return a\n",
        "error",
        7,
        "run() needs 2 arguments (a, b), but it is called with the mini-batch",
    ),
    ("def run(a, *, size):\n    return a\n", "error", 7, "run() needs 2 arguments (a, size)"),
    ("def run(a):\n    return {one: 1 for one in a}\n", "error", 8, "The actual type of output is dict."),
    (
        "def run(a):\n    result = {}\n    for b in a:\n        result[b] = 1\n    return result\n",
        "error",
        11,
        "is dict.",
    ),
    ("def run(a):\n    return 'done'\n", "error", 8, "The actual type of output is str."),
    ("def run(a):\n    return f'{a}'\n", "error", 8, "The actual type of output is str."),
    ("def run(a):\n    return True\n", "error", 8, "The actual type of output is bool."),
    ("def run(a):\n    return len(a)\n", "error", 8, "The actual type of output is int."),
    ("def run(a):\n    return (one for one in a)\n", "error", 8, "The actual type of output is generator."),
    ("def run(a):\n    return map(str, a)\n", "error", 8, "The actual type of output is map."),
    ("def run(a):\n    return print(a)\n", "error", 7, "run() returns nothing"),
    (
        "import pandas as pd\ndef run(a):\n    frame = pd.DataFrame({'x': a})\n    return frame['x']\n",
        "error",
        10,
        "is Series (one column; write [['x']]).",
    ),
    ("import pandas as pd\ndef run(a):\n    return pd.Series(a)\n", "error", 9, "is Series."),
    ("import pandas as pd\ndef run(a):\n    return pd.concat(a).to_json()\n", "error", 9, "is str."),
    ("from pandas import concat\ndef run(a):\n    b = concat(a)\n    return b.to_dict()\n", "error", 10, "is dict."),
    ("def run(a):\n    return rows_of(a).to_dict()\n", "warning", 8, "run() returns what .to_dict() gives"),
    ("def run(a):\n    return json.dumps([1])\n", "warning", 8, "run() returns json.dumps(…), which is a text"),
    ("def run(a):\n    if a:\n        return a\n", "warning", 7, "run() can end without a return"),
    ("def run(a):\n    for b in a:\n        if b:\n            return a\n", "warning", 7, "can end without a return"),
    (
        "def run(a):\n    try:\n        return a\n    except OSError:\n        print(a)\n",
        "warning",
        7,
        "can end without",
    ),
    (
        "def run(a):\n    rows = []\n    for b in a:\n        rows.append(b)\n        return rows\n    return rows\n",
        "warning",
        11,
        "run() returns at the end of the first round of its loop over 'a'",
    ),
    (
        "def run(a):\n    if not a:\n        return 'none'\n    return a\n",
        "warning",
        9,
        "The actual type of output is str.",
    ),
    (
        "def run(data):\n    x = json.loads(data)['data']\n    return [x]\n",
        "warning",
        7,
        "run(data) parses JSON as for an online",
    ),
    ("from json import loads\ndef run(d):\n    return [loads(d)]\n", "warning", 8, "run(d) parses JSON"),
    (
        "def run(d):\n    return [json.loads(one) for one in d['data']]\n",
        "warning",
        8,
        "takes its argument for a mapping",
    ),
    ("def run(r):\n    return list(r.files)\n", "warning", 8, "reads 'files' of a request"),
    (
        "def run(a):\n    out = []\n    for b in a:\n        out.append(json.loads(b))\n    return out\n",
        "warning",
        10,
        "parses the path 'b'",
    ),
    (
        "import argparse\nargs = argparse.ArgumentParser().parse_args()\ndef run(a):\n    return a\n",
        "error",
        8,
        "parse_args() ends the worker",
    ),
    (
        "import argparse, sys\nargs = argparse.ArgumentParser().parse_args(sys.argv[1:])\ndef run(a):\n    return a\n",
        "error",
        8,
        "parse_args() ends the worker",
    ),
    (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--logging_level')\nargs = p.parse_args()\n"
        "def run(a):\n    return a\n",
        "warning",
        10,
        "Write 'args, _ = parser.parse_known_args()'.",
    ),
    ("import sys\nsize = sys.argv[1]\ndef run(a):\n    return a\n", "warning", 8, "sys.argv is not yours in a worker"),
    (
        "path = '/home/me/model.pkl'\ndef run(a):\n    return a\n",
        "warning",
        7,
        "'/home/me/model.pkl' is a path of one machine",
    ),
    ("path = 'C:\\\\data\\\\m.pkl'\ndef run(a):\n    return a\n", "warning", 7, "is a path of one machine"),
    (
        "words = open('words.txt').read()\ndef run(a):\n    return a\n",
        "warning",
        7,
        "'words.txt' is not in the code folder",
    ),
    ("import a_package_nobody_has.sub\ndef run(a):\n    return a\n", "warning", 7, "no module 'a_package_nobody_has'"),
    (
        "from . import helper\ndef run(a):\n    return a\n",
        "error",
        7,
        "it cannot import relatively. Write 'import helper'.",
    ),
    (
        "def run(a):\n    with open(os.path.join(os.environ['AZUREML_BI_OUTPUT_PATH'], 'out.csv'), 'w') as f:\n"
        "        f.write('x')\n    return a\n",
        "warning",
        8,
        "Every mini-batch writes 'out.csv' in AZUREML_BI_OUTPUT_PATH: the last one wins.",
    ),
    (
        "def run(a):\n    f = open(os.environ['AZUREML_BI_OUTPUT_PATH'] + '/out.csv', 'a')\n    return a\n",
        "warning",
        8,
        "lines of several workers can cut into each other",
    ),
]


@pytest.mark.parametrize(("script", "severity", "line", "said"), BAD, ids=[one[3][:40] for one in BAD])
def test_a_mistake_is_said_with_its_line(tmp_path: Path, script: str, severity: str, line: int, said: str) -> None:
    found = found_in(tmp_path, INIT + script)

    assert [(one.severity, one.line, one.path) for one in found] == [(severity, line, tmp_path / "code" / "score.py")]
    assert said in found[0].message


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("def init(path):\n    ...\n", "init() needs the argument 'path', but it is called with none."),
        ("async def init():\n    ...\n", "init() is async, so calling it runs nothing"),
        ("if __name__ == '__main__':\n    def init(): ...\n", "has no function init()"),
    ],
)
def test_an_init_that_cannot_be_called_is_an_error(tmp_path: Path, init: str, said: str) -> None:
    (found,) = found_in(tmp_path, init + "def run(a):\n    return a\n")

    assert found.severity == "error"
    assert said in found.message


def test_online_modules_are_named(tmp_path: Path) -> None:
    script = "from inference_schema.schema_decorators import input_schema\n" + INIT + "def run(a):\n    return a\n"

    assert "'inference_schema.schema_decorators' is for online endpoints" in found_in(tmp_path, script)[0].message


def test_summary_only_without_any_output_is_warned_of(tmp_path: Path) -> None:
    script = INIT + "def run(a):\n    return a\n"
    settings = RunSettings(output_action="summary_only")

    (found,) = found_in(tmp_path, script, settings=settings)
    helper = {"helper.py": "import os\nfolder = os.environ['AZUREML_BI_OUTPUT_PATH']\n"}

    assert "the code never looks at AZUREML_BI_OUTPUT_PATH" in found.message
    assert found_in(tmp_path, f"import helper\n{script}", helper, settings=settings) == []


def test_errors_come_before_warnings(tmp_path: Path) -> None:
    script = INIT + "def run(a):\n    yield a\n"

    found = found_in(tmp_path, script, settings={"mini_batch_size": 5000})

    assert [one.severity for one in found] == ["error", "warning"]
    assert str(found[0]).startswith("error: score.py, line 8: run() is a generator")
    assert str(found[1]).startswith("warning: A mini-batch of 5000 files")


def test_settings_that_are_hardly_meant_are_warned_of(tmp_path: Path) -> None:
    script = INIT + "def run(a):\n    return [os.environ['AZUREML_BI_OUTPUT_PATH']]\n"
    settings = {
        "mini_batch_size": 5000,
        "retry_settings": {"max_retries": 0},
        "output_action": "summary_only",
        "output_file_name": "rows.csv",
        "environment_variables": {"AZUREML_MODEL_DIR": "/x"},
    }

    said = [one.message for one in found_in(tmp_path, script, settings=settings)]

    assert "A mini-batch of 5000 files has 30 s, 6 ms a file." in said[0]
    assert "max_retries is 0; it counts tries" in said[1]
    assert "output_file_name 'rows.csv' is not used" in said[2]
    assert "sets AZUREML_MODEL_DIR, which the service sets itself" in said[3]
    (short,) = found_in(tmp_path, script, settings={"retry_settings": {"timeout": 0.5}})
    (long,) = found_in(tmp_path, script, settings={"retry_settings": {"timeout": 100_000}})
    assert "hardly any mini-batch is done in that time. Give it in seconds" in short.message
    assert "more than a day" in long.message


def environment(*lines: str) -> EnvironmentSpec:
    return EnvironmentSpec(image="i", conda_file={"dependencies": ["python=3.8", *lines[1:], {"pip": [lines[0]]}]})


def test_a_module_is_looked_for_in_the_conda_file_and_in_this_interpreter(tmp_path: Path) -> None:
    script = INIT + "import a_package_nobody_has\nimport click\nimport yaml\n\ndef run(a):\n    return a\n"

    absent, left_out = found_in(tmp_path, script, environment=environment("pyyaml>=6"))
    listed = found_in(tmp_path, script, environment=environment("a-package-nobody-has", "conda-forge::click", "pyyaml"))
    unsure = found_in(tmp_path, script, environment=environment("-r requirements.txt"))
    (unknown,) = found_in(tmp_path, script, environment="azureml:env:1")

    assert "Neither the conda file nor this interpreter has the module 'a_package_nobody_has'." in absent.message
    assert "Add the package 'a-package-nobody-has'" in absent.message
    assert "No package of the conda file has the module 'click', though this interpreter does." in left_out.message
    assert listed == []
    assert [one.line for one in unsure] == [7]
    assert "Whether the environment 'azureml:env:1' has them cannot be seen here." in unknown.message


def test_a_conda_file_is_read_wherever_it_is_named(tmp_path: Path) -> None:
    script = INIT + "import a_package_nobody_has\n\ndef run(a):\n    return a\n"
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11, {pip: [a-package-nobody-has]}]", encoding="utf-8")
    (tmp_path / "env.yml").write_text("name: e\nimage: i\nconda_file: conda.yml\n", encoding="utf-8")
    (tmp_path / "bad.yml").write_text("dependencies: [", encoding="utf-8")

    assert found_in(tmp_path, script, environment=tmp_path / "conda.yml") == []
    assert found_in(tmp_path, script, environment=tmp_path / "env.yml") == []
    assert found_in(tmp_path, script, environment=EnvironmentSpec(image="i", conda_file=tmp_path / "conda.yml")) == []
    assert len(found_in(tmp_path, script, environment=EnvironmentSpec(image="i"))) == 1
    assert len(found_in(tmp_path, script, environment=tmp_path / "bad.yml")) == 1


def test_files_of_the_code_folder_that_cannot_be_read_do_no_harm(tmp_path: Path) -> None:
    script = INIT + "import broken\nfrom broken import run\n"

    assert found_in(tmp_path, script, {"broken.py": "def run(:\n"}) == []


def test_packages_of_other_names_and_what_very_many_bring_along_are_not_missed(tmp_path: Path) -> None:
    script = INIT + "import cv2, numpy, google.cloud\n\ndef run(a):\n    return a\n"

    assert found_in(tmp_path, script, environment=environment("opencv", "google-cloud-storage", "a-package-x")) == []


def test_a_module_of_the_project_that_is_installed_too_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "click.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert found_in(tmp_path, INIT + "import click\n\ndef run(a):\n    return a\n") == []


def test_what_a_listed_package_brings_along_is_there(tmp_path: Path) -> None:
    script = INIT + "import pytz, dateutil, numpy\n\ndef run(a):\n    return a\n".replace("pytz, ", "")

    assert found_in(tmp_path, script, environment=environment("pandas")) == []


def test_syntax_newer_than_the_environments_python_is_warned_of(tmp_path: Path) -> None:
    script = INIT + "def run(a):\n    match len(a):\n        case _:\n            return a\n"

    (found,) = found_in(tmp_path, script, environment=environment("x"))

    assert (found.severity, found.line) == ("warning", 8)
    assert "The environment has Python 3.8, for which this is no syntax" in found.message


def test_modules_that_lie_where_no_worker_looks_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import beside, outside\n" + INIT + "def run(a):\n    return a\n"
    (tmp_path / "outside.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    more = {"sub/score.py": script, "sub/beside.py": ""}

    beside, outside = found_in(tmp_path, "", more, scoring_script="sub/score.py")
    moved = found_in(
        tmp_path, "", {"sub/score.py": "import sys\nsys.path.append('x')\n" + script}, scoring_script="sub/score.py"
    )

    assert "'beside' lies beside the script in 'sub'" in beside.message
    assert "Write 'from sub import beside'" in beside.message
    assert f"'outside' is in '{tmp_path}', outside the code folder" in outside.message
    assert moved == []


def test_an_ignore_file_that_leaves_out_what_is_needed_is_an_error(tmp_path: Path) -> None:
    script = INIT + "import lib.helper\n\ndef run(a):\n    return a\n"

    found = found_in(tmp_path, script, {"lib/helper.py": "", ".amlignore": "lib/\nscore.py\n"})

    assert [one.severity for one in found] == ["error", "error"]
    assert "'lib.helper' is imported, but the ignore file of" in found[0].message
    assert "leaves the scoring script 'score.py' out" in found[1].message


def test_a_code_folder_with_what_hardly_belongs_there_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azure_batch_endpoints.checks.folders.MUCH_CODE", 100)
    script = INIT + "def run(a):\n    return a\n"
    more = {".venv/x.py": "x" * 1000, "data/y.txt": "y"}

    stray, large = found_in(tmp_path, script, more)
    ignored = found_in(tmp_path, script, {**more, ".amlignore": ".venv/\nscore*\n"})

    assert "holds '.venv', which would be uploaded too" in stray.message
    assert "has 3 files and 0 MB ('.venv' 0 MB). List what is not needed in" in large.message
    assert [one.severity for one in ignored] == ["error"]
