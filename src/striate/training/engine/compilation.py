"""torch.compile: on a GPU, and where a run is long enough to win back what compiling costs."""

from __future__ import annotations

from collections.abc import Callable

import torch

# Assumed, not measured: compiling a net of some tens of layers, and the share of each step that it saves.
COMPILE_S, GAIN = 60.0, 0.15


def pays(run_s: float, device: torch.device) -> bool:
    """Return whether compiling would shorten a run that is foreseen to take `run_s`; on a CPU never.

    >>> [pays(run_s, torch.device("cuda")) for run_s in (60, 600)], pays(6000, torch.device("cpu"))
    ([False, True], False)
    """
    return device.type == "cuda" and GAIN * run_s > COMPILE_S


class Compiled(torch.nn.Module):
    """A module that torch.compile translates when it is first called; where that fails, the module as it is.

    Arguments:
        module: its parameters are this module's own.
        warn: is told of the failure.
    """

    def __init__(self, module: torch.nn.Module, warn: Callable[[str], object]):
        super().__init__()
        self.module, self._warn = module, warn
        self._call: Callable[..., torch.Tensor] = torch.compile(module.forward)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the module returns."""
        from torch._dynamo.exc import TorchDynamoException

        try:
            return self._call(images)
        except TorchDynamoException as error:
            self._warn(f"torch.compile failed ({str(error).splitlines()[0]}); training goes on without it")
            self._call = self.module.forward
            return self._call(images)
