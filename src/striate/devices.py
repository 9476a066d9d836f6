"""Which device to compute on and with how many threads: asked for or found, never assumed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from striate.errors import ArgumentError

if TYPE_CHECKING:
    import torch


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
    What OMP_NUM_THREADS says is obeyed.

    Arguments:
        note: is told if there are fewer threads than torch would have taken.
    """
    import torch

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


def _reason(error: Exception) -> str:
    """Return the first sentence of what torch says, without its list of every kind of device."""
    first = str(error).splitlines()[0]
    return "there is no such kind" if first.startswith("Expected one of") else first
