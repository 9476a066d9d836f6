"""Optimisers and learning-rate schedules, by their names in a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from striate.training.engine.muon import Muon
from striate.training.recipe import Recipe


class Optimisers:
    """The optimisers of a recipe as one: muon for the filters and another for the rest, or one for all."""

    def __init__(self, recipe: Recipe, parameters: Iterable[torch.nn.Parameter]):
        groups = _by_depth(recipe, list(parameters))
        muon = recipe.optimiser == "muon"
        self.parameters = [p for group in groups for p in group["params"]]
        # Each with its highest learning rate, of which the schedule gives a share.
        self._parts: list[tuple[torch.optim.Optimizer, float]] = []
        if filters := _only(groups, lambda p: muon and p.ndim == 4):
            self._parts.append((Muon(filters, recipe.learning_rate, recipe.filter_momentum), recipe.learning_rate))
        if rest := _only(groups, lambda p: not (muon and p.ndim == 4)):
            top = recipe.side_learning_rate if recipe.optimiser == "muon" else recipe.learning_rate
            self._parts.append((_plain(recipe, rest, top), top))

    def step(self, share: float) -> None:
        """Take one step at `share` of the highest learning rates, and clear the gradients."""
        for optimiser, top in self._parts:
            for group in optimiser.param_groups:
                group["lr"] = share * top * group["part"]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the moments by name, for a checkpoint."""
        found = {}
        for number, (optimiser, _) in enumerate(self._parts):
            for index, entries in optimiser.state_dict()["state"].items():
                found |= {f"{number}.{index}.{name}": value for name, value in entries.items() if value is not None}
        return found

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put the moments of a checkpoint in place."""
        states: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in self._parts]
        for key, value in tensors.items():
            number, index, name = key.split(".", 2)
            states[int(number)].setdefault(int(index), {})[name] = value
        for (optimiser, _), state in zip(self._parts, states, strict=True):
            optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _by_depth(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Return the parameters to be trained in groups, first layers first, each with its `part` of the learning rate.

    A parameter's depth is its place among all, in eighths: a few groups are quicker to step than many.
    """
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for i, parameter in enumerate(parameters):
        depth = round(8 * i / max(1, len(parameters) - 1)) / 8 if recipe.rate_below < 1 else 1.0
        if parameter.requires_grad:
            groups.setdefault(depth, []).append(parameter)
    return [{"params": found, "part": recipe.rate_below ** (1 - depth)} for depth, found in groups.items()]


def _only(groups: list[dict[str, Any]], wanted: Callable[[torch.nn.Parameter], bool]) -> list[dict[str, Any]]:
    """Return the groups with the wanted parameters alone; none is left empty."""
    kept = [group | {"params": [p for p in group["params"] if wanted(p)]} for group in groups]
    return [group for group in kept if group["params"]]


def _plain(recipe: Recipe, parameters: list[dict[str, Any]], top: float) -> torch.optim.Optimizer:
    if recipe.optimiser in ("sgd", "muon"):
        nesterov = recipe.momentum > 0
        return torch.optim.SGD(parameters, top, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=nesterov)
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimiser]
    return make(parameters, top, (recipe.betas[0], recipe.betas[1]), recipe.epsilon, recipe.weight_decay)


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
