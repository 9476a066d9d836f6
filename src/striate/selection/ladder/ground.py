"""What all rungs stand on: the images, the clock, and what was found out about both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.classifier.classifier import Classifier
from striate.classifier.feature_bank import FeatureBank
from striate.classifier.features import Features
from striate.data.balancing import Balance
from striate.data.decoding.pixels import Fit
from striate.data.imageset import ImageSet
from striate.data.preparing.detail import resized
from striate.data.splitting import Splits
from striate.metrics.by_class import Metric
from striate.metrics.evaluation import evaluate_probabilities
from striate.observer import Observer
from striate.selection.ladder.clock import Clock

Parts = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Lent:
    """A net with published weights that is at hand.

    Arguments:
        name: what people call it.
        load: reads it.
    """

    name: str
    load: Callable[[], Classifier]


@dataclass(frozen=True, eq=False)
class Borrowed:
    """A net with weights that have learned something else.

    Arguments:
        name: what people call it.
        start: the net, at the size at which it looks at these images.
        bank: its features of the ground's images.
        averaged: the same averaged over views of each image; None where those are no better for a head.
    """

    name: str
    start: Classifier
    bank: FeatureBank
    averaged: FeatureBank | None = None

    @property
    def for_heads(self) -> FeatureBank:
        """The features to which heads are fitted."""
        return self.averaged or self.bank

    @property
    def side(self) -> int:
        """Pixels along a side of what it looks at."""
        return self.start.preprocessing.size[0]

    @property
    def features(self) -> Features:
        """What a head is fitted to."""
        model = self.bank.model
        return Features(model.preprocessing, model.module, self.name, model, self.for_heads)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, eq=False)
class Ground:
    """What all rungs stand on.

    Arguments:
        images: those that may be trained on or chosen by, decoded at one size; no test image is among them.
        fit: how images of other sizes come to that size.
        described: plain values that say what the data are.
        clock: when all must be done.
        detail_px: beyond how many pixels a side the images show nothing more.
        sized: whether the user said at which size nets look at them.
        mirrors: whether a mirror image is of the same class; None as long as nobody knows.
        judged: how many images the chosen model will have to judge in the end.
        folder: where a long rung keeps its checkpoints; None for nowhere.
        stop: says whether the user wants to end.
        lent: nets with published weights that are at hand, the preferred one first.
        borrowed: the one of them that is used; None as long as none is.
        like: what the first fold of a cross-validation made on this rung; the others and the last fit train the same
            net, or the figure would not be of what is kept.
        metric: what chooses.
        balance: what is done about uneven classes, where a rung can do it.
        known: what was found out on the way and is not to be found out again.
        barred: int (m,), positions of images that may choose but not teach, as the user wishes.
    """

    images: ImageSet
    fit: Fit
    described: dict[str, Any]
    seed: int
    device: torch.device
    observer: Observer
    clock: Clock
    detail_px: int = 0
    sized: bool = False
    mirrors: bool | None = None
    judged: int = 0
    folder: Path | None = None
    stop: Callable[[], bool] = lambda: False
    lent: Sequence[Lent] = ()
    borrowed: Borrowed | None = None
    like: Classifier | None = None
    metric: Metric = "accuracy"
    balance: Balance = "none"
    known: dict[Any, Any] = field(default_factory=dict)
    barred: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def teaching(self, positions: np.ndarray) -> np.ndarray:
        """Return those of the positions, ascending, whose images may teach."""
        return np.setdiff1d(positions, self.barred)

    @property
    def side(self) -> int:
        """Pixels along the shorter side of the images."""
        return min(self.images.image_shape[:2])

    def error(self, said: np.ndarray, positions: np.ndarray) -> float:
        """Return the error of what is said, float (n, k), of the images at the positions: 1 less the metric."""
        return 1 - evaluate_probabilities(said, self.images.labels[positions], self.images.classes).score(self.metric)

    def at(self, side: int, channels: int | None = None) -> ImageSet:
        """Return the images at `side` × `side` pixels, with so many channels if it is told, made once."""
        key = "images", side, channels or self.images.image_shape[2]
        if key not in self.known:
            self.known[key] = resized(self.images, side, self.fit, channels, self.observer.prepare)
        return self.known[key]

    def seen_by(self, model: Classifier) -> ImageSet:
        """Return the images as a model is best given them: as it sees them, if they have been made so."""
        shape = model.preprocessing
        return self.known.get(("images", shape.size[0], shape.channels), self.images)


def parts_of(images: ImageSet, train: np.ndarray, valid: np.ndarray) -> Splits[ImageSet]:
    """Return the images at the positions `train` and `valid`, and no test images."""
    return Splits(images.subset(train), images.subset(valid), images.subset(train[:0]))


def spread(positions: np.ndarray, share: float) -> np.ndarray:
    """Return a share of the positions, evenly spread over them.

    >>> spread(np.arange(10), 0.3).tolist()
    [0, 4, 9]
    """
    count = min(len(positions), max(1, round(share * len(positions))))
    return positions[np.linspace(0, len(positions) - 1, count).round().astype(np.int64)] if count else positions


def as_time_allows(count: int, total: int) -> str:
    """Return what is said of a method that learned from `count` of `total` training images.

    >>> as_time_allows(1200, 45000)
    'fitted to 1,200 of the 45,000 training images, as many as the time allows'
    """
    return f"fitted to {count:,} of the {total:,} training images, as many as the time allows"


def mixed(positions: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the positions in an order that chance gives, but for one image of each class, which come first.

    However few of them there is time for, they are then of more than one class.

    >>> mixed(np.arange(9), np.array([0] * 8 + [1]), 0)[:2].tolist()
    [4, 8]
    """
    order = np.random.default_rng(seed).permutation(positions)
    _, first = np.unique(labels[order], return_index=True)
    return np.concatenate([order[first], np.delete(order, first)])
