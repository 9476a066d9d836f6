"""The rungs that start from weights which have learned something else: a new head on frozen features, fine-tuning."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from striate.baselines.candidates import fit_baseline
from striate.classifier.classifier import Classifier
from striate.classifier.feature_bank import FeatureBank
from striate.classifier.heads.fitted import FittedModule
from striate.errors import DataError
from striate.nets import Net
from striate.nets.surgery import with_new_head
from striate.observer import Observers
from striate.runs.calibrating import KINDS_OF_STRANGE, LEAST_KEPT, LEAST_STRANGE, LEAST_TRAIN, LEAST_VALID
from striate.runs.folder import RunFolder
from striate.selection.ladder.borrowing import EXACT, SMALL_PX, borrow, most_accurate, side_for
from striate.selection.ladder.forecast import Probe, carried_forward, tuned_error
from striate.selection.ladder.ground import Borrowed, Ground, as_time_allows, mixed, parts_of, spread
from striate.selection.ladder.rungs import Rung, shared, train_rung
from striate.training.engine.timing import epoch_seconds
from striate.training.recipe import Recipe, load_recipe
from striate.training.transfer import STEP_PX
from striate.units import percent

# Support vectors do better on features than planes do, but not from few images a class; from many they take too long.
# From few, discriminants are a point better than logistic regression and found in a tenth of the time (ten
# photographs each: 66 % against 65 %, twenty: 75 against 74.5, fifty: 81 against 80.5; five draws).
SVM_IMAGES, SVM_CLASSES, SVM_FROM = 5_000, 100, 40
LDA_IMAGES = 3_000
# Seconds of support vectors on some 2,800 features, over the square of the images (4 s of 1,600, on two cores).
SVM_S = 1.5e-6
# So many images judge a probe at most, and so many are looked at however long it takes.
MOST_JUDGING, FEWEST_TRIED = 400, 40
# To be calibrated, a large net looks at so many images beside those that choose.
CALIBRATING_LOOKS = LEAST_TRAIN + KINDS_OF_STRANGE * LEAST_STRANGE + LEAST_KEPT
# Of a probe's seconds, those for features; the rest is for two heads.
FILLING_SHARE = 0.6
# What a head takes beside its features; and when it is fitted again.
HEAD_SHARE, REFIT_SHARE = 1.15, 0.6
# From so many seconds on several nets are compared. Another than the preferred must promise clearly fewer errors: that
# is noise in a trial on a few hundred images else, and larger nets leave less time to learn.
CLEARLY = 0.85
COMPARED_FROM_S = 150.0
# Learning from an image takes so many times what its features take.
LEARNING = 6.0
# The first layers stay as they are: without their gradients a step takes two thirds of the time, and the whole net
# learns no better (EfficientNet-Lite0 on photographs of waste, eight epochs at 160 pixels: 93.8 % both ways). The rest
# learns at as many pixels as leave time for all epochs, though not at fewer than these; where that is not enough, more
# layers stay (more pixels instead are worth less: eight epochs of the later layers alone at 224, 92.4 %).
FROZEN_SHARE, HURRIED_SHARE, TUNED_SIDE_PX, ENOUGH_EPOCHS = 0.3, 0.6, 128, 3
# Down to so many pixels fewer epochs are taken for the worse choice, from there on fewer pixels, as long as so many are
# left: by single runs on photographs of waste, not yet by a benchmark.
GOOD_SIDE_PX, FEWER_EPOCHS = 160, 4.0
# At fewer still it is taken to end with so many times the errors: in those runs, about those of the head before it.
BLURRED = 1.2
# To find out what an epoch takes, at two sizes, so many images are learned from.
MEASURED_ON = 120
# What an epoch turns out to take beside what was measured; and what leaves as much time again.
SLACK, REFIT_LEAVES = 0.9, 0.42
# The first epoch makes good what the new head's rate upsets: with hardly more than that the weights only get worse.
FEWEST_EPOCHS = 1.2
# Of the time for fine-tuning, what the features may take to which the head is fitted first.
FIRST_HEAD_SHARE = 0.2


@dataclass(frozen=True)
class _OnBorrowed(Rung):
    """A rung that needs a borrowed net, and learns what it promises from the probe of a head on its features."""

    @property
    def probe(self) -> str:
        """That of the frozen features."""
        return "pretrained"

    def suits(self, ground: Ground) -> bool:
        """Whether there is a borrowed net."""
        return ground.borrowed is not None

    def calibrating_s(self, ground: Ground, valid: int) -> float:
        """Return those of the borrowed net, which looks at few images, as it is large."""
        borrowed = _borrowed(ground)
        looks_s = min(valid, LEAST_VALID) * borrowed.for_heads.image_s + CALIBRATING_LOOKS * borrowed.bank.image_s
        return EXACT * looks_s * (valid > 0)

    def prior(self, ground: Ground) -> float:
        """Return that features of photographs are good, and of small pictures not."""
        return 0.4 if ground.detail_px > SMALL_PX else 0.6


@dataclass(frozen=True)
class FrozenRung(_OnBorrowed):
    """A head on the features of a net with published weights, which stay as they are."""

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the seconds of the features that are not there yet, and the head."""
        bank = _borrowed(ground).for_heads
        missing = bank.missing(np.concatenate([train, valid]))
        features_s = bank.image_s * (missing + EXACT * ground.judged)
        return features_s + self._head_s(len(train), features_s)

    def try_out(
        self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float, most: int | None = None
    ) -> Probe:
        """Fit a head to half of some images and to all of them; `most` of them are looked at, those that judge too."""
        began, bank = time.perf_counter(), _borrowed(ground).for_heads
        quiet = replace(ground, observer=Observers([ground.observer], only=("prepare",)))
        judging = spread(valid, MOST_JUDGING / max(1, len(valid)))
        # Turn by turn, so that whenever the time is over some are there to learn from and some to judge by.
        order = mixed(train, ground.images.labels, ground.seed)
        turns = _in_turns(order, mixed(judging, ground.images.labels, ground.seed))[:most]
        bank.fill(turns[:FEWEST_TRIED], progress=ground.observer.prepare)
        bank.fill(turns, began + FILLING_SHARE * seconds, ground.observer.prepare)
        learning, judging, points = bank.known(order), bank.known(judging), []
        for some in (learning[: max(2, len(learning) // 2)], learning):
            model = self.head(quiet, some, judging[:0])
            points.append((float(len(some)), ground.error(self.probabilities(ground, model, judging), judging)))
        borrowed = _borrowed(ground)
        how = f"on {len(learning):,} images by {borrowed.name} at {borrowed.side} pixels"
        took = time.perf_counter() - began
        return Probe(self.name, tuple(points), len(judging), took, how=how, metric=ground.metric)

    def carry(self, probe: Probe, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> float:
        """Return the error to expect with as many images as there are, or as the seconds allow."""
        bank = _borrowed(ground).for_heads
        share = min(1.0, seconds / max(self.foresee(ground, train, valid), 1e-9))
        there = len(train) - bank.missing(train)
        images = max(probe.points[-1][0], there, share * len(train))
        return carried_forward(probe.points, images, probe.judged)

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Fit it to as many images as there is time for."""
        bank, until = _borrowed(ground).for_heads, time.perf_counter() + seconds
        until -= EXACT * bank.image_s * ground.judged
        count = self._carried(bank, train, until - time.perf_counter())
        until -= self._head_s(count, seconds)
        bank.fill(valid, until, ground.observer.prepare)
        bank.fill(mixed(train, ground.images.labels, ground.seed), until, ground.observer.prepare)
        there = bank.known(train)
        if len(there) > count:
            there = np.sort(mixed(there, ground.images.labels, ground.seed)[:count])
        if len(there) < len(train):
            ground.observer.note(f"{self.name}: {as_time_allows(len(there), len(train))}")
        return self.head(ground, there, bank.known(valid))

    def probabilities(self, ground: Ground, model: Classifier, positions: np.ndarray) -> np.ndarray:
        """Return what the model says, from the features that are there."""
        module = model.module
        assert isinstance(module, FittedModule)
        features = torch.from_numpy(_borrowed(ground).for_heads.of(ground.images.subset(positions)))
        with torch.inference_mode():
            return torch.cat(
                [module.classify(module.selection(rows)).softmax(1) for rows in features.split(1024)]
            ).numpy()

    def refit_s(self, fit_s: float) -> float:
        """Return less than before: the features are there."""
        return REFIT_SHARE * fit_s

    def head(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> Classifier:
        """Return a head fitted to the features of the images at `train`."""
        splits = parts_of(ground.images, train, valid)
        if len(np.unique(splits.train.labels)) < 2:
            raise DataError(f"{self.name}: a head must have training images of two classes; there is one")
        model = fit_baseline(
            head_for(len(train), len(ground.images.classes)), splits.train, splits.valid, seed=ground.seed,
            observer=ground.observer, features=_borrowed(ground).features, balanced=ground.balance != "none",
        )  # fmt: skip
        return replace(model, views=_borrowed(ground).for_heads.views)

    def _carried(self, bank: FeatureBank, train: np.ndarray, seconds: float) -> int:
        """Return of how many images there is time for features and a head."""
        there, count = len(train) - bank.missing(train), len(train)
        while count > FEWEST_TRIED and max(0, count - there) * bank.image_s + self._head_s(count, 0.0) > seconds:
            count -= max(1, count // 16)
        return count

    def _head_s(self, count: int, features_s: float) -> float:
        """Return the seconds of a head on so many images: of support vectors with their square."""
        svm_s = SVM_S * count**2 if count <= SVM_IMAGES else 0.0
        return max(svm_s, (HEAD_SHARE - 1) * features_s)


@dataclass(frozen=True)
class TunedRung(_OnBorrowed):
    """A net with published weights and a new head, which learns on."""

    def fits(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> bool:
        """Whether there is time for as many epochs as do more good than harm."""
        return self._looks(ground, train, valid, seconds)[0] > FEWEST_EPOCHS

    def words(self, ground: Ground, images: int, seconds: float) -> str:
        """Return at how many pixels it would learn, by what features of an image take."""
        borrowed = _borrowed(ground)
        epochs = self._recipe(ground, images).epochs
        whole_s = LEARNING * borrowed.bank.image_s * epochs * images
        return f"fine-tuning at {_carried_side(ground, borrowed.side, SLACK * seconds / whole_s, epochs)} pixels"

    def foresee(self, ground: Ground, train: np.ndarray, valid: np.ndarray) -> float:
        """Return the seconds of the head's features and of as many epochs as are of use."""
        bank, epochs = _borrowed(ground).bank, self._recipe(ground, len(train)).epochs
        return bank.image_s * (bank.missing(train) + LEARNING * epochs * len(train))

    def carry(self, probe: Probe, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> float:
        """Return the error to expect in so many seconds, from the probe of a head on frozen features."""
        frozen = carried_forward(probe.points, max(probe.points[-1][0], len(train)), probe.judged)
        epochs, side = self._looks(ground, train, valid, seconds)
        blurred = BLURRED if side < min(GOOD_SIDE_PX, _borrowed(ground).side) else 1.01
        return blurred * tuned_error(frozen, len(train), epochs * len(train))

    def _looks(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> tuple[float, int]:
        """Return how many epochs there is time for, and at how many pixels, fewer if need be."""
        borrowed = _borrowed(ground)
        image_s, side = borrowed.bank.image_s, borrowed.side
        judging = EXACT * image_s * (len(valid) + ground.judged)
        head = min(FIRST_HEAD_SHARE * seconds, image_s * borrowed.bank.missing(train))
        epochs = ((seconds - head - judging) / (LEARNING * image_s) - MEASURED_ON) / len(train)
        wanted = self._recipe(ground, len(train)).epochs
        for fewer in (GOOD_SIDE_PX, TUNED_SIDE_PX):
            if epochs < (wanted if side == borrowed.side else FEWER_EPOCHS) and fewer < side and not ground.sized:
                epochs, side = epochs * (side / fewer) ** 2, fewer
        return min(wanted, epochs), side

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Fit the head, then train up to the end of the time, at most the epochs of the recipe."""
        ends = time.perf_counter() + seconds
        borrowed, recipe = self._suited(ground, train, valid, seconds)
        net = self._net(borrowed, len(ground.images.classes))
        ground.observer.note(f"{self.name}: {borrowed.name} at {borrowed.side}×{borrowed.side} pixels")
        until = time.perf_counter() + FIRST_HEAD_SHARE * seconds
        borrowed.bank.fill(mixed(train, ground.images.labels, ground.seed), until, ground.observer.prepare)
        splits = parts_of(ground.at(borrowed.side, borrowed.start.preprocessing.channels), train, valid)
        left = ends - time.perf_counter()
        return train_rung(ground, self.name, net, recipe, splits, left, borrowed.start, borrowed.bank)

    def _suited(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> tuple[Borrowed, Recipe]:
        """Return the net at the pixels that the seconds carry, and the recipe with the share of it that stays.

        Where there are images to choose by, half of the time is left for learning from them too, if that is enough.
        """
        borrowed, recipe = _borrowed(ground), self._recipe(ground, len(train))
        if (decided := self._decided(ground)) is None:
            whole_s = recipe.epochs * self._epoch_s(borrowed, recipe, len(train), ground)
            half, whole = REFIT_LEAVES * seconds / whole_s, SLACK * seconds / whole_s
            enough = len(valid) and half * borrowed.side**2 >= GOOD_SIDE_PX**2
            side = _carried_side(ground, borrowed.side, half if enough else whole, recipe.epochs)
            epochs = SLACK * seconds * recipe.epochs / (whole_s * (side / borrowed.side) ** 2)
            decided = side, FROZEN_SHARE if epochs >= ENOUGH_EPOCHS else HURRIED_SHARE
        side, frozen = decided
        if side < borrowed.side:
            lent = next(one for one in ground.lent if one.name == borrowed.name)
            borrowed = borrow(lent, ground, side)
        return borrowed, recipe.replace(freeze=frozen)

    def _decided(self, ground: Ground) -> tuple[int, float] | None:
        """Return the side and share of the model that is fitted again, or of the run that is gone on with."""
        if ground.like is not None:
            return ground.like.preprocessing.size[0], (ground.like.provenance.recipe or {}).get("freeze", FROZEN_SHARE)
        folder = RunFolder(ground.folder / self.name) if ground.folder else None
        return (folder.description()["prepared"][0], FROZEN_SHARE) if folder and folder.exists else None

    def _epoch_s(self, borrowed: Borrowed, recipe: Recipe, count: int, ground: Ground) -> float:
        """Return the seconds of an epoch of so many images, by a measurement."""
        net = self._net(borrowed, len(ground.images.classes))
        return epoch_seconds(net, recipe, borrowed.start.preprocessing.input_shape, count, ground.device)

    def _recipe(self, ground: Ground, count: int) -> Recipe:
        recipe = load_recipe("fine").replace(**shared(ground))
        words = tuple(word for word in recipe.augment if ground.mirrors or not word.startswith("flip"))
        views = "mirror" if ground.mirrors else "none"
        batch = min(recipe.batch_size, max(4, count // 8))
        return recipe.replace(augment=words, views=views, batch_size=batch, freeze=FROZEN_SHARE)

    def _net(self, borrowed: Borrowed, classes: int) -> Net:
        net = borrowed.start.net
        assert isinstance(net, Net)
        return with_new_head(net, classes, borrowed.start.preprocessing.input_shape, load_recipe("fine").head)


def _carried_side(ground: Ground, side: int, share: float, epochs: int) -> int:
    """Return at how many pixels to learn in a share of the time that all epochs take at `side` pixels.

    At as many as all of them end at, or at `GOOD_SIDE_PX` as long as enough of them do.
    """
    if ground.sized:
        return side
    carried = min(side, max(TUNED_SIDE_PX, int(side * share**0.5) // STEP_PX * STEP_PX))
    at_good = share * epochs * (side / GOOD_SIDE_PX) ** 2
    return GOOD_SIDE_PX if carried < GOOD_SIDE_PX <= side and at_good >= FEWER_EPOCHS else carried


def head_for(images: int, classes: int) -> str:
    """Return which baseline stands on the features of so many images of so many classes."""
    if are_few(images, classes):
        return "lda" if images <= LDA_IMAGES else "logistic"
    return "svm" if images <= SVM_IMAGES and classes <= SVM_CLASSES else "logistic"


def are_few(images: int, classes: int) -> bool:
    """Whether so many images are few for so many classes: then every look at them counts, and takes no time."""
    return images < SVM_FROM * classes


def _in_turns(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return three of the first, one of the second, three of the first and so on, then what is left over."""
    place = np.concatenate([np.arange(len(first)), 3 * np.arange(len(second)) + 2.5])
    return np.concatenate([first, second])[np.argsort(place, kind="stable")]


def _borrowed(ground: Ground) -> Borrowed:
    assert ground.borrowed is not None
    return ground.borrowed


FROZEN, TUNED = FrozenRung("pretrained"), TunedRung("fine-tuned")


def borrow_best(ground: Ground, train: np.ndarray, valid: np.ndarray, share: float) -> tuple[Borrowed, Probe]:
    """Return the lent net that promises most in the time that is left, and the probe of its features.

    Arguments:
        share: of that time, for the probe of each.
    """
    left, best, most = ground.clock.left_s, None, None
    small = ground.detail_px <= SMALL_PX
    lent = ground.lent if left >= COMPARED_FROM_S and not small else ground.lent[:1]
    if are_few(len(train), len(ground.images.classes)) and not small:
        lent = most_accurate(ground, lent)
    for one in lent:
        borrowed = borrow(one, ground, side_for(one, ground, left))
        own = replace(ground, borrowed=borrowed)
        probe = FROZEN.try_out(own, train, valid, share * left, most)
        # Others look at the same images, or at fewer: with more of them the trial of a worse net would look better.
        most = most or int(probe.points[-1][0]) + probe.judged
        fitting = [rung for rung in (FROZEN, TUNED) if rung.fits(own, train, valid, left)]
        error = min(rung.carry(probe, own, train, valid, left) for rung in fitting)
        if len(lent) > 1:
            ground.observer.note(f"{probe.came_to}; {percent(1 - error, 1)} expected")
        if best is None or error < CLEARLY * best[0]:
            best = error, borrowed, probe
    assert best is not None
    return best[1:]
