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
        raise ArgumentError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from None
