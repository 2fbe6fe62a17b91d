"""What a scoring script finds, and what becomes of its errors and its odder deeds. The index is in `test_semantics`."""

from __future__ import annotations

import os
import sys
import venv
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from azure_batch_endpoints.local.engines.base import Limits
from azure_batch_endpoints.local.logfiles import JobLogs
from tests.local.engine_scene import Scene

RAISED = {
    "raise ValueError('bad')": ("ValueError", "bad"),
    "raise KeyError": ("KeyError", ""),
    "raise ValueError('first line\\nsecond line')": ("ValueError", "first line\nsecond line"),
    "raise OSError(2, 'No such file', 'x')": ("FileNotFoundError", "[Errno 2] No such file: 'x'"),
    "raise Mine('of my own')": ("Mine", "of my own"),
    "raise Mute": ("Mute", "<exception str() failed>"),
    "raise ValueError('second') from KeyError('first')": ("ValueError", "second"),
    "sys.exit(3)": ("SystemExit", "the script called sys.exit(3)"),
    "sys.exit()": ("SystemExit", "the script called sys.exit(None)"),
    "raise KeyboardInterrupt": ("KeyboardInterrupt", ""),
    "raise GeneratorExit": ("GeneratorExit", ""),
    "raise BaseException('base')": ("BaseException", "base"),
    "raise StopIteration": ("StopIteration", ""),
    "recurse()": ("RecursionError", "maximum recursion depth exceeded"),
    "exec('1 +')": ("SyntaxError", "invalid syntax"),
    "import no_such_module": ("ModuleNotFoundError", "No module named 'no_such_module'"),
    "assert False, 'checked'": ("AssertionError", "checked"),
    "raise MemoryError": ("MemoryError", ""),
    "raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])": ("ExceptionGroup", "two (2 sub-exceptions)"),
    "raise 'a text'": ("TypeError", "exceptions must derive from BaseException"),
}
if sys.version_info < (3, 11):
    del RAISED["raise ExceptionGroup('two', [ValueError('a'), KeyError('b')])"]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


# ---------------------------------------------------------------------- errors


def test_an_exception_of_any_kind_fails_its_mini_batch_and_the_worker_goes_on(scene: Scene) -> None:
    branches = "\n".join(f"            if number == {i}:\n                {deed}" for i, deed in enumerate(RAISED))
    outcomes = scene.score(
        f"""
        import sys
        class Mine(Exception): pass
        class Mute(Exception):
            def __str__(self): raise ValueError
        def recurse(): return recurse() + 1
        def init(): pass
        def run(mini_batch):
            number = int(open(mini_batch[0]).read())
{branches}
            return mini_batch
        """,
        len(RAISED) + 1,
    )

    told = {deed: one.failure for deed, one in zip(RAISED, outcomes, strict=False)}
    assert {deed: failure and (failure.type, failure.message) for deed, failure in told.items()} == {
        **RAISED,
        "raise Mute": ("Mute", told["raise Mute"].message if told["raise Mute"] else ""),
        "exec('1 +')": ("SyntaxError", told["exec('1 +')"].message if told["exec('1 +')"] else ""),
        "recurse()": ("RecursionError", told["recurse()"].message if told["recurse()"] else ""),
    }
    for failure in told.values():
        assert failure is not None and failure.file == "score.py" and failure.traceback is not None
        assert "Traceback (most recent call last):" in failure.traceback and "/worker/" not in failure.traceback
    caused = told["raise ValueError('second') from KeyError('first')"]
    assert caused is not None and "KeyError: 'first'" in str(caused.traceback)
    assert outcomes[-1].status == "succeeded"
    assert scene.workers == 1


@pytest.mark.parametrize("error", ["SystemExit(1)", "KeyboardInterrupt()", "ValueError('x')"])
def test_a_failed_try_is_tried_again_as_often_as_max_retries_says(scene: Scene, error: str) -> None:
    scene.limits = Limits(workers=1, max_tries=3)
    (outcome,) = scene.score(
        f"def init(): pass\ndef run(files):\n    print('try')\n    raise {error}\n",
    )

    assert (outcome.status, outcome.attempts, scene.printed().count("try\n")) == ("failed", 3, 3)
    assert scene.log("logs/user/error.txt").count("\n") == 3
    assert scene.log("logs/user/error/node0/process000.txt").count("Traceback") == 3


def test_init_runs_once_in_each_process_and_again_after_a_death(scene: Scene) -> None:
    scene.limits = Limits(workers=1, max_tries=2)
    outcomes = scene.score(
        """
        import os, pathlib
        def init(): print("init", flush=True)
        def run(files):
            mark = pathlib.Path(__file__).with_name("died")
            if "2.txt" in files[0] and not mark.exists():
                mark.touch()
                os._exit(1)
            return files
        """,
        5,
    )

    assert [(one.status, one.attempts) for one in outcomes] == [("succeeded", 2 if n == 2 else 1) for n in range(5)]
    assert (scene.workers, scene.printed().count("init\n")) == (2, 2)
    assert {one.worker for one in outcomes} == {"process000", "process001"}


# ---------------------------------------------------------------------- what the script finds


@pytest.mark.parametrize(
    ("level", "shown"), [("debug", "DIWE"), ("info", "IWE"), ("warning", "WE")], ids=["debug", "info", "warning"]
)
def test_logging_level_is_the_root_loggers_the_scripts_argument_and_that_of_entry_script(
    scene: Scene, level: str, shown: str
) -> None:
    scene.score(
        """
        import argparse, logging
        from azureml_user.parallel_run import EntryScript
        def init():
            parser = argparse.ArgumentParser()
            parser.add_argument("--logging_level")
            print("told", parser.parse_known_args()[0].logging_level)
        def run(files):
            for write in (logging.getLogger("somebody.else"), EntryScript().logger):
                write.debug("-D-"); write.info("-I-"); write.warning("-W-"); write.error("-E-")
            return files
        """,
        logging_level=level,
        arguments=("--unknown", "x"),
    )

    printed = scene.printed()
    own = scene.log("logs/user/entry_script_log/node0/process000.log.txt")
    assert f"told {level}\n" in printed
    assert [mark for mark in "DIWE" if f"-{mark}-" in printed] == list(shown)
    assert [mark for mark in "DIWE" if f"-{mark}-" in own] == list(shown)
    assert printed.count("-E-") == own.count("-E-") == 1


def test_print_logging_stderr_warnings_and_children_go_to_the_documented_files(scene: Scene) -> None:
    scene.score(
        """
        import logging, os, subprocess, sys, warnings
        def init(): print("printed in init")
        def run(files):
            print("grüße \\ud800")
            logging.info("logged")
            print("to stderr", file=sys.stderr)
            warnings.warn("mind this")
            os.write(1, b"by a library\\n")
            subprocess.run([sys.executable, "-S", "-c", "print('by a child')"], check=True)
            return files
        """
    )

    printed, errors = scene.printed(), scene.log("logs/user/stderr/node0/process000.stderr.txt")
    for text in ("printed in init\n", "grüße \\ud800\n", " INFO root: logged\n", "by a library\n", "by a child\n"):
        assert text in printed
    assert "to stderr\n" in errors and "UserWarning: mind this" in errors


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_what_a_script_prints_on_a_full_disk_is_lost_and_fails_no_mini_batch(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> tuple[BinaryIO, BinaryIO]:
        return open("/dev/full", "wb", buffering=0), open("/dev/full", "wb", buffering=0)

    monkeypatch.setattr(JobLogs, "worker_streams", full)
    outcomes = scene.score(
        """
        import logging, sys
        def init(): print("init")
        def run(files):
            print("x" * 100_000, flush=True)
            sys.stdout.buffer.write(b"bytes")
            sys.stdout.flush()
            print("error", file=sys.stderr)
            logging.warning("logged")
            return [sys.stdout.encoding, sys.stdout.name, sys.stdout.fileno(), sys.stderr.name]
        """,
        2,
    )

    assert [one.failure for one in outcomes] == [None, None]
    assert scene.text(outcomes[1]) == "utf-8\n<stdout>\n1\n<stderr>\n"


def test_entry_script_gives_logger_folders_and_name_once_a_process(scene: Scene) -> None:
    scene.limits = Limits(workers=2, timeout=20)
    outcomes = scene.score(
        """
        import pathlib, time
        from azureml_user.parallel_run import EntryScript
        def init():
            global first
            first = EntryScript()
            first.logger.info("in init")
        def run(files):
            one = EntryScript()
            one.logger.info("scored %s", pathlib.Path(files[0]).name)
            (pathlib.Path(one.log_dir) / f"{one.agent_name}_more.txt").write_text("mine")
            time.sleep(0.05)
            return [(one is first, one.agent_name, one.log_dir, one.output_dir)]
        """,
        12,
    )

    folder = scene.folder / "job/logs/user/entry_script_log/node0"
    for one in outcomes:
        assert scene.text(one) == f"{(True, one.worker, str(folder), str(scene.folder / 'out'))}\n"
        assert one.worker is not None and (folder / f"{one.worker}_more.txt").read_text() == "mine"
        assert f"scored {one.number}.txt" in (folder / f"{one.worker}.log.txt").read_text()
    assert scene.log("logs/user/entry_script_log/node0/*.log.txt").count("in init") == len(
        list(folder.glob("*.log.txt"))
    )
    assert "in init" not in scene.printed()


def test_a_log_of_entry_script_that_cannot_be_written_fails_no_mini_batch(scene: Scene) -> None:
    (outcome,) = scene.score(
        """
        import os
        from azureml_user.parallel_run import EntryScript
        def init():
            folder = EntryScript().log_dir
            os.rmdir(folder)
            open(folder, "w").close()  # a file where the folder should be
        def run(files):
            EntryScript().logger.info("nowhere to go")
            return files
        """
    )

    assert outcome.failure is None
    assert "--- Logging error ---" in scene.log("logs/user/stderr/node0/*.txt")


def test_the_log_folder_of_entry_script_is_there_before_its_logger_writes(scene: Scene) -> None:
    (outcome,) = scene.score(
        """
        import os
        from azureml_user.parallel_run import EntryScript
        def init(): pass
        def run(files):
            with open(os.path.join(EntryScript().log_dir, "mine.txt"), "w") as file:
                file.write("by the script itself")
            return files
        """
    )

    assert outcome.failure is None
    assert scene.log("logs/user/entry_script_log/node0/mine.txt") == "by the script itself"


def test_a_real_azureml_user_package_is_used_where_there_is_one(scene: Scene) -> None:
    (scene.code / "azureml_user").mkdir()
    (scene.code / "azureml_user/__init__.py").touch()
    (scene.code / "azureml_user/parallel_run.py").write_text("class EntryScript: name = 'the real one'\n")

    (outcome,) = scene.score(
        "from azureml_user.parallel_run import EntryScript\ndef init(): pass\ndef run(f): return [EntryScript.name]"
    )

    assert scene.text(outcome) == "the real one\n"


def test_modules_of_the_script_called_like_those_of_the_worker_are_its_own(scene: Scene) -> None:
    names = ["channel", "columns", "memory", "program", "rows", "sources", "telling", "worker", "json", "score2"]
    for name in names:
        (scene.code / f"{name}.py").write_text(f"who = 'mine: {name}'\ndumps = loads = None\n")
    own = [name for name in names if name != "json"]

    told = ", ".join(f"{name}.who" for name in own)
    (outcome,) = scene.score(f"import {', '.join(own)}\ndef init(): pass\ndef run(files): return [{told}]")

    assert scene.text(outcome) == "".join(f"mine: {name}\n" for name in own)


def test_a_worker_needs_nothing_but_the_standard_library_of_its_interpreter(scene: Scene) -> None:
    venv.create(scene.folder / "bare", with_pip=False, symlinks=True)

    (outcome,) = scene.score(
        """
        import importlib.util, sys
        def init(): pass
        def run(files): return [(sys.prefix, importlib.util.find_spec("numpy"), importlib.util.find_spec("pydantic"))]
        """,
        python=str(scene.folder / "bare/bin/python"),
    )

    assert scene.text(outcome) == f"{(str(scene.folder / 'bare'), None, None)}\n"


# ---------------------------------------------------------------------- odd deeds


@pytest.mark.parametrize(
    "deed",
    [
        "builtins.open = builtins.print = lambda *a, **k: 1 / 0",
        "builtins.len = builtins.sum = builtins.sorted = lambda *a: 7",
        "builtins.range = builtins.min = builtins.max = builtins.zip = None",
        "logging.basicConfig(force=True, stream=open(os.devnull, 'w')); logging.disable()",
        "logging.shutdown(); logging.Logger.manager.loggerDict.clear(); logging.root.handlers.clear()",
        "sys.stdout = sys.stderr = None",
        "sys.stdout = io.StringIO(); sys.stdout.close()",
        "sys.path.clear(); sys.meta_path.clear(); sys.path_hooks.clear()",
        "[sys.modules.pop(name) for name in list(sys.modules) if name not in ('sys', 'builtins')]",
        "os.rename(os.getcwd(), os.getcwd() + '.moved'); os.rename(os.getcwd(), os.getcwd()[:-6])",
        "os.chdir('/'); os.environ.clear(); os.umask(0o777); os.nice(5)",
        "sys.setrecursionlimit(100_000); gc.disable(); sys.settrace(lambda *a: None)",
        "socket.setdefaulttimeout(0.001); socket.socket = json.dumps = struct.pack = os.pwrite = None",
        "signal.signal(signal.SIGUSR2, signal.SIG_IGN); faulthandler.disable()",
        "signal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)",
        "threading.excepthook = sys.excepthook = print; threading.Thread(target=lambda: 1 / 0).start()",
        "atexit.register(lambda: 1 / 0)",
        "time.monotonic = time.time = time.sleep = None",
        "locale.setlocale(locale.LC_ALL, 'C'); sys.argv.clear()",
    ],
)
def test_what_a_script_does_to_its_own_process_costs_no_row(scene: Scene, deed: str) -> None:
    modules = "atexit, builtins, faulthandler, gc, io, json, locale, logging, os, signal, socket, struct, sys, time"
    outcomes = scene.score(
        f"""
        import {modules}, threading
        def init(): pass
        def run(files):
            if "0.txt" in files[0]:
                {deed}
            return list(files) + ["more"]
        """,
        4,
    )

    assert [one.failure for one in outcomes] == [None] * 4
    assert [scene.text(one) for one in outcomes] == [f"{scene.data}/{n}.txt\nmore\n" for n in range(4)]
    assert scene.workers == 1


def test_an_alarm_that_goes_off_after_run_costs_no_row_and_doubles_none(scene: Scene) -> None:
    scene.limits = Limits(workers=1, max_tries=20, group_seconds=0.01)
    outcomes = scene.score(
        """
        import signal
        class Late(Exception): pass
        def late(*_): raise Late
        def init(): signal.signal(signal.SIGALRM, late)
        def run(files):
            if int(open(files[0]).read()) % 10 == 0:
                signal.setitimer(signal.ITIMER_REAL, 0.0003)
            return files
        """,
        60,
    )

    assert {one.status for one in outcomes} == {"succeeded"}
    assert [scene.text(one) for one in outcomes] == [f"{scene.data}/{n}.txt\n" for n in range(60)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_script_may_use_multiprocessing(scene: Scene, method: str) -> None:
    (outcome,) = scene.score(
        f"""
        import multiprocessing
        def read(file):
            with open(file) as opened:
                return int(opened.read()) * 2
        def init(): pass
        def run(files):
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                return pool.map(read, files)
        """,
        *(4, 4),
    )

    assert outcome.failure is None, outcome.failure
    assert scene.text(outcome) == "0\n2\n4\n6\n"


def test_an_error_in_shutdown_changes_nothing_and_is_in_stderr(scene: Scene) -> None:
    (outcome,) = scene.score(
        "def init(): pass\ndef run(files): return files\ndef shutdown(): raise ValueError('at the end')"
    )

    assert outcome.status == "succeeded"
    assert "ValueError: at the end" in scene.log("logs/user/stderr/node0/*.txt")


def test_a_script_in_a_folder_below_imports_what_lies_at_the_top_of_the_code(scene: Scene) -> None:
    (scene.code / "top.py").write_text("name = 'top'\n")
    (scene.code / "sub").mkdir()
    (scene.code / "sub/inner.py").write_text(
        "import os, top\ndef init(): pass\ndef run(files): return [(top.name, __file__, os.getcwd())]"
    )
    scene.setup = replace(scene.setup, script="sub/inner.py")

    (outcome,) = scene.score("")

    assert scene.text(outcome) == f"{('top', str(scene.code / 'sub/inner.py'), os.fspath(scene.code))}\n"
