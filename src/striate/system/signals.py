"""Ctrl-C and SIGTERM end a run between two steps, with a checkpoint, instead of in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def stop_signals(note: Callable[[str], object] = lambda text: None) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether a stop was asked for; a second signal interrupts at once.

    Outside the main thread signals cannot be caught; the function then always says no.

    Arguments:
        note: is told at once that the signal was heard: a step may take a while.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        with suppress(RuntimeError):  # the signal came in the middle of printing
            note("stopping after this step; once more stops at once, without saving it")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
