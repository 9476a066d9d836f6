"""Processes that decode, where threads would wait for each other; without them their work is done here."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from typing import Any

# Processes that have had nothing to do for so long end; and so often they look whether their parent was killed.
_IDLE_S, _LOOK_S = 10, 1.0
Answering = Callable[[], Any]


@contextmanager
def decoding_processes(workers: int) -> Generator[Callable[..., Answering]]:
    """Yield `submit(work, *arguments)`, which returns what waits for the result; None if there will be none.

    There is none where this system or process can have no others, and after one of them was killed.

    Arguments:
        workers: how many.
    """
    pool: Any = None
    with suppress(ImportError, OSError):
        if not multiprocessing.current_process().daemon:
            from joblib.externals.loky import ProcessPoolExecutor

            pool = ProcessPoolExecutor(workers, timeout=_IDLE_S, initializer=_depend_on, initargs=(os.getpid(),))

    def submit(work: Callable[..., Any], *arguments: Any) -> Answering:
        if pool is None:
            return lambda: None
        try:
            future = pool.submit(work, *arguments)
        except (BrokenExecutor, RuntimeError, OSError):
            return lambda: None

        def answer() -> Any:
            try:
                return future.result()
            except BrokenExecutor:
                return None

        return answer

    try:
        yield submit
    finally:
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=True)


def _depend_on(parent: int) -> None:
    """Let this process end when its parent does, and not by itself: a Ctrl-C in a terminal is heard by all of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)  # killed: it has left nobody who could read what is written

    if os.name == "posix":
        threading.Thread(target=watch, name="striate-parent", daemon=True).start()
