"""The rungs that start from weights which have learned something else: a new head on frozen features, fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from striate.baselines.candidates import fit_baseline
from striate.classifier.classifier import Classifier
from striate.classifier.features import extraction_s, net_features
from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.errors import ModelFileError
from striate.nets import ZOO, Net
from striate.nets.surgery import with_new_head
from striate.nets.zoo.downloads import available_weights
from striate.observer import Observer
from striate.selection.ladder.rungs import Borrowed, Ground, Rung, epochs_for, parts_of, train_rung
from striate.training.engine.timing import epoch_seconds
from striate.training.recipe import Recipe, load_recipe
from striate.training.transfer import fit_start, load_start

DEFAULT_NET = "mobilenet_v2"
# Which is lent where the user names none: the best that is at hand.
PREFERRED = ("efficientnet_lite0", DEFAULT_NET)
# Fitting a head to features takes a part of what computing them takes.
HEAD_SHARE = 0.3
# Support vectors do better on features than planes do; of more images they would take too long.
SVM_IMAGES, SVM_CLASSES = 5_000, 100


@dataclass(frozen=True)
class FrozenRung(Rung):
    """A head on the features of a net with published weights, which stay as they are."""

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the seconds of the features and the head."""
        return (1 + HEAD_SHARE) * _borrowed(ground).seconds

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Fit it; how long that takes it decides alone."""
        borrowed = _borrowed(ground)
        splits = parts_of(borrowed.images(), train, valid)
        few = len(train) <= SVM_IMAGES and len(ground.images.classes) <= SVM_CLASSES
        return fit_baseline(
            "svm" if few else "logistic", splits.train, splits.valid, seed=ground.seed, observer=ground.observer,
            features=net_features(borrowed.start, borrowed.name), balanced=ground.balance != "none",
        )  # fmt: skip


@dataclass(frozen=True)
class TunedRung(Rung):
    """A net with published weights and a new head, all of whose layers learn on."""

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the seconds of one epoch."""
        shape = _borrowed(ground).start.preprocessing.input_shape
        return epoch_seconds(self._net(ground), self._recipe(ground), shape, len(train), ground.device)

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Fit the head, then train as many epochs as the seconds allow, at most those of the recipe."""
        borrowed, net, recipe = _borrowed(ground), self._net(ground), self._recipe(ground)
        shape = borrowed.start.preprocessing.input_shape
        left_s = seconds - borrowed.seconds  # the head's features come first
        recipe = recipe.replace(epochs=epochs_for(ground, left_s, net, recipe, shape, len(train)))
        ground.observer.note(f"{self.name}: {recipe.epochs} epochs at {shape[1]}×{shape[2]} pixels")
        splits = parts_of(borrowed.images(), train, valid)
        return train_rung(ground, self.name, net, recipe, splits, seconds, borrowed.start)

    def _recipe(self, ground: Ground) -> Recipe:
        recipe = load_recipe("fine").replace(seed=ground.seed)
        words = tuple(word for word in recipe.augment if ground.mirrors or not word.startswith("flip"))
        return recipe.replace(augment=words)

    def _net(self, ground: Ground) -> Net:
        net = _borrowed(ground).start.net
        assert isinstance(net, Net)
        shape = _borrowed(ground).start.preprocessing.input_shape
        return with_new_head(net, len(ground.images.classes), shape, self._recipe(ground).head)


def _borrowed(ground: Ground) -> Borrowed:
    assert ground.borrowed is not None
    return ground.borrowed


FROZEN = FrozenRung("pretrained", share=0.3)
TUNED = TunedRung("fine-tuned", weight=2.0)


def lend(weights: str | Path | None, observer: Observer) -> tuple[str, Classifier] | None:
    """Return a net with published weights, and what people call it; None where there are no weights.

    Arguments:
        weights: "imagenet", which may download them, or a file, whose name tells the net; None takes the best
            that are on this machine.

    Raises:
        StriateError: weights that were asked for are not there or do not fit.
    """
    if weights in (None, "imagenet"):
        weights = _at_hand(observer) or weights
    if weights is None:
        return None
    return _name(weights), load_start(_net_of(weights), weights, observer.prepare)


def _at_hand(observer: Observer) -> Path | None:
    """Return the weights of the best preferred net that has any; a damaged file is told and passed over."""
    for name in PREFERRED:
        try:
            if found := available_weights(name, observer.prepare):
                return found
        except ModelFileError as error:
            observer.warn(str(error))
    return None


def borrow(lent: tuple[str, Classifier], catalog: Catalog, ground: Ground, size: tuple[int, int] | None) -> Borrowed:
    """Return what was lent, made fit for the images of a catalog.

    Arguments:
        ground: has those that may be learned from, at another size.
        size: (h, w) at which the user wants them to be looked at, if he says so.
    """
    name, net = lent
    start = fit_start(net, catalog, size, ground.fit).to(ground.device)
    images = _decoded(start, catalog, ground.images, ground.observer)
    return Borrowed(name, start, images, extraction_s(start, len(ground.images)))


def _name(weights: str | Path) -> str:
    """Return what people call a net with these weights."""
    return _net_of(weights) or Path(weights).name


def _net_of(weights: str | Path) -> str | None:
    """Return the net that a file of weights is named after; a .striate file has its own."""
    stem = Path(weights).stem.lower().replace("-", "_")
    if Path(weights).suffix == ".striate":
        return None
    named = [name for name, one in ZOO.items() if one.published and stem.startswith(name)]
    return max(named, key=len, default=DEFAULT_NET)


def _decoded(start: Classifier, catalog: Catalog, known: ImageSet, observer: Observer) -> Callable[[], ImageSet]:
    """Return what gives the known images at the net's own size, decoded once."""

    @cache
    def images() -> ImageSet:
        everything = start.prepare(catalog, observer.prepare)
        place = {name: i for i, name in enumerate(everything.names)}
        return everything.subset(np.array([place[name] for name in known.names], np.int64))

    return images
