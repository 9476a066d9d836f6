"""How threads wait for work: said before torch loads, which reads it once; this module imports nothing heavy.

torch computes on teams of OpenMP threads. One that waits for the others of its team spins, by default for so long that
beside another busy process most of the time goes by in waiting for a thread that is not even running: a fit of two
seconds lasts minutes (bench/crowd.py, bench/threads.py). Told to spin a moment and then to sleep, a process loses its
fair share and no more, and nothing when alone.

Where torch was loaded before Striate it is too late to tell. GNU's runtime, though, spins a hundred turns only while a
process has more OpenMP threads than CPUs: a team that never does anything makes it so.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import MutableMapping

# By any of these the user has said it himself, and nothing is changed.
_OWN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
# Turns of the loop of GNU's runtime, some microseconds; milliseconds of LLVM's and Intel's.
_SOON = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "1"}


def sleep_soon(environment: MutableMapping[str, str] | None = None) -> bool:
    """Let waiting threads sleep soon, unless the user says how they wait; return whether torch will hear of it.

    >>> environment = {}
    >>> heard = sleep_soon(environment)
    >>> environment["GOMP_SPINCOUNT"]
    '3000'
    >>> sleep_soon({"OMP_WAIT_POLICY": "ACTIVE"})
    True
    """
    environment = os.environ if environment is None else environment
    if any(name in environment for name in _OWN):
        return True
    environment.update(_SOON)  # processes that this one starts hear it too
    heard = "torch" not in sys.modules
    if environment is os.environ and not heard:
        _idle.wanted = True
    return heard


def sleep_soon_after_all() -> None:
    """Make the threads of a torch that was loaded before Striate sleep soon too, where GNU's runtime runs them."""
    if not _idle.wanted or _idle.process == os.getpid():
        return
    with _idle.lock:
        if _idle.process == os.getpid():
            return
        _idle.process = os.getpid()  # a forked process has none of its parent's threads
        ready = threading.Event()
        threading.Thread(target=_hold_teams, args=(ready,), name="striate-idle-teams", daemon=True).start()
        ready.wait(10)


class _Idle:
    """Whether teams that do nothing are wanted, and in which process they are."""

    def __init__(self):
        self.lock, self.wanted, self.process = threading.Lock(), False, 0


_idle = _Idle()


def _hold_teams(ready: threading.Event) -> None:
    """Start a team in each of GNU's runtimes that this process has, and keep it: it ends with the thread that did."""
    for path in _runtimes():
        try:
            library, nothing = ctypes.CDLL(path), ctypes.cast(ctypes.CDLL(None).free, ctypes.c_void_p)
            start = library.GOMP_parallel
        except (OSError, AttributeError):
            continue
        start.argtypes, start.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
        # What each thread does is free(NULL), which is nothing.
        start(nothing, None, (os.cpu_count() or 1) + 1, 0)
    ready.set()
    threading.Event().wait()


def _runtimes() -> set[str]:
    """Return the files of GNU's OpenMP runtimes in this process; torch and scikit-learn each bring their own."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            parts = (line.rstrip("\n").split(maxsplit=5) for line in maps)
            return {part[5] for part in parts if len(part) == 6 and "libgomp" in os.path.basename(part[5])}
    except OSError:  # no such file on macOS and Windows, where torch has other runtimes
        return set()
