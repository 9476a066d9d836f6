"""Is one classifier better than another beyond chance, judged on the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.errors import ShapeError

RESAMPLES = 2_000
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same images.

    Arguments:
        difference: accuracy of the first less that of the second.
        interval: (low, high), 95 % of the paired bootstrap's differences.
        p_value: McNemar's exact test: how often chance alone would part them so far.
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


def compare_paired(first: np.ndarray, second: np.ndarray, seed: int = 0) -> Comparison:
    """Compare two classifiers by which images each gets right.

    Arguments:
        first, second: bool (n,), right or wrong on the same n images.
        seed: of the bootstrap.

    Source: McNemar 1947, in its exact form: of the images on which the two differ, a binomial half; Efron 1979.

    >>> a, b = np.array([True] * 90 + [False] * 10), np.array([True] * 70 + [False] * 30)
    >>> one = compare_paired(a, b)
    >>> round(one.difference, 2), one.beyond_noise
    (0.2, True)
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ShapeError(f"both must judge the same images, (n,) with n > 0; got {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    n = len(first)
    # Resampling n images draws how many of them are won, lost or equal: a multinomial.
    shares = [only_first / n, only_second / n, max(0.0, 1 - (only_first + only_second) / n)]
    draws = np.random.default_rng(seed).multinomial(n, shares, RESAMPLES)
    low, high = np.quantile((draws[:, 0] - draws[:, 1]) / n, [0.025, 0.975])
    p = mcnemar(only_first, only_second)
    return Comparison((only_first - only_second) / n, (float(low), float(high)), p, only_first, only_second)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    >>> mcnemar(0, 0), round(mcnemar(8, 1), 4)
    (1.0, 0.0391)
    """
    from scipy.stats import binomtest

    differing = only_first + only_second
    return float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
