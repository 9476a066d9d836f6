"""The rungs of the ladder: each fits a classifier within the seconds that it is given; here those that lead up."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.baselines.candidates import fit_baseline
from striate.classifier.classifier import Classifier
from striate.classifier.feature_bank import FeatureBank
from striate.classifier.preprocessing import measure
from striate.classifier.views import view_count
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits
from striate.nets import parse
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.selection.ladder.forecast import Probe, carried_forward
from striate.selection.ladder.ground import Ground, parts_of, spread
from striate.training.budget import epoch_s_known
from striate.training.engine.checkpoints import where
from striate.training.engine.state import Computation, Watch
from striate.training.engine.timing import epoch_seconds
from striate.training.plan import Plan, choose_net
from striate.training.recipe import Recipe, load_recipe
from striate.training.trainer import choose_precision, train_plan

# Baselines on more images than this are timed on a part of them first.
MANY_IMAGES, MANY_NUMBERS, TRIED_SHARE, TRIED_IMAGES = 2_000, 50_000_000, 16, 256
# A net whose epochs are foreseen to take less of its time than this counts them; else it follows the clock.
SURE_SHARE = 0.7
# So short a run is never cut.
QUICK_S = 0.8
# However late it is, this much is learned: the first step of a process loads what no later one has to.
LEAST_S = 0.3
# To look at an image costs about a third of learning from it, more where the first layers do not learn.
LOOK_SHARE = 0.4


@dataclass(frozen=True)
class Rung:
    """One way to a classifier.

    `train` and `valid` are positions in the ground's images, int (n,); `valid` may be empty.

    Arguments:
        name: what the table calls it.
        share: of the whole budget, which it may use at most; 0 for those among which the rest is divided.
    """

    name: str
    share: float = 0.0

    @property
    def is_net(self) -> bool:
        """Whether it learns features of its own rather than judging pixels."""
        return True

    @property
    def probe(self) -> str:
        """Whose probe tells what it promises."""
        return self.name

    def suits(self, ground: Ground) -> bool:
        """Whether it can be climbed here."""
        return True

    def words(self, ground: Ground, images: int, seconds: float) -> str:
        """Return what people are told it would be, learning from so many images for so many seconds."""
        return self.name

    def fits(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> bool:
        """Whether so many seconds are enough for anything."""
        return True

    def prior(self, ground: Ground) -> float:
        """Return the error to expect where nothing was tried."""
        return 0.5

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the seconds that all images would take, from a quick measurement; with less it takes fewer."""
        raise NotImplementedError

    def try_out(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Probe:
        """Return what little time brings, to foresee what the rest of it would."""
        raise NotImplementedError

    def carry(self, probe: Probe, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> float:
        """Return the error to expect in so many seconds after such a probe."""
        return carried_forward(probe.points, seconds, probe.judged)

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Return a classifier fitted within so many seconds, judging included."""
        raise NotImplementedError

    def calibrating_s(self, ground: Ground, valid: int) -> float:
        """Return the seconds of calibrating its model by so many images, where these are many; else 0."""
        return 0.0

    def refit_s(self, fit_s: float) -> float:
        """Return the seconds that fitting it again to a few more images takes, where it took `fit_s` before."""
        return fit_s

    def probabilities(self, ground: Ground, model: Classifier, positions: np.ndarray) -> np.ndarray:
        """Return what the model says of the ground's images at the positions: float (n, k)."""
        return model.predict_proba(ground.seen_by(model).subset(positions))


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
        return fit_baseline(
            name, *sets, fit=ground.fit, seed=ground.seed, observer=observer, balanced=ground.balance != "none"
        )


@dataclass(frozen=True)
class NetRung(Rung):
    """A net of plain layers, trained by steps: as many epochs as fit, at most those of its recipe.

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
        """Return nothing: it takes the time that it is given, however short."""
        return 0.0

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Train it, on images no larger than tell it something."""
        images = ground.at(PLAIN_SIDE_PX) if ground.side > 2 * PLAIN_SIDE_PX and not ground.sized else ground.images
        recipe = load_recipe(self.recipe)
        batch = min(recipe.batch_size, max(4, len(train) // 8))
        epochs = max(recipe.epochs, -(-FEWEST_STEPS * batch // max(1, len(train))))
        # In float32: too small to gain by less.
        recipe = recipe.replace(epochs=epochs, batch_size=batch, precision="float32", **shared(ground))
        net = choose_net(self.net, shape_of(images), len(images.classes))
        if ground.like is not None:
            recipe = recipe.replace(epochs=ground.like.provenance.epoch or 1)
        return train_rung(ground, self.name, net, recipe, parts_of(images, train, valid), seconds)


# Plain layers see places, and more of them are more weights and no more sense.
PLAIN_SIDE_PX = 32
# Few images make short epochs, and so many steps are needed however few they are.
FEWEST_STEPS = 200
SIMPLE: Sequence[Rung] = (
    BaselineRung("majority", 0.02),
    BaselineRung("neighbours", 0.03, quick="neighbours(metric='l2')"),
    NetRung("linear", 0.02, net="linear"),
    NetRung("mlp", 0.03, net="mlp"),
)


def shared(ground: Ground) -> dict[str, Any]:
    """Return the settings that every recipe on the ladder has in common."""
    return {"seed": ground.seed, "metric": ground.metric, "balance": ground.balance}


def shape_of(images: ImageSet) -> tuple[int, int, int]:
    """Return (c, h, w) of the images of a set."""
    height, width, channels = images.image_shape
    return channels, height, width


def train_rung(
    ground: Ground,
    name: str,
    net: Any,
    recipe: Recipe,
    splits: Splits[ImageSet],
    seconds: float,
    start: Classifier | None = None,
    known: FeatureBank | None = None,
) -> Classifier:
    """Train a net within so many seconds, judging what chooses and what tests included.

    Where the epochs of the recipe surely fit, they are counted, and the one that does best on the validation images is
    kept. Else the schedule follows the clock up to its end, and the last weights are kept: however busy the machine,
    the time is used and not passed.

    Arguments:
        start: what training starts from, in place of random weights.
        known: has the features that it makes of the images.
    """
    ends, measured = time.perf_counter() + seconds, recipe.precision == "auto"
    folder = RunFolder(ground.folder / name) if ground.folder else None
    if folder and folder.exists:  # begun before: what was decided then holds
        net, recipe = parse(folder.sentence()), load_recipe(folder.recipe)
        ground.observer.note(f"{name}: going on from {where(folder.path)}")
    train = splits.train
    seen = start.preprocessing if start else measure(train.pixels, train.rows, recipe.subtract, ground.fit)
    epoch_s = epoch_s_known(ground.known, net, seen.input_shape, len(train))
    epoch_s = epoch_s or epoch_seconds(net, recipe, seen.input_shape, len(train), ground.device)
    look_s = LOOK_SHARE * (1 + recipe.freeze) * epoch_s / len(train) * view_count(recipe.views)
    ends = max(ends - look_s * (len(splits.valid) + ground.judged), time.perf_counter() + LEAST_S)
    by_clock = epoch_s * recipe.epochs > max(QUICK_S, SURE_SHARE * (ends - time.perf_counter()))
    if by_clock:
        splits = parts_of(train, np.arange(len(train)), np.arange(0))
        if not (folder and folder.exists):
            fitting = math.ceil((ends - time.perf_counter()) / epoch_s)
            recipe = recipe.replace(epochs=min(recipe.epochs, max(1, fitting)))
    plan = Plan(net, recipe, splits, seen, train.classes, ground.described, start, known)
    precision = choose_precision(plan, ground.device, Observer())
    if folder and not folder.exists:
        folder.path.mkdir(parents=True, exist_ok=True)
        told = {**ground.described, "prepared": list(seen.size)}
        folder.describe(told, recipe.replace(precision=precision).to_toml(), str(net))
    watch = Watch(ground.observer, ground.stop, ends=ends if by_clock else None)
    return train_plan(
        plan, Computation(ground.device, precision, measured=measured), watch, folder.path if folder else None
    )[0]
