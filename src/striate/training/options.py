"""What is asked of a training run, checked as far as can be before an image is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from striate.augmentation import make_augmentation
from striate.classifier.classifier import Classifier
from striate.data.decoding.pixels import Fit
from striate.data.splitting import as_shares
from striate.errors import ArgumentError
from striate.nets import Net, resolve
from striate.nets.modules.own import AnyNet, as_net
from striate.nets.rules import read_rule
from striate.training.recipe import Recipe, load_recipe, recipe_names
from striate.units import parse_duration

RecipeLike = str | Path | Mapping[str, Any] | Recipe
NetLike = AnyNet | torch.nn.Module
DEFAULT_NET = "swift"


@dataclass(frozen=True, eq=False)
class Wish:
    """What the user asked for, checked as far as can be without the images.

    Arguments:
        net: a name, a sentence, "swift" (the size that suits) or a Net.
        published: the name of the recipe if it is a published one, which may be fitted to the images; else "".
        start: what training starts from instead of random weights.
        told: settings that the user chose, which may not be changed for him.
        budget_s: seconds that training may take, where the user says so.
    """

    net: str | AnyNet
    recipe: Recipe
    published: str
    told: frozenset[str]
    budget_s: float | None
    fit: Fit
    ratios: tuple[float, float, float]
    start: Classifier | None = None

    @property
    def fitted(self) -> bool:
        """Whether net and epochs depend on what this machine can do."""
        return self.net == "swift" or self.budget_s is not None

    def started(self, start: Classifier, spent_s: float) -> Wish:
        """Return the wish with what it starts from as it fits the images, and a budget less what its head takes."""
        left_s = None if self.budget_s is None else max(1.0, self.budget_s - spent_s)
        return replace(self, start=start, budget_s=left_s)

    def settled(self, net: str, epochs: int) -> Wish:
        """Return the wish with net and epochs as they were decided before, or in another process."""
        return replace(self, net=net, recipe=self.recipe.replace(epochs=epochs), budget_s=None)


def make_wish(
    net: str | NetLike,
    recipe: RecipeLike,
    changes: Mapping[str, Any],
    fit: Fit,
    ratios: str | tuple[float, float, float],
    budget: str | float | None = None,
    start: Classifier | None = None,
) -> Wish:
    """Return what is asked for; `changes` are settings of the recipe that the user gave one by one.

    A recipe may bring a net, which is taken unless the user says another than the default one.

    Raises:
        ArgumentError, NotationError: a setting, an augmentation, a split or a sentence that cannot be.
    """
    if recipe == "auto" and start:
        recipe = "fine"
    elif recipe == "auto":
        recipe = "swift" if isinstance(net, str) and net.startswith("swift") else "default"
    published = recipe if isinstance(recipe, str) and recipe in recipe_names() else ""
    settled = load_recipe(recipe).replace(**changes)
    if not settled.epochs and not start:
        raise ArgumentError(
            "epochs must be at least 1; got 0. Only a new head on given weights needs none: give weights, or epochs"
        )
    if start:
        assert isinstance(start.net, Net)
        net = start.net
    elif net == DEFAULT_NET and settled.net is not None:
        net = settled.net
    settled = settled.replace(net=None)  # said once: a run keeps its net in net.txt
    if budget is not None and "epochs" in changes and net != "swift":
        raise ArgumentError("give epochs or a budget, not both: with a budget the epochs are those that fit into it")
    make_augmentation(settled.augment)
    if settled.init is not None:
        read_rule(settled.init)
    if not isinstance(net, str):
        net = as_net(net)
    elif net != "swift":
        resolve(net, classes=2, channels=3)
    budget_s = None if budget is None else parse_duration(budget)
    return Wish(net, settled, published, frozenset(changes), budget_s, fit, as_shares(ratios), start)
