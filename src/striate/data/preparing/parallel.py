"""Work on many items, in threads where they help, with the results in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from striate.system.devices import usable_cpus

R = TypeVar("R")


def in_order(
    work: Callable[[Any], R], items: Sequence[Any] | np.ndarray, batch: int, *, heavy: bool
) -> Generator[list[R]]:
    """Yield the results of `work` on the items, in order, a list for each batch; few batches are under way at once.

    Threads are used if the work is heavy or if the first batch has mostly waited (for the disk). With light work they
    would only fight over Python's lock: 28×28 PNG files take twice as long in two threads as in one.
    """
    if not len(items):
        return
    stop = threading.Event()

    def run(start: int) -> list[R]:
        results = []
        for item in items[start : start + batch]:
            if stop.is_set():
                break
            results.append(work(item))
        return results

    starts = range(0, len(items), batch)
    wall_s, busy_s = time.perf_counter(), time.thread_time()
    first = run(0)
    waited = time.perf_counter() - wall_s > 2 * (time.thread_time() - busy_s)
    yield first
    if not (heavy or waited):
        for start in starts[1:]:
            yield run(start)
        return
    workers = max(4 if waited else 1, min(16, usable_cpus()))
    pending: deque[Future[list[R]]] = deque()
    with ThreadPoolExecutor(workers, "striate-decode") as pool:
        try:
            for start in starts[1:]:
                pending.append(pool.submit(run, start))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
