"""What is asked of a training run, checked as far as can be before an image is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from striate.augmentation import make_augmentation, with_asked
from striate.classifier.classifier import Classifier
from striate.classifier.preprocessing import Preprocessing
from striate.errors import ArgumentError
from striate.nets import Net
from striate.nets.modules.own import AnyNet, as_net, find_net
from striate.nets.modules.timm_models import TimmNet
from striate.nets.rules import read_rule
from striate.training.recipe import Recipe, load_recipe, recipe_names
from striate.units import parse_duration

RecipeLike = str | Path | Mapping[str, Any] | Recipe
NetLike = AnyNet | torch.nn.Module
# The family of nets of which the budget chooses one; in the place of a net's name it means just that.
SWIFT = "swift"


@dataclass(frozen=True, eq=False)
class TrainingOptions:
    """What the user asked for, checked as far as can be without the images.

    Arguments:
        net: a name, a sentence or a Net; None is the swift net that suits.
        recipe: everything else that decides the run.
        published: the name of the recipe if it is a published one, which may be fitted to the images; else "".
        told: settings that the user chose, which may not be changed for him.
        budget_s: seconds that training may take, where the user says so.
        start: what training starts from instead of random weights.
        shown: how images are shown to a net that says so itself; None measures it.
    """

    net: str | AnyNet | None
    recipe: Recipe
    published: str = ""
    told: frozenset[str] = frozenset()
    budget_s: float | None = None
    start: Classifier | None = None
    shown: Preprocessing | None = None

    @property
    def fitted(self) -> bool:
        """Whether net and epochs depend on what this machine can do."""
        return self.net is None or self.budget_s is not None

    def started(self, start: Classifier, spent_s: float) -> TrainingOptions:
        """Return the options with what it starts from as it fits the images, and a budget less what its head takes."""
        left_s = None if self.budget_s is None else max(1.0, self.budget_s - spent_s)
        return replace(self, start=start, budget_s=left_s)

    def settled(self, net: str, epochs: int) -> TrainingOptions:
        """Return the options with net and epochs as they were decided before, or in another process."""
        return replace(self, net=net, recipe=self.recipe.replace(epochs=epochs), budget_s=None)


def read_training_options(
    net: str | NetLike | None = None,
    recipe: RecipeLike | None = None,
    changes: Mapping[str, Any] | None = None,
    budget: str | float | None = None,
    start: Classifier | None = None,
) -> TrainingOptions:
    """Return what is asked for.

    Arguments:
        net: a name, a sentence, a Net or a module; None, not named, is the recipe's net or the swift net that suits.
        recipe: None, not named, is "fine" with a start, "swift" for swift nets, else "default".
        changes: settings of the recipe that the user gave one by one.
        budget: seconds, or a time such as "5m", in place of the epochs.
        start: the model that training starts from, which brings its net.

    Raises:
        ArgumentError, NotationError: a setting, an augmentation or a sentence that cannot be.
    """
    changes = changes or {}
    if recipe is None:
        recipe = "fine" if start else SWIFT if net is None or str(net).startswith(SWIFT) else "default"
    published = recipe if isinstance(recipe, str) and recipe in recipe_names() else ""
    loaded = load_recipe(recipe)
    settled, told = loaded.replace(**changes), frozenset(changes)
    if (together := with_asked(loaded.augment, settled.augment)) != settled.augment:
        settled, told = settled.replace(augment=together), told - {"augment"}  # the recipe's own words are its own
    if not settled.epochs and not start:
        raise ArgumentError(
            "epochs must be at least 1; got 0. Only a new head on given weights needs none: give weights, or epochs"
        )
    if start:
        assert isinstance(start.net, Net | TimmNet)
        net = start.net
    net = settled.net if net is None else net
    net = None if net == SWIFT else net
    settled = settled.replace(net=None)  # said once: a run keeps its net in net.txt
    if budget is not None and "epochs" in changes and net is not None:
        raise ArgumentError("give epochs or a budget, not both: with a budget the epochs are those that fit into it")
    make_augmentation(settled.augment)
    if settled.init is not None:
        read_rule(settled.init)
    if isinstance(net, str):
        find_net(net, classes=2, channels=3)
    elif net is not None:
        net = as_net(net)
    budget_s = None if budget is None else parse_duration(budget)
    return TrainingOptions(net, settled, published, told, budget_s, start)
