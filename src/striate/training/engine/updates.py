"""How sgd and adam move parameters: torch's arithmetic, called as functions.

`torch.optim.SGD` and its like import torch's compiler with their first parameter, a second in which a small net has
learned; the functions that they call do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

# What a rule remembers of one parameter, by the names that torch's optimisers give it; empty before the first step.
Moments = dict[str, torch.Tensor]


class UpdateRule(Protocol):
    """What moves parameters."""

    def move(self, parameters: Sequence[torch.nn.Parameter], moments: Sequence[Moments], rate: float) -> None:
        """Move parameters in place by their gradients, at this learning rate, and bring their moments up to date."""


@dataclass(frozen=True)
class Sgd:
    """Gradient descent with momentum, Nesterov's.

    Arguments:
        most: how far (root mean square) the gradient of one step may move the numbers of a vector, which biases and
            gains are; a greater one is scaled down before it enters the momentum. None: however far.
    """

    momentum: float
    weight_decay: float
    most: float | None = None

    @torch.no_grad()
    def move(self, parameters: Sequence[torch.nn.Parameter], moments: Sequence[Moments], rate: float) -> None:
        """Move parameters as `torch.optim.SGD` does, vectors no farther than they may."""
        if self.most is not None:
            for gradient in _gradients([one for one in parameters if one.ndim == 1]):
                gradient.mul_((self.most / (rate * gradient.square().mean().sqrt())).clamp_max(1.0))
        buffers = [kept.get("momentum_buffer") for kept in moments]
        sgd(
            list(parameters), _gradients(parameters), buffers, weight_decay=self.weight_decay, momentum=self.momentum,
            lr=rate, dampening=0.0, nesterov=self.momentum > 0, maximize=False,
        )  # fmt: skip
        for kept, buffer in zip(moments, buffers, strict=True):
            if buffer is not None:
                kept["momentum_buffer"] = buffer


@dataclass(frozen=True)
class Adam:
    """Adam; `decoupled`, AdamW."""

    betas: tuple[float, float]
    epsilon: float
    weight_decay: float
    decoupled: bool

    @torch.no_grad()
    def move(self, parameters: Sequence[torch.nn.Parameter], moments: Sequence[Moments], rate: float) -> None:
        """Move parameters as `torch.optim.Adam` or `AdamW` does."""
        for parameter, kept in zip(parameters, moments, strict=True):
            if not kept:
                kept["step"] = torch.tensor(0.0, dtype=torch.float32)
                kept |= {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
        first, second, steps = ([kept[name] for kept in moments] for name in ("exp_avg", "exp_avg_sq", "step"))
        (adamw if self.decoupled else adam)(
            list(parameters), _gradients(parameters), first, second, [], steps, amsgrad=False, beta1=self.betas[0],
            beta2=self.betas[1], lr=rate, weight_decay=self.weight_decay, eps=self.epsilon, maximize=False,
        )  # fmt: skip


def _gradients(parameters: Sequence[torch.nn.Parameter]) -> list[torch.Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]
