"""Muon: each update of a convolution's filters is replaced by the nearest orthogonal one (K. Jordan 2024).

torch's own `Muon` takes matrices only; a filter bank (k, c, f, f) is a matrix (k, c·f·f) here, as in the CIFAR-10
speed-runs, which also keep every bank at the norm √k (Jordan, cifar10-airbench, 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

# The quintic's coefficients: steepest at 0, so that few steps bring all singular values near 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: torch.Tensor, steps: int = 3) -> torch.Tensor:
    """Return roughly U·Vᵀ of `matrix` = U·S·Vᵀ, float (m, n), by `steps` of Newton–Schulz.

    After five steps the singular values lie between about 0.7 and 1.2, after three the small ones are lower still.
    """
    a, b, c = COEFFICIENTS
    wide = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    x = wide / (wide.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide is matrix else x.T


class Muon(torch.optim.Optimizer):
    """Momentum (Nesterov) whose updates are orthogonalised; for parameters of two or more axes.

    Arguments:
        parameters: tensors (k, …).
        lr: how far an update of singular values 1 moves.
        momentum: of the gradients.
    """

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]], lr: float, momentum: float = 0.6
    ):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter.grad)
                buffer = state["momentum_buffer"]
                buffer.mul_(group["momentum"]).add_(parameter.grad)
                ahead = parameter.grad.add(buffer, alpha=group["momentum"])
                update = orthogonalise(ahead.reshape(len(ahead), -1)).view_as(ahead)
                parameter.mul_(len(parameter) ** 0.5 / parameter.norm()).sub_(update, alpha=group["lr"])
