"""What workers may hold: the limit, who is counted, what is said, and graphics processors of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from azure_batch_endpoints.local.engines import exits, memory
from azure_batch_endpoints.local.engines.base import InitFailed, Limits
from azure_batch_endpoints.local.engines.devices import free_device, take_device, visible_devices
from azure_batch_endpoints.local.engines.exits import describe_exit
from tests.local.engine_bench import Bench, batches, bench_in

MIB = 1 << 20
LIMIT = 200 * MIB


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield from bench_in(tmp_path)


def test_a_worker_that_eats_memory_is_killed_and_the_others_go_on(bench: Bench) -> None:
    bench.script("""
        import time
        hoard = []
        def init(): pass
        def run(mini_batch):
            while "/3.png" in mini_batch[0]:
                hoard.append(b"x" * (20 << 20))
                time.sleep(.01)
            return mini_batch
    """)
    bench.limits = Limits(workers=2, max_tries=2, memory=LIMIT)

    outcomes = bench.score(batches(12))

    failed = outcomes.pop(3)
    assert {(outcome.status, outcome.attempts) for outcome in outcomes} == {("succeeded", 1)}
    assert failed.failure is not None
    assert (failed.attempts, failed.failure.type) == (2, "MemoryLimit")
    assert "and may hold 200 MiB. Lower mini_batch_size" in failed.failure.message
    assert "worker_memory" in failed.failure.message
    assert failed.failure.file == "score.py"
    assert failed.failure.line in {7, 8}


def test_an_init_that_loads_more_than_a_worker_may_hold_ends_the_run(bench: Bench) -> None:
    bench.script("""
        import time
        def init():
            model = b"x" * (300 << 20)
            time.sleep(60)
        def run(mini_batch): return mini_batch
    """)
    bench.limits = Limits(workers=1, memory=LIMIT)

    with pytest.raises(
        InitFailed, match=r"MemoryLimit: .* may hold 200 MiB\. Load less in init\(\).* in score\.py:[45]"
    ):
        bench.score(batches(2))


@pytest.mark.parametrize(
    "start",
    [
        "subprocess.Popen([sys.executable, '-c', EAT])",
        "subprocess.Popen([sys.executable, '-c', EAT], start_new_session=True, env={})",
        "os.fork() or exec(EAT)",
    ],
)
def test_what_a_script_starts_counts_with_it(bench: Bench, start: str) -> None:
    bench.script(f"""
        import os, subprocess, sys, time
        EAT = "import time; hoard = b'x' * (250 << 20); time.sleep(60)"
        def init(): pass
        def run(mini_batch):
            {start}
            time.sleep(60)
    """)
    bench.limits = Limits(workers=1, timeout=40, max_tries=1, memory=LIMIT)

    (outcome,) = bench.score(batches(1))

    assert outcome.failure is not None
    assert outcome.failure.type == "MemoryLimit"


def test_what_processes_share_is_counted_once(bench: Bench) -> None:
    bench.script("""
        import mmap, multiprocessing, os
        def init():
            global model, pages
            model = b"x" * (100 << 20)
            pages = mmap.mmap(os.open(__file__ + ".data", os.O_RDWR | os.O_CREAT), 300 << 20)
        def count(n): return model.count(b"x") and n
        def run(mini_batch):
            pages.write(b"y" * (300 << 20))
            with multiprocessing.get_context("fork").Pool(4) as pool:
                return pool.map(count, [1] * 12)
    """)
    Path(bench.code, "score.py.data").write_bytes(b"")
    os.truncate(bench.code / "score.py.data", 300 * MIB)
    bench.limits = Limits(workers=1, max_tries=1, memory=450 * MIB)

    (outcome,) = bench.score(batches(1))

    assert outcome.status == "succeeded", outcome.failure


def test_memory_that_is_only_reserved_does_not_count(bench: Bench) -> None:
    bench.script("""
        import mmap, time
        def init(): pass
        def run(mini_batch):
            reserved = mmap.mmap(-1, 64 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
            time.sleep(.5)
            return mini_batch
    """)
    bench.limits = Limits(workers=1, max_tries=1, memory=LIMIT)

    assert bench.score(batches(1))[0].status == "succeeded"


def test_the_kernel_takes_workers_before_the_service(bench: Bench) -> None:
    bench.script("""
        from pathlib import Path
        def init(): pass
        def run(mini_batch): return [Path("/proc/self/oom_score_adj").read_text().strip()]
    """)

    assert bench.rows(bench.score(batches(1))) == "500\n"
    assert Path("/proc/self/oom_score_adj").read_text().strip() != "500"


def test_a_kill_by_the_kernel_is_told_from_others() -> None:
    assert describe_exit(-9, 3, 4) == exits.BY_KERNEL
    assert describe_exit(-9, 3, 3).endswith("not by the kernel for want of memory")
    assert describe_exit(-9, None, None).endswith("it may have used too much memory")
    assert memory.kills_by_kernel() is not None


def test_the_limits_of_control_groups_of_both_kinds_count(tmp_path: Path) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    for line, folder in (("0::/a/b", "a/b"), ("4:memory:/c", "memory/c"), ("5:cpu:/c", "cpu/c")):
        own.write_text(line)
        (root / folder).mkdir(parents=True)
        found = [str(group.relative_to(root)) for group in memory.control_groups(own, root)]
        assert found == {"a/b": ["a/b", "a", "."], "memory/c": ["memory/c", "memory"], "cpu/c": []}[folder]


def test_workers_share_nine_tenths_of_what_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("4000000000\n")
    monkeypatch.setattr(memory, "control_groups", lambda: [tmp_path])

    assert memory.fair_share(4) == 900_000_000

    (tmp_path / "memory.max").write_text("max\n")
    assert memory.fair_share(1) > 1_000_000_000


# ---------------------------------------------------------------------- graphics processors

DEVICE = """
import os, time
from pathlib import Path

FOLDER = Path(__file__).parent

def init():
    draft = FOLDER / f"{os.getpid()}.draft"
    draft.write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
    draft.rename(draft.with_suffix(".device"))

def workers():
    return len(list(FOLDER.glob("*.device")))

def run(mini_batch):
    died = FOLDER / "died"
    if DIES and "/0.png" in mini_batch[0] and not died.exists():
        while workers() < 2:
            time.sleep(.01)
        died.touch()
        os._exit(1)
    while workers() < 3:
        time.sleep(.01)
    return mini_batch
"""


def seen_devices(bench: Bench) -> list[str]:
    return sorted(path.read_text() for path in bench.code.glob("*.device"))


def test_each_worker_has_a_device_of_its_own_and_the_next_one_gets_it_after_its_death(bench: Bench) -> None:
    bench.script(DEVICE.replace("DIES", "True"))
    bench.setup = replace(bench.setup, environment={"CUDA_VISIBLE_DEVICES": "4,GPU-7"})
    bench.limits = Limits(workers=2, max_tries=2)

    outcomes = bench.score(batches(4))

    assert outcomes[0].attempts == 2
    assert seen_devices(bench) in (["4", "4", "GPU-7"], ["4", "GPU-7", "GPU-7"])


def test_workers_beyond_the_devices_see_them_all(bench: Bench) -> None:
    bench.script(DEVICE.replace("DIES", "False"))
    bench.setup = replace(bench.setup, environment={"CUDA_VISIBLE_DEVICES": "0,1"})
    bench.limits = Limits(workers=3, max_tries=1)

    bench.score(batches(3))

    assert seen_devices(bench) == ["0", "0,1", "1"]


def test_jobs_side_by_side_do_not_share_devices(bench: Bench) -> None:
    given = {"CUDA_VISIBLE_DEVICES": "a, b,a,-1,c"}

    first, second, third = (take_device(given) for _ in range(3))
    free_device("a")

    assert (first, second, third) == ("a", "b", None)
    assert take_device(given) == "a"
    free_device("a")
    free_device("b")
    bench.score(batches(1))


def test_devices_are_those_of_the_machine_unless_a_variable_names_them(tmp_path: Path) -> None:
    for name in ("nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()

    assert visible_devices({}, tmp_path) == ["2", "10"]
    assert visible_devices({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == []
    assert take_device({"CUDA_VISIBLE_DEVICES": "3"}) is None


NEW = b"00400000-7ffc [rollup]\nRss: 900 kB\nPss: 600 kB\nPss_Anon: 300 kB\nPss_File: 300 kB\nSwapPss: 20 kB\n"
OLD = b"00400000-7ffc [rollup]\nRss: 900 kB\nPss: 600 kB\nShared_Clean: 4 kB\nSwap: 90 kB\nSwapPss: 20 kB\n"


@pytest.mark.parametrize(
    ("rollup", "own", "held"),
    [(NEW, 800, 320), (OLD, 800, 620), (OLD, 500, 500), (b"", 500, 500), (b"", 0, 0)],
)
def test_pages_that_are_shared_since_a_fork_count_once_on_old_kernels_too(rollup: bytes, own: int, held: int) -> None:
    assert memory.proportional(rollup, own << 10) == held << 10
