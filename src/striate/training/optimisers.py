"""Optimisers and learning-rate schedules, by their names in a recipe."""

from __future__ import annotations

import math

import torch

from striate.training.recipe import Recipe


def make_optimiser(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return torch's optimiser for `recipe`; the learning rate is set anew at every step."""
    if recipe.optimiser == "sgd":
        nesterov = recipe.momentum > 0
        return torch.optim.SGD(
            parameters, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=nesterov
        )
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimiser]
    betas = (recipe.betas[0], recipe.betas[1])
    return make(parameters, recipe.learning_rate, betas, recipe.epsilon, recipe.weight_decay)


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Return the learning rate at `epoch`, a fraction counted from 0 (2.5 is half-way through the third).

    >>> [learning_rate(Recipe(epochs=4, learning_rate=1, schedule="linear"), e) for e in (0, 1, 4)]
    [1.0, 0.75, 0.0]
    """
    if epoch < recipe.warmup_epochs:
        return recipe.learning_rate * epoch / recipe.warmup_epochs
    if recipe.schedule == "step":
        return recipe.learning_rate * recipe.decay ** sum(epoch >= milestone for milestone in recipe.milestones)
    span = max(recipe.epochs - recipe.warmup_epochs, 1e-9)
    done = min(1.0, (epoch - recipe.warmup_epochs) / span)
    share = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[recipe.schedule]
    return recipe.learning_rate * share
