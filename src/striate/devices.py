"""Which device to compute on: asked for or found, never assumed."""

from __future__ import annotations

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


def _reason(error: Exception) -> str:
    """Return the first sentence of what torch says, without its list of every kind of device."""
    first = str(error).splitlines()[0]
    return "there is no such kind" if first.startswith("Expected one of") else first
