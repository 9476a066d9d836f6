"""How many more images would help: the accuracy of parts of the training images, and how it will go on.

Errors fall by a power law of the images to a floor, e(n) = c + a · n^−b, in many fields (Hestness and others 2017,
"Deep learning scaling is predictable, empirically"; Viering and Loog 2022, "The shape of learning curves: a review").
From five sizes nobody knows the three numbers. So all laws of a grid are held against the errors measured and weighed
by how well they agree, and the interval spans what they foresee: where the sizes leave several laws open, it is wide.
What is uncertain of the errors themselves is taken from the images that judge, which are the same for all sizes, and
from how much parts of one size differ. `python -m bench more_images` measures how often the interval holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.errors import ArgumentError
from striate.metrics.groups import widening
from striate.observer import Progress, silent

# judge(positions, int (m,)) → bool (t,): which of the images that judge are right after learning from these.
Judge = Callable[[np.ndarray], np.ndarray]
# Each size is half the one before; of the smaller ones so many parts are tried that share no image.
SIZES, PARTS = 5, 4
# A part holds at least so many images in all, and of each class on average.
FEWEST_IMAGES, FEWEST_OF_CLASS = 20, 3
FEWEST_SIZES = 3
TIMES = (2, 4)
RESAMPLES, DRAWS = 500, 8_000
# The laws that are held against the errors: exponents, and floors as shares of the least error.
EXPONENTS, FLOORS = np.linspace(0.05, 1.2, 24), np.linspace(0, 0.98, 25)
# How far off a law may be, as a share of the error, for each halving away from all images: curves are no exact laws.
OFF_LAW = 0.02


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """What was measured on parts of the training images.

    Arguments:
        images: how many images each size has, from few to all.
        right: float (sizes, t), of each image that judges the share of parts after which it was right.
        parts: of each size the accuracies of its parts.
        groups: int (t,), equal for images that judge and belong together; None: each stands alone.
    """

    images: tuple[int, ...]
    right: np.ndarray
    parts: tuple[tuple[float, ...], ...]
    groups: np.ndarray | None = None

    @property
    def accuracy(self) -> tuple[float, ...]:
        """The mean accuracy of each size, in [0, 1]."""
        return tuple(float(row.mean()) for row in self.right)


@dataclass(frozen=True)
class Forecast:
    """What so many times the images are likely to bring.

    Arguments:
        times, images: how many times, and how many.
        gain: of accuracy, the middle of what may come.
        interval: 95 % of it, for the images that judge.
    """

    times: int
    images: int
    gain: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class MoreImages:
    """How accuracy rose with the images so far, and will go on.

    Arguments:
        how: what learned, for people.
        curve: (images, accuracy) of each size.
        forecasts: what more images would bring; none where nothing can be said.
        why: why nothing can be said; empty where something can.
    """

    how: str
    curve: tuple[tuple[int, float], ...]
    forecasts: tuple[Forecast, ...] = ()
    why: str = ""

    @property
    def sentence(self) -> str:
        """What a user should know of it."""
        if not self.forecasts:
            return f"nobody can say what more images would bring: {self.why}"
        told = []
        for one in self.forecasts:
            low, high = (100 * end for end in one.interval)
            times = {2: "twice", 4: "four times"}.get(one.times, f"{one.times} times")
            told.append(f"{times} the images: about {100 * one.gain:.1f} points ({low:.1f} to {high:.1f})")
        return f"{'; '.join(told)}, by {self.how}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "how": self.how,
            "curve": [list(point) for point in self.curve],
            "forecast": [{**vars(one), "interval": list(one.interval)} for one in self.forecasts],
            "why": self.why,
            "sentence": self.sentence,
        }


def measure_curve(
    judge: Judge,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    judged_groups: np.ndarray | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> LearningCurve:
    """Return how accuracy rises with the training images: all of them, halves, quarters, down to sixteenths.

    Parts hold the classes in the shares in which all images do, and whole groups; a part of a half is one of the whole.

    Arguments:
        judge: learns from the images at some positions and says which of the images that judge are right then.
        labels: int64 (n,), the classes of the training images.
        groups: int (n,), equal for training images that belong together; None: each stands alone.
        judged_groups: the same of the images that judge.
        seed: of the parts.

    Raises:
        ArgumentError: there are no training images.
    """
    if not len(labels):
        raise ArgumentError("a learning curve needs training images; got none")
    order = _spread(labels, groups, seed)
    least = max(FEWEST_IMAGES, FEWEST_OF_CLASS * len(np.unique(labels)))
    sizes = max(1, min(SIZES, int(np.log2(max(1, len(labels) / least))) + 1))
    images, right, parts = [], [], []
    total, done = sum(min(PARTS, 2**level) for level in range(sizes)), 0
    for level in reversed(range(sizes)):
        cut = [part for part in _cut(order, groups, 2**level) if len(part)][:PARTS]
        verdicts = []
        for part in cut:
            verdicts.append(judge(np.sort(part)))
            done += 1
            progress("learning from parts", done, total)
        images.append(round(len(labels) / 2**level))
        right.append(np.mean(verdicts, 0))
        parts.append(tuple(float(one.mean()) for one in verdicts))
    return LearningCurve(tuple(images), np.stack(right), tuple(parts), judged_groups)


def foresee(curve: LearningCurve, how: str) -> MoreImages:
    """Return what twice and four times the images are likely to bring.

    Arguments:
        how: what learned, for people.
    """
    points = tuple(zip(curve.images, curve.accuracy, strict=True))
    if len(points) < FEWEST_SIZES:
        return MoreImages(how, points, why=f"{curve.images[-1]:,} training images are too few to be halved twice")
    errors = 1 - np.array(curve.accuracy)
    if errors[-1] * curve.right.shape[1] < 1:
        return MoreImages(how, points, why="every image that judges is right already")
    covariance, redrawn = _uncertainty(curve)
    gains = _gains(np.array(curve.images) / curve.images[-1], errors, covariance)
    forecasts, drawn = [], np.random.default_rng(1).standard_normal(DRAWS)
    for times, gain in zip(TIMES, gains, strict=True):
        # What is learned now stays learned: of the luck of this drawing so much is left when there are more images.
        noise = drawn * np.sqrt(redrawn * (1 - 1 / times))
        low, high = np.quantile(np.minimum(gain + noise, errors[-1]), [0.025, 0.975])
        told = (float(low), float(high))
        forecasts.append(Forecast(times, times * curve.images[-1], float(np.median(gain)), told))
    return MoreImages(how, points, tuple(forecasts))


def _spread(labels: np.ndarray, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """Return positions in an order of which every stretch holds the classes in their shares, groups unbroken."""
    rng = np.random.default_rng(seed)
    ids = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    first = np.unique(ids, return_index=True)[1]
    classes = np.unique(labels[first], return_inverse=True)[1]
    shuffled = rng.permutation(len(first))
    by_class = shuffled[np.argsort(classes[shuffled], kind="stable")]
    counts = np.bincount(classes)
    place = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    keys = np.empty(len(first))
    keys[by_class] = (place + rng.random(len(first))) / np.repeat(counts, counts)
    return np.lexsort((ids, keys[ids]))


def _cut(order: np.ndarray, groups: np.ndarray | None, count: int) -> list[np.ndarray]:
    """Return the order in so many stretches of about one length, no group in two."""
    wanted = np.arange(1, count) * len(order) // count
    if groups is not None:
        starts = np.flatnonzero(np.concatenate([[True], np.diff(groups[order]) != 0]))
        wanted = starts[np.minimum(np.searchsorted(starts, wanted), len(starts) - 1)]
    return np.split(order, wanted)


def _uncertainty(curve: LearningCurve) -> tuple[np.ndarray, float]:
    """Return the covariance (sizes, sizes) of the errors, and the variance of one more drawing of all images."""
    ids = np.unique(curve.groups, return_inverse=True)[1] if curve.groups is not None else None
    t = curve.right.shape[1]
    sums = curve.right if ids is None else np.stack([np.bincount(ids, row) for row in curve.right])
    sizes = np.ones(t) if ids is None else np.bincount(ids)
    off = sums - np.outer(curve.right.mean(1), sizes)
    m = len(sizes)
    judged = off @ off.T / t**2 * m / max(1, m - 1) * (widening(m) ** 2 if m < t else 1.0)
    counts = np.array([len(parts) for parts in curve.parts])
    freedom, errors = counts - 1, 1 - curve.right.mean(1)
    # The fewer errors, the fewer images depend on which of the training images were drawn.
    shares = (errors + 1 / t) / (errors[-1] + 1 / t)
    spread = np.array([np.var(parts, ddof=1) if len(parts) > 1 else 0.0 for parts in curve.parts])
    # Images that are right after some parts and wrong after others tell the same, surer but for what they share.
    swaying = (curve.right * (1 - curve.right)).mean(1) * counts / np.maximum(freedom, 1) * (sizes**2).sum() / t**2
    redrawn = max(float((freedom * one / shares).sum() / max(1, freedom.sum())) for one in (spread, swaying))
    halvings = np.log2(curve.images[-1] / np.array(curve.images))
    own = redrawn * shares / counts + (OFF_LAW * errors * halvings) ** 2 + 1e-3 / t**1.5
    return judged + np.diag(own), redrawn


def _gains(shares: np.ndarray, errors: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return draws (times, DRAWS) of how far the error falls with more images, by all laws as they agree with it.

    Arguments:
        shares: float (sizes,), of all images.
    """
    inverse = np.linalg.inv(covariance)
    b, c = (grid.ravel() for grid in np.meshgrid(EXPONENTS, FLOORS * errors[-1]))
    falls = shares[None] ** -b[:, None]  # (laws, sizes)
    above = errors[None] - c[:, None]
    information = np.einsum("ls,st,lt->l", falls, inverse, falls)
    height = np.einsum("ls,st,lt->l", falls, inverse, above) / information
    rest = above - height[:, None] * falls
    weight = -np.einsum("ls,st,lt->l", rest, inverse, rest) / 2 - np.log(information) / 2
    weight = np.exp(weight - weight.max()) * (height > 0)
    rng = np.random.default_rng(0)
    law = rng.choice(len(b), DRAWS, p=weight / weight.sum())
    heights = np.maximum(height[law] + rng.standard_normal(DRAWS) / np.sqrt(information[law]), 0)
    return np.stack([heights * (1 - times ** -b[law]) for times in TIMES])
