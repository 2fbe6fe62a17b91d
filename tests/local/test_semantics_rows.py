"""What `run()` may return, how it is written, and how success is counted. The index is in `test_semantics`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.local.engine_scene import Scene

WRITTEN = {
    # lists: str() of each element, a line each
    "['a', 'b']": "a\nb\n",
    "[1, 2.5]": "1\n2.5\n",
    "[None, True]": "None\nTrue\n",
    "[[1, 'b'], ['c d', 2.0]]": "[1, 'b']\n['c d', 2.0]\n",
    "[{'a': 1}, {}]": "{'a': 1}\n{}\n",
    "[b'x', b'y']": "b'x'\nb'y'\n",
    "[(1, 2), set()]": "(1, 2)\nset()\n",
    "['', ' ']": "\n \n",
    "[np.float32(0.1), np.int64(7)]": "0.1\n7\n",
    "[pd.DataFrame({'a': [1]}), pd.DataFrame({'a': [2]})]": "   a\n0  1\n   a\n0  2\n",
    "['two\\nlines', 'one']": "two\nlines\none\n",
    "['tab\\t', 'carriage\\r']": "tab\t\ncarriage\r\n",
    "['grüße', '数']": "grüße\n数\n",
    "['half \\ud83d', 'x']": "half \\ud83d\nx\n",
    "('a', 1)": "a\n1\n",
    "Pair('left', 'right')": "left\nright\n",
    "List(['of a', 'class'])": "of a\nclass\n",
    # arrays: as lists of their rows
    "np.array([1.5, 2])": "1.5\n2.0\n",
    "np.array([0.1, 0.2], dtype='float32')": "0.1\n0.2\n",
    "np.array(['a', 'b c'])": "a\nb c\n",
    "np.arange(4).reshape(2, 2)": "[0, 1]\n[2, 3]\n",
    "np.zeros((2, 1, 1))": "[[0.0]]\n[[0.0]]\n",
    "np.array([(1, 'a'), (2, 'b')], dtype='i4,U1')": "(1, 'a')\n(2, 'b')\n",
    "np.array([[None, 'x'], [1, 'y']], dtype=object)": "[None, 'x']\n[1, 'y']\n",
    # frames: values with a space between, no header, no index, quotes only where they are needed
    "pd.DataFrame({'file': ['a', 'b'], 'p': [0.5, 1]})": "a 0.5\nb 1.0\n",
    "pd.DataFrame({'a': ['x y', 'x\"y']})": '"x y"\n"x""y"\n',
    "pd.DataFrame({'a': ['two\\nlines', '']})": '"two\nlines"\n""\n',
    "pd.DataFrame({'a': ['', 'x'], 'b': [1, 2]})": " 1\nx 2\n",
    "pd.DataFrame({'a': [1.0, np.nan], 'b': [None, 'x']})": "1.0 \n x\n",
    "pd.DataFrame({'a': np.array([0.1, 1e-9], dtype='float32')})": "0.1\n1e-09\n",
    "pd.DataFrame({'a': [True, False], 'n': pd.array([1, None], dtype='Int64')})": "True 1\nFalse \n",
    "pd.DataFrame({'day': pd.to_datetime(['2026-01-02', '2026-01-03'])})": "2026-01-02\n2026-01-03\n",
    "pd.DataFrame({'time': pd.to_datetime(['2026-01-02 03:04:05'] * 2)})": '"2026-01-02 03:04:05"\n' * 2,
    "pd.DataFrame({'kind': pd.Categorical(['cat', 'dog'])})": "cat\ndog\n",
    "pd.DataFrame({'a': [[1, 2], {'b': 1}]})": '"[1, 2]"\n"{\'b\': 1}"\n',
    "pd.DataFrame({'a': [1, 2]}, index=['not', 'written'])": "1\n2\n",
    "pd.DataFrame([[1, 2], [3, 4]], columns=['same', 'same'])": "1 2\n3 4\n",
    "pd.DataFrame([[1, 2], [3, 4]], columns=[('two', 'levels'), 3.5])": "1 2\n3 4\n",
    "pd.DataFrame([[1, 2], [3, 4]], columns=pd.MultiIndex.from_tuples([('a', 'b'), ('a', 'c')]))": "1 2\n3 4\n",
    "pd.DataFrame([[1], [2]], index=pd.MultiIndex.from_tuples([('a', 1), ('b', 2)]))": "1\n2\n",
    "Frame({'a': [1, 2]})": "1\n2\n",
    # more rows than files
    "['a'] * 5": "a\n" * 5,
    "pd.DataFrame({'a': range(3)})": "0\n1\n2\n",
}
"""What two files can come back as, and the text of it."""

REFUSED = {
    "None": "NoneType",
    "'ab'": "str",
    "b'ab'": "bytes",
    "{'a': 1, 'b': 2}": "dict",
    "{'a': 1, 'b': 2}.values()": "dict_values",
    "{1, 2}": "set",
    "7": "int",
    "range(2)": "range",
    "iter([1, 2])": "list_iterator",
    "(x for x in mini_batch)": "generator",
    "map(str, mini_batch)": "map",
    "collections.deque([1, 2])": "deque",
    "np.array(5)": "ndarray",
    "np.float64(5)": "float64",
    "pd.Series([1, 2])": "Series",
    "pd.Index([1, 2])": "Index",
    "DataFrame()": "DataFrame",
    "coroutine()": "coroutine",
}
"""What is refused, and the type that the message names."""

PROLOGUE = """
import collections, json, warnings
import numpy as np, pandas as pd
warnings.simplefilter("ignore")
Pair = collections.namedtuple("Pair", "first second")
class List(list): pass
class Frame(pd.DataFrame): pass
class DataFrame:
    def __len__(self): return 2
async def coroutine(): pass
cases = json.loads({cases!r})
def init(): pass
def run(mini_batch):
    number = int(open(mini_batch[0]).read())
    return eval(cases[number // 2], globals(), dict(mini_batch=mini_batch))
"""


def script(cases: dict[str, str]) -> str:
    return PROLOGUE.replace("{cases!r}", repr(json.dumps(list(cases))))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_lists_tuples_arrays_and_frames_are_written_as_documented(scene: Scene) -> None:
    outcomes = scene.score(script(WRITTEN), files=2 * len(WRITTEN), size=2)

    assert {case: scene.text(one) for case, one in zip(WRITTEN, outcomes, strict=True)} == WRITTEN
    assert {one.status for one in outcomes} == {"succeeded"}
    assert scene.workers == 1


@pytest.mark.parametrize("action", ["append_row", "summary_only"])
def test_anything_else_fails_with_the_documented_text(scene: Scene, action: str) -> None:
    outcomes = scene.score(script(REFUSED), files=2 * len(REFUSED), size=2, output_action=action)

    found = {case: one.failure for case, one in zip(REFUSED, outcomes, strict=True)}
    assert {case: failure and failure.message.rpartition(" ")[2] for case, failure in found.items()} == {
        case: f"{name}." for case, name in REFUSED.items()
    }
    assert {failure and failure.message.partition(". The actual type")[0] for failure in found.values()} == {
        "The run() method in the entry script should return a list or a pandas DataFrame. The length of returned "
        "result is considered as succeeded number of items. For --output_action=append_row, the returned result is "
        "what to write into the result file"
    }
    assert {failure and failure.type for failure in found.values()} == {"WrongReturnType"}
    assert {(one.status, one.rows, one.part) for one in outcomes} == {("failed", 0, None)}


def test_a_run_that_is_a_generator_fails_and_its_body_is_never_run(scene: Scene) -> None:
    (outcome,) = scene.score("def init(): pass\ndef run(files):\n    print('in the body')\n    yield 1\n")

    assert outcome.failure is not None and outcome.failure.summary.endswith("is generator. in score.py:2")
    assert "in the body" not in scene.printed()


@pytest.mark.parametrize(
    "empty", ["[]", "()", "__import__('numpy').zeros(0)", "__import__('pandas').DataFrame({'a': []})"]
)
def test_an_empty_result_fails_every_file(scene: Scene, empty: str) -> None:
    (outcome,) = scene.score(f"def init(): pass\ndef run(files): return {empty}", files=3, size=3)

    assert (outcome.status, outcome.failed, outcome.rows, outcome.part) == ("failed", (0, 1, 2), 0, None)
    assert outcome.failure is not None and outcome.failure.type == "ShortReturn"


def test_success_is_counted_by_length_whatever_the_rows_are(scene: Scene) -> None:
    outcomes = scene.score(
        "def init(): pass\ndef run(files): return [None] * {'0': 3, '3': 5, '6': 1}[open(files[0]).read()]", 9, 3
    )

    assert [(one.status, one.succeeded, one.rows) for one in outcomes] == [
        ("succeeded", 3, 3),
        ("succeeded", 3, 5),
        ("partial", 1, 1),
    ]


def test_a_short_result_fails_the_files_that_no_row_names_though_names_contain_each_other(scene: Scene) -> None:
    """0.txt is in 10.txt: as text it is there, as a name it is not."""
    (outcome,) = scene.score(
        "import os\ndef init(): pass\n"
        "def run(files): return [os.path.basename(f) + ': ok' for f in files if not f.endswith('/0.txt')]",
        *(11, 11),
    )

    assert (outcome.failed, outcome.rows) == ((0,), 10)


def test_the_worker_says_which_file_each_row_is_of(scene: Scene) -> None:
    outcomes = scene.score(
        """
        import os
        def init(): pass
        def run(files):
            names = [os.path.basename(file) for file in files]
            return {"0.txt": names, "2.txt": names[::-1], "4.txt": [(n, i) for n in names for i in range(2)],
                    "6.txt": ["no", "names", "here"], "8.txt": ["several"] * 3}[names[0]]
        """,
        *(9, 2),
    )

    assert [one.sources for one in outcomes] == [(), (1, 0), (0, 0, 1, 1), None, (0,)]


def test_a_text_of_several_lines_is_one_row_and_its_lines_are_of_one_file(scene: Scene) -> None:
    (outcome,) = scene.score("def init(): pass\ndef run(files): return ['two\\nlines', 'one']", 2, 2)

    assert (outcome.rows, outcome.sources, scene.text(outcome)) == (2, (0, 0, 1), "two\nlines\none\n")


def test_rows_that_cannot_be_written_fail_their_mini_batch_and_leave_no_piece(scene: Scene) -> None:
    outcomes = scene.score(
        """
        class Bad:
            def __str__(self): return 1 / 0
        def init(): pass
        def run(files): return ["good", Bad()] if "0.txt" in files[0] else ["fine", "too"]
        """,
        *(4, 2),
    )

    assert [one.status for one in outcomes] == ["failed", "succeeded"]
    assert outcomes[0].failure is not None and outcomes[0].failure.summary == (
        "ZeroDivisionError: division by zero in score.py:3"
    )
    assert (outcomes[0].rows, outcomes[0].part) == (0, None)
    assert scene.text(outcomes[1]) == "fine\ntoo\n"
