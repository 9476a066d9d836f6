"""Optimisers and learning-rate schedules, by their names in a recipe."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from striate.training.engine.muon import Muon
from striate.training.engine.updates import Adam, Moments, Sgd, UpdateRule
from striate.training.recipe import Recipe

# Biases beside filters that muon moves are added to what has a spread of about one: this much a step is plenty.
# At the published rate the gradients of pictures on a plain ground, which agree in all its pixels, would throw the
# biases of a whitening layer hundreds of spreads away in the first step, from where nothing is learned.
MOST_ASIDE = 0.03


class Group(NamedTuple):
    """Parameters with their `part` of the learning rate."""

    parameters: list[torch.nn.Parameter]
    part: float


@dataclass(frozen=True, eq=False)
class RuledPart:
    """Parameters that one rule moves.

    Arguments:
        rule: how.
        top: the highest learning rate, of which the schedule gives a share.
        groups: the parameters.
        moments: what the rule remembers of each.
    """

    rule: UpdateRule
    top: float
    groups: list[Group]
    moments: dict[torch.nn.Parameter, Moments] = field(default_factory=lambda: defaultdict(dict))

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """All of them, in their order in a checkpoint."""
        return [parameter for group in self.groups for parameter in group.parameters]

    def step(self, share: float) -> None:
        """Move the parameters that have gradients, and clear these."""
        for group in self.groups:
            moved = [parameter for parameter in group.parameters if parameter.grad is not None]
            self.rule.move(moved, [self.moments[one] for one in moved], share * self.top * group.part)
            for parameter in moved:
                parameter.grad = None


class Optimisers:
    """The rules of a recipe as one: muon for the filters and another for the rest, or one for all."""

    def __init__(self, recipe: Recipe, parameters: Iterable[torch.nn.Parameter]):
        groups = _by_depth(recipe, list(parameters))
        muon = recipe.optimiser == "muon"
        self.parameters = [parameter for group in groups for parameter in group.parameters]
        self._parts: list[RuledPart] = []
        if filters := _only(groups, lambda p: muon and p.ndim == 4):
            self._parts.append(RuledPart(Muon(recipe.filter_momentum), recipe.learning_rate, filters))
        if rest := _only(groups, lambda p: not (muon and p.ndim == 4)):
            top = recipe.side_learning_rate if muon else recipe.learning_rate
            self._parts.append(RuledPart(_plain(recipe), top, rest))

    def step(self, share: float) -> None:
        """Take one step at `share` of the highest learning rates, and clear the gradients."""
        for part in self._parts:
            part.step(share)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the moments by name, for a checkpoint: the part, the place of the parameter in it, the moment."""
        return {
            f"{number}.{index}.{name}": value
            for number, part in enumerate(self._parts)
            for index, parameter in enumerate(part.parameters)
            for name, value in part.moments[parameter].items()
        }

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put the moments of a checkpoint in place.

        Raises:
            KeyError, IndexError, ValueError: they are of other parameters.
        """
        found = [dict[int, Moments]() for _ in self._parts]
        for key, value in tensors.items():
            number, index, name = key.split(".", 2)
            parameter = self._parts[int(number)].parameters[int(index)]
            if name != "step" and value.shape != parameter.shape:
                raise ValueError(f"moments {tuple(value.shape)} of a parameter {tuple(parameter.shape)}")
            # A count of steps stays on the CPU, where torch's arithmetic wants it.
            kept = value if name == "step" else value.to(parameter.device, parameter.dtype)
            found[int(number)].setdefault(int(index), {})[name] = kept
        for part, moments in zip(self._parts, found, strict=True):
            part.moments.clear()
            part.moments.update({part.parameters[index]: kept for index, kept in moments.items()})


def _by_depth(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> list[Group]:
    """Return the parameters to be trained in groups, first layers first, each with its part of the learning rate.

    A parameter's depth is its place among all, in eighths: a few groups are quicker to step than many.
    """
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for i, parameter in enumerate(parameters):
        depth = round(8 * i / max(1, len(parameters) - 1)) / 8 if recipe.rate_below < 1 else 1.0
        if parameter.requires_grad:
            groups.setdefault(depth, []).append(parameter)
    return [Group(found, recipe.rate_below ** (1 - depth)) for depth, found in groups.items()]


def _only(groups: list[Group], wanted: Callable[[torch.nn.Parameter], bool]) -> list[Group]:
    """Return the groups with the wanted parameters alone; none is left empty."""
    kept = [Group([one for one in group.parameters if wanted(one)], group.part) for group in groups]
    return [group for group in kept if group.parameters]


def _plain(recipe: Recipe) -> UpdateRule:
    if recipe.optimiser in ("sgd", "muon"):
        return Sgd(recipe.momentum, recipe.weight_decay, MOST_ASIDE if recipe.optimiser == "muon" else None)
    betas = recipe.betas[0], recipe.betas[1]
    return Adam(betas, recipe.epsilon, recipe.weight_decay, decoupled=recipe.optimiser == "adamw")


def rate_share(recipe: Recipe, epoch: float) -> float:
    """Return the share of the highest learning rate at `epoch`, a fraction counted from 0 (2.5: half-way in the third).

    >>> [rate_share(Recipe(epochs=4, schedule="linear"), e) for e in (0, 1, 4)]
    [1.0, 0.75, 0.0]
    """
    warmup_epochs = recipe.warmup_epochs
    if recipe.schedule == "onecycle" and not warmup_epochs:
        warmup_epochs = 0.3 * recipe.epochs  # torch's OneCycleLR
    if epoch < warmup_epochs:
        return epoch / warmup_epochs
    if recipe.schedule == "step":
        return recipe.decay ** sum(epoch >= milestone for milestone in recipe.milestones)
    done = min(1.0, (epoch - warmup_epochs) / max(recipe.epochs - warmup_epochs, 1e-9))
    cosine = (1 + math.cos(math.pi * done)) / 2
    return {"constant": 1.0, "linear": 1 - done, "cosine": cosine, "onecycle": cosine}[recipe.schedule]
