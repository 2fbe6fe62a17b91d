"""One thing done to each of many, by a few threads: however many there are, only those under way take memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Event, Lock
from typing import TypeVar

_Item = TypeVar("_Item")
_NO_MORE = object()


@contextmanager
def each(items: Iterable[_Item], do: Callable[[_Item], object], *, threads: int, name: str) -> Iterator[Event]:
    """Do something to each item in threads while the body runs; leaving the body waits for the rest.

    Args:
        items: taken one by one when a thread is free, never by two at once.
        do: what to do; the first that raises stops the rest, and leaving the body raises it.
        threads: how many.
        name: what the threads are called.

    Yields:
        an event that is set when something raised; whoever goes on in the body for long should look at it.
    """
    left, lock, stop = iter(items), Lock(), Event()

    def work() -> None:
        try:
            while not stop.is_set():
                with lock:
                    item = next(left, _NO_MORE)
                if item is _NO_MORE:
                    return
                do(item)  # type: ignore[arg-type]  # not the mark of the end
        except BaseException:
            stop.set()
            raise

    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        working = [pool.submit(work) for _ in range(threads)]
        yield stop
        for one in wait(working, return_when=FIRST_EXCEPTION).done:
            one.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
