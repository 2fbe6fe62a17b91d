"""For all tests: Ctrl-C works in the processes they start, even where the tests run in the background without it.

And what several of them share.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

# A shell without job control starts background commands with SIGINT ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def services_unmeasured() -> Iterator[None]:
    """Keep coverage out of the processes of a module whose tests kill them: what it wrote of them is torn."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="module")
def two_at_once() -> Iterator[ThreadPoolExecutor]:
    """Threads that run a module's programs ahead, two at once: most of their time they wait."""
    with ThreadPoolExecutor(2) as pool:
        yield pool
        pool.shutdown(wait=False, cancel_futures=True)
