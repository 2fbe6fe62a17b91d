"""Scripts that do what no scoring script should: each ends in the right state, the others' rows are untouched."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest

from azure_batch_endpoints.local.engines import crew, printed, room
from azure_batch_endpoints.local.engines.base import InitFailed, Limits, Outcome
from tests.local.engine_bench import Bench, batches, bench_in, eventually, group_lives

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.environ.clear()
        os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(600)", "{tag}"], {{}})
    os._exit(0)
os.wait()
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from bench_in(tmp_path)


def script(deed: str, where: str = "run") -> str:
    """A script that does something in `init()`, or in `run()` of the sixth file."""
    return "\n".join(
        [
            "import ctypes, faulthandler, gc, multiprocessing, os, resource, shutil, signal, sys, threading, time",
            "def square(n): return n * n",
            "class Odd(list):",
            "    def __len__(self): raise RuntimeError('no length')",
            "class Slow:",
            "    def __str__(self): time.sleep(60)",
            "class Sore:",
            "    def __str__(self): raise RuntimeError('no text')",
            "def deed(mini_batch):",
            *(f"    {line}" for line in dedent(deed).strip().splitlines()),
            "    return mini_batch",
            "def init():",
            "    deed([])" if where == "init" else "    pass",
            "def run(mini_batch):",
            "    if '/5.png' in mini_batch[0]:" if where == "run" else "    if False:",
            "        return deed(mini_batch)",
            "    return mini_batch",
        ]
    )


HARMLESS = {
    "forks": "os.fork() or os._exit(0)",
    "forks and lets the child live": "os.fork() or time.sleep(600)",
    "starts a daemon": DAEMON.format(tag="here"),
    "changes the folder": "os.chdir('/')",
    "closes stdout": "sys.stdout.close(); sys.stderr.close()",
    "closes the standard descriptors": "[os.close(n) for n in (0, 1, 2)]",
    "ignores signals": "[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]",
    "takes the signal of the engine": "signal.signal(signal.SIGUSR2, lambda *_: None)",
    "blocks all signals": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
    "reaps all children": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "reads stdin": "assert sys.stdin.read() == ''",
    "leaves a thread": "threading.Thread(target=time.sleep, args=(600,)).start()",
    "switches faulthandler off": "faulthandler.disable()",
    "freezes gc": "gc.freeze(); gc.disable()",
    "limits itself": "[resource.setrlimit(limit, (64, 64)) for limit in (resource.RLIMIT_NOFILE, 4)]",
    "is nice": "os.nice(10)",
    "takes a session of its own": "os.setpgid(0, 0) if os.getpid() != os.getpgrp() else None",
    "replaces os.fork": "os.fork = lambda: 1 / 0",
    "replaces json": "import json; json.loads = json.dumps = None",
    "replaces time": "time.monotonic = time.time = lambda: -1e9",
    "uses a pool that forks": "assert multiprocessing.get_context('fork').Pool(2).map(square, [2]) == [4]",
    "uses a pool that spawns": """
        with multiprocessing.get_context('spawn').Pool(1) as pool:
            assert pool.map(abs, [-2]) == [2]
    """,
    "prints much": "[os.write(1, b'x' * (1 << 20)) for _ in range(40)]",
    "clears the environment": "os.environ.clear()",
    "empties sys.modules": "[sys.modules.pop(name) for name in ('json', 'os', 'time', 'logging')]",
    "raises the recursion limit": "sys.setrecursionlimit(10 ** 6)",
    "removes its own folder": "shutil.rmtree(os.path.dirname(__file__) + '/data', ignore_errors=True)",
}


@pytest.mark.parametrize("where", ["init", "run"])
@pytest.mark.parametrize("name", HARMLESS)
def test_a_script_may_do_it(bench: Bench, name: str, where: str) -> None:
    bench.script(script(HARMLESS[name], where))
    bench.limits = Limits(workers=2, max_tries=1, shutdown_seconds=0.3)

    outcomes = bench.score(batches(8))

    assert [outcome.failure for outcome in outcomes] == [None] * 8
    assert bench.rows(outcomes) == "".join(f"/data/{n}.png\n" for n in range(8))


def test_what_a_script_prints_to_closed_streams_is_neither_an_error_nor_among_the_rows(bench: Bench) -> None:
    bench.script("""
        import os, sys

        def init():
            for descriptor in (0, 1, 2):
                os.close(descriptor)

        def run(mini_batch):
            print("much more than a row, and at once", flush=True)
            sys.stderr.write("much more than a row, and at once\\n")
            return mini_batch
    """)
    bench.limits = Limits(workers=1, max_tries=1)

    outcomes = bench.score(batches(8))

    assert [outcome.failure for outcome in outcomes] == [None] * 8
    assert bench.rows(outcomes) == "".join(f"/data/{n}.png\n" for n in range(8))


HARMFUL = {
    "ends with 0": ("os._exit(0)", "WorkerDied", "exit code 0"),
    "exits": ("sys.exit(0)", "SystemExit", "sys.exit(0)"),
    "kills its group": ("os.killpg(0, 9)", "WorkerDied", "SIGKILL"),
    "kills its parent": ("os.kill(os.getppid(), 9); time.sleep(60)", "WorkerDied", "SIGKILL"),
    "crashes for recursion": (
        "sys.setrecursionlimit(10 ** 8)\ndef f(_): return max([1], key=f)\nf(1)",
        "WorkerDied",
        "SIGSEGV; a library crashed",
    ),
    "is killed by a real-time signal": ("os.kill(os.getpid(), 40)", "WorkerDied", "killed by signal 40"),
    "closes all descriptors": ("os.closerange(0, 1000)", "WorkerDied", "the worker process"),
    "writes to the engine": (
        "for n in os.listdir('/proc/self/fd'):\n"
        "    if 'socket' in os.path.realpath(f'/proc/self/fd/{n}'):\n"
        "        os.write(int(n), b'x' * 99)\n"
        "        time.sleep(60)",
        "WorkerDied",
        "no answer",
    ),
    "has no length": ("return Odd()", "RuntimeError", "no length"),
    "has no text": ("return [Sore()]", "RuntimeError", "no text"),
    "has slow text": ("return [Slow()]", "Timeout", "time limit"),
    "stops itself": ("os.kill(os.getpid(), signal.SIGSTOP)", "Timeout", "time limit"),
    "hangs with a daemon": (DAEMON.format(tag="there") + "\ntime.sleep(600)", "Timeout", "time limit"),
    "dies with a daemon": (DAEMON.format(tag="everywhere") + "\nos._exit(9)", "WorkerDied", "exit code 9"),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_script_that_does_it_loses_only_that_mini_batch(bench: Bench, name: str) -> None:
    deed, kind, message = HARMFUL[name]
    bench.script(script(deed))
    bench.limits = Limits(workers=2, timeout=2, max_tries=1, shutdown_seconds=0.3)

    outcomes = bench.score(batches(8))

    failed = outcomes.pop(5)
    assert failed.failure is not None
    assert failed.failure.type in kind.split("|")
    assert message in failed.failure.message
    assert [outcome.failure for outcome in outcomes] == [None] * 7
    assert bench.rows(outcomes) == "".join(f"/data/{n}.png\n" for n in range(8) if n != 5)


@pytest.mark.parametrize("deed", ["os._exit(0)", "sys.exit(0)", "os.kill(os.getpid(), 11)"])
def test_an_init_that_ends_its_process_ends_the_run(bench: Bench, deed: str) -> None:
    bench.script(script(deed, "init"))

    with pytest.raises(InitFailed, match=r"exit code 0|sys\.exit\(0\)|SIGSEGV"):
        bench.score(batches(8))


def test_a_script_that_deletes_its_code_keeps_the_workers_it_has(bench: Bench) -> None:
    bench.script(script("shutil.rmtree(os.path.dirname(__file__))", "run"))
    bench.limits = Limits(workers=1)

    assert {outcome.status for outcome in bench.score(batches(8))} == {"succeeded"}


def daemons(tag: str) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if file.read_bytes().rstrip(b"\0").endswith(b"\0" + tag.encode()):
                found.append(int(file.parent.name))
    return found


@pytest.mark.parametrize("end", ["time.sleep(600)", "os._exit(9)", "pass"])
def test_a_daemon_with_an_emptied_environment_ends_with_its_worker(bench: Bench, tmp_path: Path, end: str) -> None:
    tag = f"daemon of {tmp_path.name}"
    bench.script(script(DAEMON.format(tag=tag) + f"\nopen(os.path.dirname(__file__) + '/started', 'w')\n{end}"))
    bench.limits = Limits(workers=1, timeout=4, max_tries=1)

    bench.score(batches(8))

    assert (bench.code / "started").exists()
    assert daemons(tag) == []


def test_a_daemon_ends_with_the_engines_process(bench: Bench, tmp_path: Path) -> None:
    tag = f"daemon of {tmp_path.name}"
    bench.script(
        f"import time\ndef init(): pass\ndef run(files):\n{indented(DAEMON.format(tag=tag))}    time.sleep(600)\n"
    )
    program = f"""
        from pathlib import Path
        from azure_batch_endpoints.local.engines.base import Limits, StagedBatch, WorkerSetup
        from azure_batch_endpoints.local.engines.process import ProcessEngine
        from azure_batch_endpoints.local.logfiles import JobLogs
        folder = Path({str(bench.folder)!r})
        setup = WorkerSetup(folder / "code", "score.py", folder / "out", folder / "parts")
        logs = JobLogs(folder / "job")
        start = logs.worker_started
        logs.worker_started = lambda *line: (start(*line), logs.flush())
        list(ProcessEngine(setup, Limits(1), logs).run([StagedBatch(0, (), ("0",))]))
    """
    engine = subprocess.Popen([sys.executable, "-c", dedent(program)])
    try:
        assert eventually(lambda: bool(daemons(tag)), 20)
    finally:
        engine.kill()
        engine.wait()

    assert eventually(lambda: not daemons(tag), 5)


def indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip().splitlines())


def test_of_what_a_script_prints_without_end_the_beginning_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printed, "MOST_BYTES", 2 << 20)
    monkeypatch.setattr(printed, "LOOK_SECONDS", 0.0)
    bench.script("""
        import os
        def init(): print("the beginning")
        def run(mini_batch):
            os.write(1, b"x" * (1 << 20))
            return mini_batch
    """)
    bench.limits = Limits(workers=1)

    outcomes = bench.score(batches(40))

    assert {outcome.status for outcome in outcomes} == {"succeeded"}
    text = bench.log("logs/user/stdout/node0/process000.stdout.txt")
    assert text.startswith("the beginning\n")
    assert text.endswith("only the beginning is kept ...]\n")
    assert len(text) < (2 << 20) + 100


# ---------------------------------------------------------------------- a full disk

FILL = """
import os
from pathlib import Path

full = Path(__file__).with_name("full")

def init(): pass

def run(mini_batch):
    global segment, kept
    if "segment" not in globals():
        names = [n for n in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{n}").endswith(".rows")]
        if not names:
            return mini_batch  # the file is made with the first rows
        segment = int(names[0])
        kept = os.dup(segment)
    if "/9.png" in mini_batch[0] and not full.with_name("was full").exists():
        full.with_name("was full").touch()
        full.touch()
    os.dup2(os.open("/dev/full", os.O_WRONLY) if full.exists() else kept, segment)
    return mini_batch
"""


def test_rows_that_find_no_room_wait_for_it_and_cost_no_try(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.05)
    bench.script(FILL)
    probes: list[bool] = []

    def fits(_: object) -> bool:
        probes.append((bench.code / "full").exists())
        if len(probes) == 3:
            (bench.code / "full").unlink()
        return len(probes) > 3

    monkeypatch.setattr(room.RoomWatch, "_fits", fits)
    bench.limits = Limits(workers=2, max_tries=1, group_seconds=0.02)

    outcomes = bench.score(batches(20))

    assert len(probes) >= 4
    assert [(outcome.status, outcome.attempts, outcome.tries) for outcome in outcomes] == [("succeeded", 1, ())] * 20
    assert bench.rows(outcomes) == "".join(f"/data/{n}.png\n" for n in range(20))
    assert "is full: scoring waits for room" in bench.log("user_logs/std_log_0.txt")
    assert "There is room on the disk again" in bench.log("user_logs/std_log_0.txt")


def test_a_disk_that_stays_full_fails_mini_batches_in_the_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(room.RoomWatch, "_fits", lambda _: False)
    bench.script(FILL)
    (bench.code / "full").touch()
    bench.limits = Limits(workers=1, max_tries=2, isolate=True)

    first, *outcomes = bench.score(batches(6, size=2))

    assert first.status == "succeeded"
    assert [(outcome.status, outcome.attempts, outcome.pieces) for outcome in outcomes] == [("failed", 2, ())] * 2
    assert outcomes[0].failure is not None
    assert outcomes[0].failure.summary == (
        "RowsNotWritten: the rows that run() returned could not be written: No space left on device"
    )


def test_time_in_which_there_was_room_does_not_count(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(room, "time", SimpleNamespace(monotonic=lambda: now[0]))
    watch = room.RoomWatch(tmp_path, bench.logs)
    assert watch.wait()
    now[0] = 100
    assert watch.enough()
    for now[0] in (2000, 2400, 2499):
        assert watch.wait(), "400 of 600 seconds are left for a second shortage"
    now[0] = 2501
    assert not watch.wait()
    bench.score(batches(1))


def test_a_probe_finds_room_where_there_is_some(tmp_path: Path, bench: Bench) -> None:
    watch = room.RoomWatch(tmp_path, bench.logs)

    assert watch.enough()
    assert watch.wait()
    assert not watch.enough()
    assert eventually(watch.enough)
    assert room.RoomWatch(Path("/dev/full"), bench.logs)._fits() is False
    bench.score(batches(1))


# ---------------------------------------------------------------------- killed from outside


def test_workers_that_somebody_kills_while_they_start_do_not_end_the_run(bench: Bench) -> None:
    bench.script("""
        import os
        from pathlib import Path
        starts = Path(__file__).with_name("starts")
        def init():
            with starts.open("a") as file:
                file.write("x")
            if len(starts.read_text()) < 20:
                os.kill(os.getpid(), 9)
        def run(mini_batch): return mini_batch
    """)

    outcomes = bench.score(batches(4))

    assert [(outcome.status, outcome.attempts) for outcome in outcomes] == [("succeeded", 1)] * 4


def test_a_killed_warden_takes_its_worker_along_and_the_mini_batch_is_tried_again(bench: Bench) -> None:
    bench.script("""
        import os, time
        from pathlib import Path
        def init(): pass
        def run(mini_batch):
            mark = Path(__file__).with_name("killed")
            if not mark.exists():
                mark.write_text(str(os.getpid()))
                os.kill(os.getppid(), 9)
                time.sleep(600)
            return mini_batch
    """)

    outcomes = bench.score(batches(4))

    assert {outcome.status for outcome in outcomes} == {"succeeded"}
    assert sorted(outcome.attempts for outcome in outcomes) == [1, 1, 1, 2]
    assert eventually(lambda: not group_lives(int((bench.code / "killed").read_text())))


LONG_ANSWERS = """
import os, sys, time

def init():
    pass

def run(mini_batch):
    if mini_batch[0] == "/data/0.png":
        return mini_batch
    if mini_batch[0] == "/data/4.png" and not os.path.exists("died"):
        with open("new", "w") as file:
            file.write(str(os.getppid()))
        os.rename("new", "died")
        {deed}
    return mini_batch * {rows}
"""


def test_an_answer_that_nobody_has_read_yet_counts_although_the_worker_died_after_it(bench: Bench) -> None:
    bench.script(LONG_ANSWERS.format(deed="os._exit(3)", rows=20_000))  # so long that it is read in pieces
    bench.limits = Limits(workers=1, max_tries=2, group_seconds=0.0)

    groups = bench.engine().run(batches(8, 2))
    outcomes = list(next(groups))
    died = bench.code / "died"
    assert eventually(died.exists)
    assert eventually(lambda: not group_lives(int(died.read_text())))
    outcomes += [outcome for group in groups for outcome in group]

    tried = {outcome.number: [failed.failure.type for failed in outcome.tries] for outcome in outcomes}
    assert tried == {0: [], 1: [], 2: ["WorkerDied"], 3: []}


def test_a_long_answer_to_a_busy_consumer_is_no_time_out(bench: Bench) -> None:
    bench.script(LONG_ANSWERS.format(deed="pass", rows=60_000))  # more than the socket takes: the worker waits
    bench.limits = Limits(workers=1, max_tries=1, timeout=5, group_seconds=0.0)
    busy = threading.Event()
    outcomes: list[Outcome] = []

    for group in bench.engine().run(batches(8, 2)):
        outcomes += group
        busy.wait(6 if len(outcomes) == 1 else 0)  # longer than the limit

    assert [(outcome.number, outcome.failure) for outcome in outcomes] == [(n, None) for n in range(4)]


def test_an_environment_variable_that_cannot_be_is_told(bench: Bench) -> None:
    bench.setup = replace(bench.setup, environment={"A=B": "1"})

    with pytest.raises(InitFailed, match=r"cannot be started .* illegal environment variable name"):
        bench.score(batches(1))

    bench.setup = replace(bench.setup, environment={})
    bench.score(batches(1))


@pytest.mark.parametrize("end", ["there is again", "there is none"])
def test_a_machine_that_is_short_of_processes_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    bench.logs.controller("its file stays open")
    bench.score(batches(1))
    refused: list[int] = []
    before = open_descriptors()
    start = subprocess.Popen

    def refusing(*arguments: object, **more: object) -> object:
        refused.append(1)
        if end == "there is none" or len(refused) < 4:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return start(*arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(crew, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(crew, "PATIENCE_SECONDS", 0.1 if end == "there is none" else 60)
    monkeypatch.setattr("azure_batch_endpoints.local.engines.child.subprocess.Popen", refusing)
    if end == "there is none":
        with pytest.raises(InitFailed, match=r"cannot be started .* Resource temporarily unavailable"):
            bench.score(batches(8))
    else:
        assert {outcome.status for outcome in bench.score(batches(8))} == {"succeeded"}

    assert len(refused) > 1
    assert open_descriptors() == before
    assert bench.log("user_logs/std_log_0.txt").count("cannot be started") == 1


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
