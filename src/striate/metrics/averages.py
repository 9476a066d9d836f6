"""Averages over images: their intervals, log loss, the Brier score, top-k accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.metrics.groups import sample_size, t_quantile
from striate.metrics.outcomes import Outcomes

# No probability counts as smaller, or a single image could make the loss infinite; as scikit-learn has it for float32.
LEAST_PROBABILITY = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class TopK:
    """The share of images whose true class is among the `k` most probable ones, with its 95 % interval."""

    k: int
    share: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {"k": self.k, "share": self.share, "interval": list(self.interval)}


def suited_k(classes: int) -> int | None:
    """Return how many guesses say something of so many classes; None of two, where both are always right.

    >>> [suited_k(classes) for classes in (2, 3, 6, 10, 11, 1000)]
    [None, 2, 3, 3, 5, 5]
    """
    return None if classes < 3 else 2 if classes < 6 else 3 if classes <= 10 else 5


def top_k_of(outcomes: Outcomes, classes: int, groups: np.ndarray | None = None) -> TopK | None:
    """Return the top-k accuracy for as many guesses as suit so many classes; None where none do, or of no image."""
    k = suited_k(classes)
    if k is None or not len(outcomes):
        return None
    among = outcomes.rank < k
    share = float(among.mean())
    return TopK(k, share, sample_size(among, groups).interval(share))


def log_losses(outcomes: Outcomes) -> np.ndarray:
    """Return of each image −log of the probability of its true class, float64 (n,); the mean is the log loss."""
    return -np.log(np.clip(outcomes.true.astype(np.float64), LEAST_PROBABILITY, 1))


def brier_scores(outcomes: Outcomes) -> np.ndarray:
    """Return of each image the squared distance from its label, Σ (p − 1[true])², in [0, 2], float64 (n,).

    Source: Brier 1950, the sum over all classes; for two classes some halve it.
    """
    return 1 + outcomes.squares.astype(np.float64) - 2 * outcomes.true


def mean_interval(
    values: np.ndarray, groups: np.ndarray | None = None, most: float = math.inf
) -> tuple[float, float] | None:
    """Return the 95 % interval of the mean of values (n,) from 0 to `most`, Student's t over groups; None of one group.

    Arguments:
        groups: int (n,), equal for images that belong together; None: each stands alone.
        most: which no value exceeds; the interval ends where no mean can be.

    Source: the ratio estimator over clusters, Cochran 1977, chapter 9.

    >>> tuple(round(x, 2) for x in mean_interval(np.array([0.0, 1, 2, 3, 4])))
    (0.04, 3.96)
    """
    n = len(values)
    ids = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    m = int(ids.max()) + 1 if n else 0
    if m < 2:
        return None
    mean = float(values.mean())
    sums = np.bincount(ids, values - mean)
    error = math.sqrt(m / (m - 1) * float(sums @ sums)) / n
    half = t_quantile(m) * error
    return max(0.0, mean - half), min(most, mean + half)
