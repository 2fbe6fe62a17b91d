"""The engine with real worker processes."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from azure_batch_endpoints.local.engines import child
from azure_batch_endpoints.local.engines.base import InitFailed, Limits, Outcome, ScriptInvalid, StagedBatch
from azure_batch_endpoints.local.engines.child import PROGRAM
from azure_batch_endpoints.local.ledger import Ledger
from azure_batch_endpoints.local.plan import number_inputs
from azure_batch_endpoints.local.writer import write_rows
from tests.local.engine_bench import Bench, batches, bench_in, eventually, group_lives, staged


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from bench_in(tmp_path)


# ---------------------------------------------------------------------- what run() may return


def test_each_mini_batch_has_one_outcome_and_its_rows_come_in_plan_order(bench: Bench) -> None:
    outcomes = bench.score(batches(25, size=3))

    assert [outcome.number for outcome in outcomes] == list(range(9))
    assert {outcome.status for outcome in outcomes} == {"succeeded"}
    assert bench.rows(outcomes) == "".join(f"{n}.png\n" for n in range(25))
    assert {outcome.attempts for outcome in outcomes} == {1}
    assert {outcome.worker for outcome in outcomes} <= {"process000", "process001"}


@pytest.mark.parametrize(
    ("returned", "text", "kind", "columns"),
    [
        ("['a', 1, [2, 'b']]", "a\n1\n[2, 'b']\n", "list", ()),
        ("('a', 'b', 'c')", "a\nb\nc\n", "list", (0,)),
        ("np.array([1.5, 2, 3], dtype='float32')", "1.5\n2.0\n3.0\n", "list", ()),
        ("np.arange(60).reshape(3, 20)[:, :2]", "[0, 1]\n[20, 21]\n[40, 41]\n", "list", ()),
        (
            "pd.DataFrame({'file': ['a b', 'c', 'd'], 'score': np.array([.1, .2, .3], dtype='float32')})",
            '"a b" 0.1\nc 0.2\nd 0.3\n',
            "dataframe",
            ("file", "score"),
        ),
    ],
)
def test_lists_tuples_arrays_and_frames_are_written_as_the_service_writes_them(
    bench: Bench, returned: str, text: str, kind: str, columns: tuple[str | int, ...]
) -> None:
    bench.script(f"""
        import numpy as np, pandas as pd
        def init(): pass
        def run(mini_batch): return {returned}
    """)

    (outcome,) = bench.score(batches(3, size=3))

    assert bench.rows([outcome]) == text
    assert outcome.row_format is not None
    assert outcome.row_format.kind == kind
    assert tuple(name for name, _ in outcome.row_format.columns) == columns


@pytest.mark.parametrize(
    ("body", "type_name"),
    [
        ("return None", "NoneType"),
        ("yield 1", "generator"),
        ("return 'one'", "str"),
        ("return {'a': 1}", "dict"),
        ("return len(mini_batch)", "int"),
    ],
)
def test_anything_else_fails_with_the_words_of_the_service(bench: Bench, body: str, type_name: str) -> None:
    bench.script(f"""
        def init(): pass
        def run(mini_batch):
            {body}
    """)

    (outcome,) = bench.score(batches(2, size=2))

    assert (outcome.status, outcome.failed, outcome.attempts) == ("failed", (0, 1), 2)
    assert outcome.failure is not None
    assert outcome.failure.type == "WrongReturnType"
    assert outcome.failure.message.startswith("The run() method in the entry script should return a list or a pandas")
    assert outcome.failure.message.endswith(f"The actual type of output is {type_name}.")
    assert outcome.failure.place == "score.py:3"


def test_more_rows_than_files_are_written_and_all_files_succeed(bench: Bench) -> None:
    bench.script("def init(): pass\ndef run(mini_batch): return ['a', 'b', 'c']")

    (outcome,) = bench.score(batches(1))

    assert (outcome.status, outcome.rows, outcome.failed) == ("succeeded", 3, ())


def test_a_short_return_is_tried_again_then_the_files_without_a_row_fail(bench: Bench) -> None:
    bench.script("def init(): pass\ndef run(files): return [f for f in files if '1.png' not in f]")

    (outcome,) = bench.score(batches(3, size=3))

    assert (outcome.status, outcome.failed, outcome.rows, outcome.attempts) == ("partial", (1,), 2, 2)
    assert outcome.failure is not None
    assert outcome.failure.summary == (
        "ShortReturn: run() returned 2 rows for 3 files; each file that was scored needs a row in score.py:2"
    )
    assert bench.rows([outcome]) == "/data/0.png\n/data/2.png\n"


def test_a_short_return_whose_rows_name_no_files_fails_the_last_ones(bench: Bench) -> None:
    bench.script("def init(): pass\ndef run(files): return ['x'] * (len(files) - 2)")

    (outcome,) = bench.score(batches(5, size=5))

    assert outcome.failed == (3, 4)


def test_an_empty_list_fails_every_file(bench: Bench) -> None:
    bench.script("def init(): pass\ndef run(files): return []")

    (outcome,) = bench.score(batches(2, size=2))

    assert (outcome.status, outcome.failed, outcome.part, outcome.rows) == ("failed", (0, 1), None, 0)


def test_summary_only_writes_nothing_and_counts_all_the_same(bench: Bench) -> None:
    bench.setup = replace(bench.setup, output_action="summary_only")

    (outcome,) = bench.score(batches(2, size=2))

    assert (outcome.status, outcome.rows, outcome.part) == ("succeeded", 2, None)
    assert list(bench.setup.parts_dir.iterdir()) == []


# ---------------------------------------------------------------------- errors of the script


def test_an_exception_is_told_with_the_users_frames_only_and_tried_again(bench: Bench) -> None:
    (bench.code / "features.py").write_text("def age(row):\n    return row['age']\n")
    bench.script("""
        import features
        def init(): pass
        def run(mini_batch):
            return [features.age({}) for file in mini_batch]
    """)

    (outcome,) = bench.score(batches(1))

    failure = outcome.failure
    assert failure is not None
    assert (outcome.attempts, failure.summary) == (2, "KeyError: 'age' in features.py:2")
    assert failure.traceback is not None
    assert "score.py" in failure.traceback
    assert str(PROGRAM) not in failure.traceback
    assert "return row['age']" in failure.traceback
    assert bench.log("logs/user/error.txt").count("KeyError: 'age' in features.py:2") == 2
    assert failure.traceback in bench.log("logs/user/error/node0/*.txt")


def test_a_mini_batch_that_fails_once_succeeds_on_its_second_try(bench: Bench) -> None:
    bench.script("""
        from pathlib import Path
        def init(): pass
        def run(mini_batch):
            mark = Path(__file__).with_name("failed")
            if not mark.exists():
                mark.touch()
                raise SystemExit(3)
            return mini_batch
    """)

    (outcome,) = bench.score(batches(1))

    assert (outcome.status, outcome.attempts, outcome.failure) == ("succeeded", 2, None)
    assert "SystemExit: the script called sys.exit(3)" in bench.log("logs/user/error.txt")


def test_a_syntax_error_ends_the_run_at_once_and_names_the_line(bench: Bench) -> None:
    bench.script("def init(): pass\ndef run(mini_batch)\n    return []\n")

    with pytest.raises(ScriptInvalid, match=r"'score\.py' cannot be used: SyntaxError: .* in score\.py:2") as caught:
        bench.score(batches(2))

    assert caught.value.failure.line == 2
    assert len(bench.pids()) <= 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def init(): pass", r"defines no function run\(\)"),
        ("def run(mini_batch): return []", r"defines no function init\(\)"),
        ("init = 1\ndef run(mini_batch): return []", r"defines no function init\(\)"),
    ],
)
def test_a_script_without_init_or_run_ends_the_run_at_once(bench: Bench, text: str, message: str) -> None:
    bench.script(text)

    with pytest.raises(ScriptInvalid, match=message):
        bench.score(batches(2))


def test_a_script_that_is_not_there_ends_the_run_at_once(bench: Bench) -> None:
    bench.setup = replace(bench.setup, script="scores.py")

    with pytest.raises(ScriptInvalid, match=r"'scores\.py' does not exist in the code folder"):
        bench.score(batches(1))


def test_an_init_that_keeps_failing_ends_the_run_with_the_users_traceback(bench: Bench) -> None:
    bench.script("def init():\n    raise OSError('no model')\ndef run(mini_batch): return []\n")

    with pytest.raises(
        InitFailed, match=r"init\(\) .* failed in 3 workers .*OSError: no model in score.py:2"
    ) as caught:
        bench.score(batches(5))

    assert caught.value.failure.traceback is not None
    assert "raise OSError('no model')" in caught.value.failure.traceback


def test_what_was_scored_before_the_run_had_to_stop_is_handed_over(bench: Bench) -> None:
    bench.script("""
        import os
        from pathlib import Path
        def init():
            started = Path(__file__).with_name("started")
            if started.exists():
                raise OSError("not again")
            started.touch()
        def run(mini_batch):
            if "/2.png" in mini_batch[0]:
                os._exit(1)
            return mini_batch
    """)
    bench.limits = Limits(workers=1, group_seconds=60)
    outcomes: list[Outcome] = []

    with pytest.raises(InitFailed, match="OSError: not again"):
        for group in bench.engine().run(batches(4)):
            outcomes += group

    assert [outcome.number for outcome in outcomes] == [0, 1]


def test_an_import_that_fails_is_told_with_its_line(bench: Bench) -> None:
    bench.script("import no_such_package\n")

    with pytest.raises(InitFailed, match=r"ModuleNotFoundError: No module named 'no_such_package' in score.py:1"):
        bench.score(batches(1))


def test_an_init_that_hangs_ends_the_run_and_tells_where(bench: Bench) -> None:
    bench.script("import time\ndef init():\n    time.sleep(60)\ndef run(mini_batch): return []\n")
    bench.limits = Limits(workers=1, init_timeout=3)

    with pytest.raises(InitFailed, match=r"took longer than 3 s in score\.py:3"):
        bench.score(batches(1))


def test_an_init_that_fails_in_one_process_is_tried_in_another(bench: Bench) -> None:
    bench.script("""
        from pathlib import Path
        def init():
            mark = Path(__file__).with_name("failed")
            if not mark.exists():
                mark.touch()
                raise RuntimeError("the first one")
        def run(mini_batch): return mini_batch
    """)

    outcomes = bench.score(batches(4))

    assert {outcome.status for outcome in outcomes} == {"succeeded"}


def test_an_interpreter_that_is_not_there_is_named(bench: Bench) -> None:
    bench.score(batches(1))
    bench.setup = replace(bench.setup, python="/no/such/python")

    with pytest.raises(InitFailed, match="cannot be started with the interpreter '/no/such/python'"):
        bench.score(batches(1))


# ---------------------------------------------------------------------- hangs and deaths


def test_a_hang_is_killed_at_its_time_limit_and_the_others_go_on(bench: Bench) -> None:
    bench.script("""
        import signal, time
        def init(): signal.signal(signal.SIGTERM, signal.SIG_IGN)
        def run(mini_batch):
            if "/3.png" in mini_batch[0]:
                time.sleep(60)
            return mini_batch
    """)
    bench.limits = Limits(workers=2, timeout=1.5, max_tries=2)

    outcomes = bench.score(batches(20))

    failed = outcomes.pop(3)
    assert {outcome.status for outcome in outcomes} == {"succeeded"}
    assert {outcome.attempts for outcome in outcomes} == {1}
    assert failed.failure is not None
    assert (failed.attempts, failed.failure.type, failed.failure.place) == (2, "Timeout", "score.py:6")
    assert "time limit of 1.5 s" in failed.failure.message
    assert failed.seconds >= 1.5


def test_a_hang_on_a_busy_machine_gets_the_time_to_tell_its_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = child.Child._signal

    def late(process: child.Child, number: int) -> None:
        if number == signal.SIGUSR2:
            threading.Timer(0.4, at_once, (process, number)).start()
        else:
            at_once(process, number)

    monkeypatch.setattr(child.Child, "_signal", late)
    monkeypatch.setattr(child, "MOST_STACK_SECONDS", 60.0)
    bench.script("""
        import time
        def init(): pass
        def run(mini_batch):
            time.sleep(60)
    """)
    bench.limits = Limits(timeout=1, max_tries=1)

    (outcome,) = bench.score(batches(1))

    assert outcome.failure is not None
    assert (outcome.failure.type, outcome.failure.place) == ("Timeout", "score.py:5")


def test_what_waits_behind_a_hang_is_scored_by_others_meanwhile(bench: Bench) -> None:
    bench.script("""
        import time
        def init(): pass
        def run(mini_batch):
            if "/150.png" in mini_batch[0]:
                time.sleep(60)
            return mini_batch
    """)
    bench.limits = Limits(workers=2, timeout=3, max_tries=1, group_size=1, group_seconds=0)

    order = [outcome.number for group in bench.engine().run(batches(300)) for outcome in group]

    assert sorted(order) == list(range(300))
    assert order[-1] == 150


def test_a_script_that_holds_the_interpreter_is_killed_too(bench: Bench) -> None:
    bench.script("import re\ndef init(): pass\ndef run(files): return re.match('(a+)+$', 'a' * 40 + 'b') or files")
    bench.limits = Limits(workers=1, timeout=0.5, max_tries=1)

    (outcome,) = bench.score(batches(1))

    assert outcome.failure is not None
    assert (outcome.failure.type, outcome.failure.place) == ("Timeout", "score.py:3")


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("os._exit(7)", "exit code 7"),
        ("ctypes.string_at(0)", "SIGSEGV; a library crashed"),
        ("os.kill(os.getpid(), 9)", "SIGKILL; by the script itself or from outside, not by the kernel"),
        ("os.abort()", "SIGABRT"),
        ("os.closerange(3, 100)", "the worker process"),
    ],
)
def test_a_worker_that_dies_costs_only_its_mini_batch_a_try(bench: Bench, deed: str, message: str) -> None:
    bench.script(f"""
        import ctypes, os
        def init(): pass
        def run(mini_batch):
            if "/5.png" in mini_batch[0]:
                {deed}
            return mini_batch
    """)

    outcomes = bench.score(batches(20))

    failed = outcomes.pop(5)
    assert {(outcome.status, outcome.attempts) for outcome in outcomes} == {("succeeded", 1)}
    assert failed.failure is not None
    assert (failed.attempts, failed.failure.type) == (2, "WorkerDied")
    assert message in failed.failure.message
    assert len(bench.pids()) <= 5


def test_a_crash_of_a_library_is_told_with_the_users_line(bench: Bench) -> None:
    bench.script("import ctypes\ndef init(): pass\ndef run(files):\n    ctypes.string_at(0)\n")

    (outcome,) = bench.score(batches(1))

    assert outcome.failure is not None
    assert outcome.failure.place == "score.py:4"
    assert "Segmentation fault" in (outcome.failure.traceback or "")


def test_workers_killed_from_outside_are_replaced_and_nothing_is_lost_or_doubled(bench: Bench) -> None:
    bench.script("import time\ndef init(): pass\ndef run(files): time.sleep(.005); return files")
    bench.limits = Limits(workers=2, max_tries=50, group_seconds=0.01)
    outcomes: list[Outcome] = []
    killed: set[int] = set()

    for group in bench.engine().run(batches(200)):
        outcomes += group
        bench.logs.flush()
        living = [pid for pid in bench.pids() if pid not in killed and group_lives(pid)]
        if len(killed) < 6 and living:
            killed.add(living[0])
            os.kill(living[0], signal.SIGKILL)

    outcomes.sort(key=lambda outcome: outcome.number)
    assert len(killed) == 6
    assert [outcome.number for outcome in outcomes] == list(range(200))
    assert bench.rows(outcomes) == "".join(f"/data/{n}.png\n" for n in range(200))


def test_processes_that_a_script_starts_die_with_their_worker(bench: Bench) -> None:
    bench.script("""
        import subprocess, time
        def init(): subprocess.Popen(["sleep", "60"])
        def run(mini_batch):
            subprocess.Popen(["sleep", "60"])
            if "/1.png" in mini_batch[0]:
                time.sleep(60)
            return mini_batch
    """)
    bench.limits = Limits(workers=2, timeout=2, max_tries=1)

    outcomes = bench.score(batches(4))

    assert [outcome.status for outcome in outcomes] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert eventually(bench.no_process_is_left)


def test_a_death_is_seen_although_a_forked_child_holds_the_connection(bench: Bench) -> None:
    bench.script("""
        import os, time
        def init(): pass
        def run(mini_batch):
            if os.fork() == 0:
                time.sleep(60)
            os._exit(1)
    """)
    bench.limits = Limits(workers=1, max_tries=1)

    (outcome,) = bench.score(batches(1))

    assert outcome.failure is not None
    assert "exit code 1" in outcome.failure.message


def test_a_forked_child_that_returns_from_run_does_not_score(bench: Bench) -> None:
    bench.script("""
        import os
        def init(): os.fork()
        def run(mini_batch):
            if os.fork() == 0 and "/1.png" in mini_batch[0]:
                raise ValueError("in the child")
            return mini_batch
    """)

    outcomes = bench.score(batches(4))

    assert [(outcome.number, outcome.status) for outcome in outcomes] == [(n, "succeeded") for n in range(4)]
    assert bench.rows(outcomes) == "".join(f"/data/{n}.png\n" for n in range(4))


def test_workers_die_with_the_engines_process_in_the_middle_of_run(bench: Bench) -> None:
    bench.script("import re\ndef init(): pass\ndef run(files): return re.match('(a+)+$', 'a' * 40 + 'b')")
    program = f"""
        import sys
        from pathlib import Path
        from azure_batch_endpoints.local.engines.base import Limits, StagedBatch, WorkerSetup
        from azure_batch_endpoints.local.engines.process import ProcessEngine
        from azure_batch_endpoints.local.logfiles import JobLogs
        folder = Path({str(bench.folder)!r})
        setup = WorkerSetup(folder / "code", "score.py", folder / "out", folder / "parts")
        logs = JobLogs(folder / "job")
        start = logs.attempt
        logs.attempt = lambda *line: (start(*line), logs.flush())
        list(ProcessEngine(setup, Limits(2), logs).run([StagedBatch(n, (), (str(n),)) for n in range(2)]))
    """
    engine = subprocess.Popen([sys.executable, "-c", dedent(program)])
    try:
        assert eventually(lambda: len(bench.pids()) == 2 and all(map(group_lives, bench.pids())), 20)
    finally:
        engine.kill()
        engine.wait()

    assert eventually(bench.no_process_is_left)


# ---------------------------------------------------------------------- scripts that behave oddly


def test_output_goes_to_the_documented_files(bench: Bench) -> None:
    bench.script("""
        import logging, os, sys
        def init():
            print("printed in init")
            logging.info("logged")
            logging.debug("not at this level")
        def run(mini_batch):
            os.write(1, b"from a library\\n")
            print("to stderr", file=sys.stderr)
            print("x" * 3_000_000)
            return mini_batch
    """)
    bench.limits = Limits(workers=1)

    outcomes = bench.score(batches(2))

    assert {outcome.status for outcome in outcomes} == {"succeeded"}
    printed = bench.log("logs/user/stdout/node0/process000.stdout.txt")
    assert "printed in init\n" in printed
    assert "INFO root: logged\n" in printed
    assert "not at this level" not in printed
    assert printed.count("from a library\n") == 2
    assert len(printed) > 6_000_000
    assert bench.log("logs/user/stderr/node0/process000.stderr.txt") == "to stderr\n" * 2
    assert "mini-batch 1, try 1 of 3: 1 files, 1 succeeded, 0 failed, 1 rows" in bench.log("logs/sys/node/node0/*.txt")


@pytest.mark.parametrize(
    "deed",
    [
        "sys.stdout.close()",
        "os.close(1); os.close(2)",
        "os.chdir('/')",
        "sys.stdin.read()",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "warnings.warn('something')",
    ],
)
def test_odd_deeds_do_not_disturb_the_scoring(bench: Bench, deed: str) -> None:
    bench.script(f"""
        import os, signal, sys, threading, time, warnings
        def init(): {deed}
        def run(mini_batch): return mini_batch
    """)

    outcomes = bench.score(batches(3))

    assert [outcome.status for outcome in outcomes] == ["succeeded"] * 3


def test_a_thread_that_keeps_a_worker_alive_does_not_keep_the_engine(bench: Bench) -> None:
    bench.script("""
        import threading, time
        def init(): threading.Thread(target=time.sleep, args=(60,)).start()
        def run(mini_batch): return mini_batch
    """)
    bench.limits = Limits(workers=1, shutdown_seconds=0.2)

    assert bench.score(batches(1))[0].status == "succeeded"


def test_the_script_finds_its_arguments_variables_modules_and_shutdown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "xyz")
    (bench.code / "plan.py").write_text("name = 'the user has a plan of his own'\n")
    bench.script("""
        import argparse, os, plan
        def init():
            parser = argparse.ArgumentParser()
            parser.add_argument("--logging_level")
            global level
            level = parser.parse_known_args()[0].logging_level
        def run(mini_batch):
            names = ["AZUREML_MODEL_DIR", "AZUREML_BI_OUTPUT_PATH", "MINE", "A_SECRET"]
            return [level, plan.name, os.getcwd(), __name__, *map(os.environ.get, names), mini_batch]
        def shutdown():
            print("shut down")
    """)
    bench.setup = replace(
        bench.setup,
        logging_level="debug",
        arguments=("--more",),
        model_dir=bench.folder / "model",
        environment={"MINE": "1"},
        hidden=frozenset({"A_SECRET"}),
    )

    outcomes = bench.score(batches(1))

    folder = bench.folder
    assert bench.rows(outcomes).splitlines() == [
        *("debug", "the user has a plan of his own", str(folder / "code"), "score"),
        *(str(folder / "model"), str(folder / "out"), "1", "None", "['/data/0.png']"),
    ]
    assert "shut down" in bench.log("logs/user/stdout/node0/*.txt")


def test_rows_that_the_disk_does_not_take_fail_their_mini_batch_and_leave_no_piece(bench: Bench) -> None:
    bench.script("""
        import resource
        def init(): resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
        def run(mini_batch): return ["x" * 300] if "/1.png" in mini_batch[0] else mini_batch
    """)
    bench.limits = Limits(workers=1, max_tries=2)

    outcomes = bench.score(batches(4))

    assert [outcome.status for outcome in outcomes] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert outcomes[1].failure is not None
    assert outcomes[1].failure.summary == (
        "RowsNotWritten: the rows that run() returned could not be written: File too large"
    )
    assert bench.rows(outcomes) == "/data/0.png\n/data/2.png\n/data/3.png\n"


def test_values_that_cannot_be_encoded_or_are_huge_are_passed_on_in_a_form_that_can(bench: Bench) -> None:
    bench.script("""
        def init(): pass
        def run(mini_batch):
            if "/0.png" in mini_batch[0]:
                raise ValueError("\\udc80" + "x" * 100_000)
            return ["\\udc80 and ü"]
    """)
    bench.limits = Limits(max_tries=1)

    outcomes = bench.score(batches(2))

    assert outcomes[0].failure is not None
    assert outcomes[0].failure.message.startswith("\\udc80xxx")
    assert len(outcomes[0].failure.message) < 5000
    assert bench.rows(outcomes) == "\\udc80 and ü\n"


def test_a_mini_batch_larger_than_the_sockets_buffer_reaches_a_busy_worker(bench: Bench) -> None:
    bench.script("import time\ndef init(): pass\ndef run(files): time.sleep(.01); return files")
    bench.limits = Limits(workers=1)

    outcomes = bench.score(batches(120_000, size=30_000))

    assert [outcome.rows for outcome in outcomes] == [30_000] * 4


# ---------------------------------------------------------------------- the run as a whole


def test_the_worker_is_written_in_what_python_3_7_knows() -> None:
    for file in sorted(PROGRAM.rglob("*.py")):
        ast.parse(file.read_text(), feature_version=(3, 7))


def test_nothing_to_do_is_done_at_once(bench: Bench) -> None:
    assert bench.score([]) == []
    bench.score(batches(1))


def test_init_runs_once_a_process_and_never_more_processes_than_needed(bench: Bench) -> None:
    bench.script("def init(): print('init')\ndef run(files): return files")
    bench.limits = Limits(workers=8)

    bench.score(batches(2))

    assert bench.log("logs/user/stdout/node0/*.txt").count("init\n") <= len(bench.pids()) <= 2


def test_cancelling_ends_the_workers_in_the_middle_of_run_and_gives_what_was_finished(bench: Bench) -> None:
    bench.script("""
        import time
        def init(): pass
        def run(mini_batch):
            if "/0.png" not in mini_batch[0]:
                time.sleep(1000)
            return mini_batch
    """)
    cancel = threading.Event()
    outcomes: list[Outcome] = []

    for group in bench.engine().run(batches(5), cancel):
        outcomes += group
        threading.Timer(0.2, cancel.set).start()

    assert [outcome.number for outcome in outcomes] == [0]
    assert bench.no_process_is_left()


def test_closing_the_run_early_ends_the_workers_and_closes_the_source(bench: Bench) -> None:
    closed = threading.Event()

    def source() -> Iterator[StagedBatch]:
        try:
            yield from batches(100_000)
        finally:
            closed.set()

    with closing(bench.engine().run(source())) as groups:
        next(groups)

    assert bench.no_process_is_left()
    assert closed.wait(5)


def test_mini_batches_are_pulled_only_a_little_ahead(bench: Bench) -> None:
    pulled = finished = lead = 0

    def source() -> Iterator[StagedBatch]:
        nonlocal pulled
        for batch in batches(500):
            pulled += 1
            yield batch

    bench.limits = Limits(workers=2, ahead=4, group_size=1)
    for group in bench.engine().run(source()):
        finished += len(group)
        lead = max(lead, pulled - finished)

    assert finished == 500
    assert lead <= 4 + 1 + 2 * 2 + 2 * 2  # buffer, one in hand, queues, results on their way


def test_slow_staging_does_not_delay_a_time_limit(bench: Bench) -> None:
    bench.script("""
        import time
        def init(): pass
        def run(mini_batch): time.sleep(60 if "/0.png" in mini_batch[0] else 0); return mini_batch
    """)
    bench.limits = Limits(workers=1, timeout=1, max_tries=1, group_seconds=0)
    go_on = threading.Event()

    def source() -> Iterator[StagedBatch]:
        first, second = batches(2)
        yield first
        assert go_on.wait(60), "the first mini-batch was never given up"
        yield second

    outcomes: list[Outcome] = []
    for group in bench.engine().run(source()):
        outcomes += group
        go_on.set()

    assert [outcome.status for outcome in outcomes] == ["failed", "succeeded"]


def test_an_error_in_staging_is_raised_after_what_was_staged_is_scored(bench: Bench) -> None:
    def source() -> Iterator[StagedBatch]:
        yield from batches(3)
        raise OSError("the store is gone")

    outcomes: list[Outcome] = []
    with pytest.raises(OSError, match="the store is gone"):
        for group in bench.engine().run(source()):
            outcomes += group

    assert len(outcomes) == 3


def test_a_slow_consumer_does_not_make_time_outs(bench: Bench) -> None:
    bench.limits = Limits(workers=2, timeout=1, max_tries=1, group_seconds=0)
    busy = threading.Event()
    outcomes: list[Outcome] = []

    for group in bench.engine().run(batches(6)):
        outcomes += group
        busy.wait(1.3 if len(outcomes) < 3 else 0)  # longer than the limit

    assert [outcome.status for outcome in outcomes] == ["succeeded"] * 6


def test_a_run_that_was_late_is_a_time_out_even_if_nobody_looked(bench: Bench) -> None:
    bench.script(
        "import time\ndef init(): pass\ndef run(files): time.sleep(1.5 if '/1.' in files[0] else 0); return files"
    )
    bench.limits = Limits(workers=1, timeout=1, max_tries=1, group_seconds=0, group_size=1)
    busy = threading.Event()
    outcomes: list[Outcome] = []

    for group in bench.engine().run(batches(2)):
        outcomes += group
        busy.wait(2)

    assert [outcome.status for outcome in outcomes] == ["succeeded", "failed"]


def test_a_job_goes_on_from_its_ledger_and_the_result_is_that_of_an_undisturbed_one(bench: Bench) -> None:
    target = bench.folder / "predictions.csv"
    with Ledger(bench.folder / "ledger.db", 3) as ledger:
        ledger.add_inputs(number_inputs((f"{n}.png", "", 0) for n in range(50)))
        ledger.seal()
        bench.limits = Limits(workers=2, group_size=2)
        with closing(bench.engine().run(map(staged, ledger.pending()))) as groups:
            ledger.record(next(groups))
        done = ledger.progress().done

    with Ledger(bench.folder / "ledger.db") as ledger:
        again = [outcome for group in record(ledger, bench) for outcome in group]
        written = write_rows(ledger.parts(), bench.setup.parts_dir, target)

        assert 0 < done < 17
        assert len(again) == 17 - done
        assert ledger.reconcile(written.rows).ok
    assert target.read_text() == "".join(f"{n}.png\n" for n in range(50))
    assert len(set(bench.pids())) == len(list((bench.folder / "job/logs/user/stdout/node0").iterdir()))


def record(ledger: Ledger, bench: Bench) -> Iterator[tuple[Outcome, ...]]:
    for group in bench.engine().run(map(staged, ledger.pending())):
        ledger.record(group)
        yield group
