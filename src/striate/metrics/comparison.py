"""Is one classifier better than another beyond chance, judged on the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.errors import ShapeError
from striate.metrics.groups import sign_flip, widening

RESAMPLES = 2_000
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same images.

    Arguments:
        difference: accuracy of the first less that of the second.
        interval: (low, high), 95 % of the paired bootstrap's differences, over groups where there are any.
        p_value: McNemar's exact test, or its like by group: how often chance alone would part them so far.
        only_first, only_second: images that only the one or only the other gets right.
    """

    difference: float
    interval: tuple[float, float]
    p_value: float
    only_first: int
    only_second: int

    @property
    def beyond_noise(self) -> bool:
        """Whether the difference is significant at 5 %."""
        return self.p_value < SIGNIFICANT


def compare_paired(
    first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> Comparison:
    """Compare two classifiers by which images each gets right.

    Arguments:
        first, second: bool (n,), right or wrong on the same n images.
        groups: int (n,), equal for images that belong together and are drawn together; None: each stands alone.
        seed: of the bootstrap.

    Source: McNemar 1947, in its exact form: of the images on which the two differ, a binomial half; Efron 1979. With
    groups, signs are flipped by group (Fisher 1935), and groups are resampled (Davison and Hinkley 1997, 3.8), the
    interval as wide as Student's t makes it for so many.

    >>> a, b = np.array([True] * 90 + [False] * 10), np.array([True] * 70 + [False] * 30)
    >>> one = compare_paired(a, b)
    >>> round(one.difference, 2), one.beyond_noise
    (0.2, True)
    >>> compare_paired(a, b, groups=np.arange(100) // 25).beyond_noise  # four objects say little
    False
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ShapeError(f"both must judge the same images, (n,) with n > 0; got {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n = len(first)
    ids = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    gains, sizes = np.bincount(ids, weights=first.astype(np.int64) - second), np.bincount(ids)
    # Resampling groups draws how many there are of each kind, of so many images and so much gained: a multinomial.
    kinds, counts = np.unique(np.stack([sizes, -np.abs(gains), -gains], 1), axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(sizes), counts / len(sizes), RESAMPLES)
    low, high = np.quantile(draws @ -kinds[:, 2] / (draws @ kinds[:, 0]), [0.025, 0.975])
    difference, p = (only_first - only_second) / n, mcnemar(only_first, only_second)
    if len(sizes) < n:
        wide, p = widening(len(sizes)), sign_flip(gains, seed)
        low, high = difference - wide * (difference - low), difference + wide * (high - difference)
    return Comparison(difference, (float(low), float(high)), p, only_first, only_second)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    >>> mcnemar(0, 0), round(mcnemar(8, 1), 4)
    (1.0, 0.0391)
    """
    from scipy.stats import binomtest

    differing = only_first + only_second
    return float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
