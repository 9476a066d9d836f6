"""Which device to compute on, with how many threads, in what memory: asked for or found, never assumed."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from striate.errors import ArgumentError
from striate.system.waiting import sleep_soon_after_all

if TYPE_CHECKING:
    import torch

# From malloc.h; and what the library itself settles on after large blocks were freed, in bytes.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUAL = {_TRIM_THRESHOLD: 64 << 20, _MMAP_THRESHOLD: 32 << 20, _MMAP_MAX: 65_536}
_KEEPING = {_TRIM_THRESHOLD: (1 << 31) - 1, _MMAP_MAX: 0}


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device asked for; else the accelerator that this machine has, else the CPU.

    Raises:
        ArgumentError: there is no such device here.
    """
    import torch

    if device is None:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        torch.empty(1, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ArgumentError(
            f"device must be one that this machine has, such as cpu; got {str(device)!r}: {_reason(error)}"
        ) from None


def usable_cpus() -> int:
    """Return how many CPUs this process may use: an affinity or a container may allow fewer than there are."""
    from joblib import cpu_count

    return cpu_count()


@contextmanager
def fitting_threads(note: Callable[[str], object] = lambda text: None) -> Iterator[None]:
    """Let torch have at most as many threads as this process may use CPUs, for the time of a `with` block.

    In a container torch counts the machine's CPUs, and the threads beyond the container's share hold each other up.
    What OMP_NUM_THREADS says is obeyed. Those that wait sleep soon: see `striate.system.waiting`.

    Arguments:
        note: is told if there are fewer threads than torch would have taken.
    """
    import torch

    sleep_soon_after_all()
    threads, usable = torch.get_num_threads(), usable_cpus()
    if "OMP_NUM_THREADS" in os.environ or threads <= usable:
        yield
        return
    note(f"{usable} threads instead of {threads}: this process may use {usable} of the machine's {os.cpu_count()} CPUs")
    torch.set_num_threads(usable)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let this process keep the memory that it frees, and use it again, for the time of a `with` block.

    Each step of training takes and frees the same large blocks. The GNU C library gives them back to the system one by
    one, and the next step gets them anew, every page to be zeroed: a tenth or two of a step's time on a CPU, and most
    of the time in which a deep net predicts (bench/memory.py). Other C libraries are left as they are. At the end of
    each block, an inner one too, what is unused goes back.
    """
    with _keepers.lock:
        _keepers.count += 1
        if _keepers.count == 1:
            _allocate(kept=True)
    try:
        yield
    finally:
        with _keepers.lock:
            _keepers.count -= 1
            if not _keepers.count:
                _allocate(kept=False)
            _trim()


class _Keepers:
    """How many `with` blocks of `kept_memory` are under way in this process."""

    def __init__(self):
        self.lock, self.count = threading.Lock(), 0


_keepers = _Keepers()


def _allocate(kept: bool) -> None:
    library = _glibc()
    if library is None:
        return
    for parameter, value in (_KEEPING if kept else _USUAL).items():
        library.mallopt(parameter, value)


def _trim() -> None:
    if library := _glibc():
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library if it is GNU's."""
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018
    except (OSError, TypeError, AttributeError):  # Windows has no such handle, musl and macOS no such name
        return None
    return library


def _reason(error: Exception) -> str:
    """Return the first sentence of what torch says, without its list of every kind of device."""
    first = str(error).splitlines()[0]
    return "there is no such kind" if first.startswith("Expected one of") else first


def memory_bytes() -> int:
    """Return the machine's physical memory in bytes; 64 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 64 << 30
