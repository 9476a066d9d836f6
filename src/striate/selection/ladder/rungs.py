"""The rungs of the ladder: each foresees the seconds that it needs, and fits a classifier within those it is given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.baselines.candidates import fit_baseline
from striate.classifier.classifier import Classifier
from striate.classifier.preprocessing import measure
from striate.data.balancing import Balance
from striate.data.decoding.pixels import Fit
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits
from striate.metrics.by_class import Metric
from striate.nets import parse
from striate.nets.modules.own import AnyNet
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.training.budget import adapt_swift, choose_swift, epochs_within
from striate.training.engine.checkpoints import where
from striate.training.engine.state import Computation, Watch
from striate.training.engine.timing import epoch_seconds
from striate.training.plan import Plan, choose_net
from striate.training.recipe import Recipe, load_recipe
from striate.training.trainer import choose_precision, train_plan

# Baselines on more images than this are timed on a part of them first.
MANY_IMAGES, MANY_NUMBERS, TRIED_SHARE, TRIED_IMAGES = 2_000, 50_000_000, 16, 256
# A net that takes so many times its seconds ends with the epoch under way.
LATE = 1.3
# Of swift, so that what was measured a little too fast does not end late.
MARGIN_EPOCHS = 0.1


@dataclass(frozen=True, eq=False)
class Borrowed:
    """A net with weights that have learned something else.

    Arguments:
        name: what people call it.
        start: the net, at the size at which it looks at these images.
        images: returns the ground's images at that size; they are decoded when a rung first asks.
        seconds: what its features of all these images will take.
    """

    name: str
    start: Classifier
    images: Callable[[], ImageSet]
    seconds: float


@dataclass(frozen=True, eq=False)
class Ground:
    """What all rungs stand on.

    Arguments:
        images: those that may be trained on or chosen by, decoded at one size; no test image is among them.
        fit: how images of other sizes come to that size.
        described: plain values that say what the data are.
        mirrors: whether a mirror image is of the same class; None as long as nobody knows.
        judged: how many images the chosen model will have to judge in the end.
        folder: where a long rung keeps its checkpoints; None for nowhere.
        stop: says whether the user wants to end.
        borrowed: a net with published weights; None where there is none.
        like: what the first fold of a cross-validation made on this rung; the others and the last fit train the same
            net for as many epochs, or the figure would not be of what is kept.
        metric, balance: as in a recipe.
    """

    images: ImageSet
    fit: Fit
    described: dict[str, Any]
    seed: int
    device: torch.device
    observer: Observer
    mirrors: bool | None = None
    judged: int = 0
    folder: Path | None = None
    stop: Callable[[], bool] = lambda: False
    borrowed: Borrowed | None = None
    like: Classifier | None = None
    metric: Metric = "accuracy"
    balance: Balance = "none"


@dataclass(frozen=True)
class Rung:
    """One way to a classifier.

    `train` and `valid` are positions in the ground's images, int (n,); `valid` may be empty.

    Arguments:
        name: what the table calls it.
        share: of the whole budget, which it may use at most; 0 for what lies in the way of all others.
        weight: of what the shares leave over, against the other rungs with a weight.
    """

    name: str
    share: float = 0.0
    weight: float = 0.0

    @property
    def is_net(self) -> bool:
        """Whether it learns features of its own rather than judging pixels."""
        return True

    @property
    def divisible(self) -> bool:
        """Whether it makes do with less time than it foresees, by fewer images."""
        return False

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the fewest seconds in which it makes sense, from a quick measurement."""
        raise NotImplementedError

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Return a classifier fitted within about so many seconds."""
        raise NotImplementedError


@dataclass(frozen=True)
class BaselineRung(Rung):
    """A baseline on pixels, named as `striate train --net` has it.

    Arguments:
        quick: what takes its place where there are many numbers.
    """

    quick: str = ""

    @property
    def is_net(self) -> bool:
        """No: it is what a net has to beat."""
        return False

    @property
    def divisible(self) -> bool:
        """Yes."""
        return True

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the time to fit a part of the images and to judge some, scaled up; few images take a moment."""
        if len(train) <= MANY_IMAGES:
            return 0.0
        share, some = 1 / TRIED_SHARE, valid[:TRIED_IMAGES]
        start = time.perf_counter()
        model = self._fit(ground, spread(train, share), valid, Observer())
        fitted = time.perf_counter()
        model.predict_proba(ground.images.subset(some))
        judged_s = (time.perf_counter() - fitted) * len(valid) / max(1, len(some))
        return (fitted - start + judged_s) / share

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Fit it; how long that takes it decides alone."""
        return self._fit(ground, train, valid, ground.observer)

    def _fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, observer: Observer) -> Classifier:
        images = ground.images
        many = len(images) * math.prod(images.image_shape) > MANY_NUMBERS
        sets = images.subset(train), images.subset(valid)
        name = self.quick if many and self.quick else self.name
        balanced = ground.balance != "none"
        return fit_baseline(name, *sets, fit=ground.fit, seed=ground.seed, observer=observer, balanced=balanced)


@dataclass(frozen=True)
class NetRung(Rung):
    """A net trained by steps: as many epochs as fit, at most those of its recipe.

    Arguments:
        net: a sentence or a name.
        recipe: a published recipe.
    """

    net: str = ""
    recipe: str = "default"

    @property
    def is_net(self) -> bool:
        """Only if it looks at neighbourhoods of pixels: plain layers on pixels are a simple method."""
        return False

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the seconds of one epoch."""
        recipe, shape = self._recipe(ground, train), _shape(ground)
        net = choose_net(self.net, shape, len(ground.images.classes))
        return epoch_seconds(net, recipe, shape, len(train), ground.device)

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Train it."""
        recipe, shape = self._recipe(ground, train), _shape(ground)
        net = choose_net(self.net, shape, len(ground.images.classes))
        recipe = recipe.replace(epochs=epochs_for(ground, seconds, net, recipe, shape, len(train)))
        return train_rung(ground, self.name, net, recipe, parts_of(ground.images, train, valid), seconds)

    def _recipe(self, ground: Ground, train: np.ndarray) -> Recipe:
        recipe = load_recipe(self.recipe)
        return recipe.replace(batch_size=min(recipe.batch_size, max(4, len(train) // 8)), seed=ground.seed)


@dataclass(frozen=True)
class SwiftRung(Rung):
    """The swift net whose size suits the seconds; mirrored where that keeps the class."""

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the seconds of one epoch of the smallest."""
        recipe, shape = self._recipe(ground, train), _shape(ground)
        net = choose_net("swift_xs", shape, len(ground.images.classes))
        return epoch_seconds(net, recipe, shape, len(train), ground.device)

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Train it; some of the seconds are for judging, which looks at each image twice where mirrors are used."""
        recipe, shape, classes = self._recipe(ground, train), _shape(ground), len(ground.images.classes)
        # To look at an image costs a third of learning from it: validation images after each epoch, and in the end.
        looks = (len(valid) + ground.judged) * (2 if ground.mirrors else 1) / 3
        after_each = 1 + len(valid) / len(train) / 3
        aside = (looks / len(train) + MARGIN_EPOCHS) / after_each
        if ground.like is None:
            name, epochs = choose_swift(
                seconds / after_each, recipe, shape, classes, len(train), ground.device, aside=aside
            )
            net = choose_net(name, shape, classes)
        else:
            name, net, epochs = self.name, ground.like.net, ground.like.provenance.epoch or 0
        ground.observer.note(f"{name}: {epochs} epoch{'s' * (epochs > 1)} of {len(train):,} images")
        recipe = recipe.replace(epochs=epochs)
        return train_rung(ground, self.name, net, recipe, parts_of(ground.images, train, valid), seconds)

    def _recipe(self, ground: Ground, train: np.ndarray) -> Recipe:
        height, width, _ = ground.images.image_shape
        recipe = adapt_swift(load_recipe("swift"), len(train), min(height, width)).replace(seed=ground.seed)
        if ground.mirrors:
            return recipe.replace(augment=("alternating_flip", *recipe.augment), views="mirror")
        return recipe


SIMPLE: Sequence[Rung] = (
    BaselineRung("majority", 0.05),
    BaselineRung("neighbours", 0.04, quick="neighbours(metric='l2')"),
    NetRung("linear", 0.03, net="linear"),
    NetRung("mlp", 0.08, net="mlp"),
)
SWIFT = SwiftRung("swift", weight=1.0)


def epochs_for(
    ground: Ground, seconds: float, net: AnyNet, recipe: Recipe, shape: tuple[int, int, int], count: int
) -> int:
    """Return how many epochs fit into the seconds, at most the recipe's; after a first fold, those of that."""
    if ground.like is not None:
        return ground.like.provenance.epoch or 0
    return min(recipe.epochs, epochs_within(seconds, net, recipe, shape, count, ground.device))


def train_rung(
    ground: Ground,
    name: str,
    net: Any,
    recipe: Recipe,
    splits: Splits[ImageSet],
    seconds: float,
    start: Classifier | None = None,
) -> Classifier:
    """Train a net, keep the epoch that does best on the validation images.

    The epochs are made to fit; should the machine become much slower meanwhile, the last ones are left out.

    Arguments:
        start: what training starts from, in place of random weights.
    """
    folder = RunFolder(ground.folder / name) if ground.folder else None
    if folder and folder.exists:  # begun before: what was decided then holds
        net, recipe = parse(folder.net.read_text("utf-8")), load_recipe(folder.recipe)
        ground.observer.note(f"{name}: going on from {where(folder.path)}")
    recipe, train = recipe.replace(metric=ground.metric, balance=ground.balance), splits.train
    seen = start.preprocessing if start else measure(train.pixels, train.rows, recipe.subtract, ground.fit)
    plan = Plan(net, recipe, splits, seen, train.classes, ground.described, start)
    precision = choose_precision(plan, ground.device, Observer())
    if folder and not folder.exists:
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.describe(ground.described, recipe.replace(precision=precision).to_toml(), str(net))
    # The last fit of a cross-validation has more images than a fold, and must have the epochs of one.
    late = time.perf_counter() + LATE * seconds * (1 if ground.like is None else 2)
    model, state = train_plan(
        plan,
        Computation(ground.device, precision),
        Watch(ground.observer, ground.stop, lambda record: time.perf_counter() > late),
        folder.path if folder else None,
    )
    if state.epoch < recipe.epochs:
        ground.observer.note(f"{name}: ended after epoch {state.epoch}: the machine became slower than it was measured")
    return model


def parts_of(images: ImageSet, train: np.ndarray, valid: np.ndarray) -> Splits[ImageSet]:
    """Return the images at the positions `train` and `valid`, and no test images."""
    return Splits(images.subset(train), images.subset(valid), images.subset(train[:0]))


def _shape(ground: Ground) -> tuple[int, int, int]:
    height, width, channels = ground.images.image_shape
    return channels, height, width


def spread(positions: np.ndarray, share: float) -> np.ndarray:
    """Return a share of the positions, evenly spread over them."""
    count = max(1, round(share * len(positions)))
    return positions[np.linspace(0, len(positions) - 1, count).round().astype(np.int64)]
