"""Muon: each update of a convolution's filters is replaced by the nearest orthogonal one (K. Jordan 2024).

torch's own `Muon` takes matrices only; a filter bank (k, c, f, f) is a matrix (k, c·f·f) here, as in the CIFAR-10
speed-runs, which also keep every bank at the norm √k (Jordan, cifar10-airbench, 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from striate.training.engine.updates import Moments

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


@dataclass(frozen=True)
class Muon:
    """Momentum (Nesterov) whose updates are orthogonalised; for parameters of two or more axes."""

    momentum: float = 0.6

    @torch.no_grad()
    def move(self, parameters: Sequence[torch.nn.Parameter], moments: Sequence[Moments], rate: float) -> None:
        """Move parameters (k, …) by their gradients; `rate` is how far an update of singular values 1 moves."""
        for parameter, kept in zip(parameters, moments, strict=True):
            assert parameter.grad is not None
            if not kept:
                kept["momentum_buffer"] = torch.zeros_like(parameter.grad)
            buffer = kept["momentum_buffer"]
            buffer.mul_(self.momentum).add_(parameter.grad)
            ahead = parameter.grad.add(buffer, alpha=self.momentum)
            update = orthogonalise(ahead.reshape(len(ahead), -1)).view_as(ahead)
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm()).sub_(update, alpha=rate)
