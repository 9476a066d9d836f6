"""Fill the weights of torch layers, reproducibly and without touching the global random state."""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import Tensor, nn

from striate.errors import ArgumentError
from striate.nets.graph import Graph
from striate.nets.initialisation import choose_rules
from striate.nets.modules.layers import ChannelScale
from striate.nets.rules import Rule


def fill(graph: Graph, modules: list[nn.Module], seed: int, init: str | None) -> None:
    """Give every layer of a module its initial weights.

    Raises:
        ArgumentError: the seed is not a whole number from 0, or the initialisation is unknown.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ArgumentError(f"seed must be a whole number from 0 to 2^63 − 1; got {seed!r}")
    generator = torch.Generator().manual_seed(seed)
    rules = choose_rules(graph, init)
    with torch.no_grad():
        for i, module in enumerate(modules):
            _start(module, rules.get(i), generator)


@singledispatch
def _start(module: nn.Module, rule: Rule | None, generator: torch.Generator) -> None:
    """Fill one layer; without weights, nothing to do."""


@_start.register(nn.Linear)
@_start.register(nn.Conv2d)
def _(module: nn.Linear | nn.Conv2d, rule: Rule | None, generator: torch.Generator) -> None:
    assert rule is not None
    groups = getattr(module, "groups", 1)
    _weights(module.weight, rule, groups, generator)
    if module.bias is not None:
        module.bias.zero_()


@_start.register(nn.LayerNorm)
@_start.register(nn.BatchNorm1d)
@_start.register(nn.BatchNorm2d)
def _(module: nn.Module, rule: Rule | None, generator: torch.Generator) -> None:
    starts = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1, "num_batches_tracked": 0}
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        value.fill_(starts[name])


@_start.register
def _(module: ChannelScale, rule: Rule | None, generator: torch.Generator) -> None:
    module.weight.fill_(module.start)


def _weights(weight: Tensor, rule: Rule, groups: int, generator: torch.Generator) -> None:
    fan_in = weight[0].numel()
    match rule.name:
        case "orthogonal":
            nn.init.orthogonal_(weight, generator=generator)
        case "dirac" if weight.ndim == 4:
            _dirac(weight, groups, generator)
        case _:
            weight.normal_(0, rule.spread(fan_in), generator=generator)


def _dirac(weight: Tensor, groups: int, generator: torch.Generator) -> None:
    """Let the first filters hand on the input's channels; the others start as torch's do, uniform to √(1/n_in)."""
    bound = weight[0].numel() ** -0.5
    weight.uniform_(-bound, bound, generator=generator)
    filters, channels, h, w = weight.shape
    for group in range(groups):
        first = group * (filters // groups)
        for i in range(min(filters // groups, channels)):
            weight[first + i].zero_()
            weight[first + i, i, h // 2, w // 2] = 1
