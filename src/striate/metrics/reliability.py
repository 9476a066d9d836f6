"""Whether a classifier is as often right as it says: the reliability diagram, the expected calibration error.

The plain error, bins of equal width and a sum of absolute gaps, is above 0 even where every probability is true, the
more so the fewer images there are, and much of it hangs on where the bins end (Nixon and others 2019, "Measuring
calibration in deep learning"). Here bins hold equally many images, and the error is the one at which gaps as large as
those that were seen are to be expected: what chance alone makes of a calibrated classifier counts as none (in the
spirit of Kumar, Liang and Ma 2019, "Verified uncertainty calibration", whose correction takes off half of the bias).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.metrics.groups import grouped_interval, sample_size, widening
from striate.units import percent

# As many bins as are usual, and of at least so many images.
BINS, BIN_IMAGES = 15, 20
# Random gaps against which those seen are held; the same every time.
DRAWS = 1_000
# Where an error of more cannot be ruled out, nobody can be told to take probabilities at their word.
SMALL = 0.05
# A bin's own scatter is drawn towards that of a calibrated classifier by the weight of so many images.
PRESUMED_IMAGES = 2.0


@dataclass(frozen=True)
class ReliabilityBin:
    """Images of which the classifier was about equally sure.

    Arguments:
        low, high: between which its probabilities are.
        images: how many.
        confidence, accuracy: the mean of its probabilities, and the share that was right.
        interval: 95 % of the accuracy, counting groups.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Reliability:
    """Whether a classifier is as often right as it says.

    Arguments:
        bins: of equally many images, from unsure to sure.
        ece: the expected calibration error, without what chance makes of a calibrated classifier.
        interval: 95 % of it.
        equal_width: the plain error of 15 bins of equal width, which most papers print.
        confidence, accuracy: the means over all images.
    """

    bins: tuple[ReliabilityBin, ...]
    ece: float
    interval: tuple[float, float]
    equal_width: float
    confidence: float
    accuracy: float

    @property
    def sentence(self) -> str:
        """What a user should know of it."""
        low, high = self.interval
        told = f"calibration error {100 * self.ece:.1f} points (95 % interval {100 * low:.1f} to {100 * high:.1f})"
        if low == 0 and high <= SMALL:
            return f"{told}: its probabilities can be taken at their word, as far as these images tell"
        if low == 0:
            return f"{told}: it may be none, or as much as that; more images would tell"
        gap = self.confidence - self.accuracy
        if abs(gap) < self.ece / 2:
            return f"{told}: too sure of some images, not sure enough of others"
        side = "too sure" if gap > 0 else "not sure enough"
        return f"{told}: {side}, {percent(self.confidence, 1)} said, {percent(self.accuracy, 1)} right"

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        bins = [{**vars(one), "interval": list(one.interval)} for one in self.bins]
        return {
            "ece": self.ece,
            "interval": list(self.interval),
            "ece_equal_width": self.equal_width,
            "confidence": self.confidence,
            "bins": bins,
        }


def measure_reliability(confidence: np.ndarray, right: np.ndarray, groups: np.ndarray | None = None) -> Reliability:
    """Return how probabilities of predicted classes stand to how often these were right.

    Arguments:
        confidence: float (n,), the probabilities, in [0, 1].
        right: bool (n,).
        groups: int (n,), equal for images of one group; None: each stands alone.

    The interval holds every error e for which gaps that sum to e, in proportion to those seen, come out as large as
    these within 95 % of the chance that the images' scatter leaves.

    Raises:
        ShapeError: the arrays differ in length, or hold no image.

    >>> sure = np.repeat([0.6, 0.9], 500)
    >>> measure_reliability(sure, np.arange(1000) % 10 < np.repeat([6, 9], 500)).interval[0]
    0.0
    >>> round(measure_reliability(sure, np.arange(1000) % 10 < np.repeat([4, 9], 500)).ece, 1)
    0.1
    """
    if confidence.shape != right.shape or confidence.ndim != 1 or not len(right):
        raise ShapeError(
            f"each of n > 0 images must have a probability and a verdict; got {confidence.shape} and {right.shape}"
        )
    sure = confidence.astype(np.float64)
    edges, place = _equal_mass(sure)
    parts = [np.flatnonzero(place == i) for i in range(len(edges) - 1)]
    bins = tuple(_bin(sure[part], right[part], None if groups is None else groups[part]) for part in parts)
    weights = np.array([len(part) for part in parts]) / len(right)
    gaps = np.array([one.accuracy - one.confidence for one in bins])
    noise = _noise(sure, right, place, groups)
    ece, (low, high) = _inverted(weights, gaps, noise)
    if right.all():  # then no scatter is seen, and there may be as much as so few images can hide
        high = max(high, float(sure.mean()) - grouped_interval(right, groups)[0])
    return Reliability(bins, ece, (low, high), equal_width_error(sure, right), float(sure.mean()), float(right.mean()))


def equal_width_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Return the plain expected calibration error over bins of equal width.

    Source: Naeini, Cooper and Hauskrecht 2015; Guo and others 2017, "On calibration of modern neural networks".

    >>> equal_width_error(np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, True, True, False]))
    0.05
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(place, right - confidence.astype(np.float64), bins)
    return round(float(np.abs(gaps).sum() / max(1, len(right))), 12)


def _equal_mass(confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of bins of about equally many images and the bin of each; equal values share a bin."""
    count = int(np.clip(len(confidence) // BIN_IMAGES, 1, BINS))
    inner = np.quantile(confidence, np.arange(1, count) / count, method="higher")
    starts = np.unique(inner[inner > confidence.min()])
    place = np.searchsorted(starts, confidence, side="right")
    return np.concatenate([[confidence.min()], starts, [confidence.max()]]), place


def _bin(confidence: np.ndarray, right: np.ndarray, groups: np.ndarray | None) -> ReliabilityBin:
    accuracy = float(right.mean())
    interval = sample_size(right, groups).interval(accuracy)
    return ReliabilityBin(
        float(confidence.min()), float(confidence.max()), len(right), float(confidence.mean()), accuracy, interval
    )


def _noise(confidence: np.ndarray, right: np.ndarray, place: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return random gaps (draws, bins) as images of true gap 0 would show them, groups as a whole."""
    n = len(right)
    ids = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(place)
    off = right - confidence
    off -= (np.bincount(place, off) / sizes)[place]
    own, called = np.bincount(place, off**2), np.bincount(place, confidence * (1 - confidence))
    # Where all are right there is no scatter to be seen, and some to be expected.
    expected = (own * sizes + called * PRESUMED_IMAGES) / (sizes + PRESUMED_IMAGES)
    m = int(ids.max()) + 1
    rng = np.random.default_rng(0)
    if m == n:
        covariance = np.diag(expected / sizes**2)
    else:
        from scipy.sparse import coo_array

        sums = coo_array((off, (ids, place)), shape=(m, len(sizes))).tocsr()
        stretch = np.sqrt(expected / np.maximum(own, 1e-300)) / sizes
        covariance = (sums.T @ sums).toarray() * np.outer(stretch, stretch) * m / max(1, m - 1)
        covariance = np.where(np.outer(own, own) > 0, covariance, 0) + np.diag(
            np.where(own > 0, 0, expected / sizes**2)
        )
    draws = rng.multivariate_normal(np.zeros(len(sizes)), covariance, DRAWS, method="eigh")
    return draws * (widening(m) if m < n else 1.0)


def _inverted(weights: np.ndarray, gaps: np.ndarray, noise: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return the error and its interval: those of which what was seen is the median, or within 95 %."""
    seen, chance = float(weights @ np.abs(gaps)), float(np.quantile(np.abs(noise) @ weights, 0.975))
    if seen == 0:
        return 0.0, (0.0, chance)

    def quantile(scale: float, share: float) -> float:
        return float(np.quantile(np.abs(scale * gaps + noise) @ weights, share))

    def crossing(share: float) -> float:
        """Return the scale of the gaps at which what was seen is this quantile; 0 where it is lower at once."""
        low, high = 0.0, 2.0
        if quantile(low, share) >= seen:
            return 0.0
        while quantile(high, share) < seen:
            high *= 2
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if quantile(middle, share) < seen else (low, middle)
        return low

    ece, low, high = (seen * crossing(share) for share in (0.5, 0.975, 0.025))
    return ece, (low, max(high, chance))  # gaps that happen to be smaller than chance makes them show no less
