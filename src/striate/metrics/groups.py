"""How many independent images some judged images amount to, where they come in groups.

400 frames of 20 objects are nearer to 20 images than to 400: frames of one object are right or wrong together. How far
they are is the design effect of survey sampling; an interval is that of as many independent images as are left.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from striate.errors import ShapeError
from striate.metrics.intervals import Z_95, wilson_interval

# Groups of mistakes that weigh as much as the presumption that a group is right or wrong as a whole.
PRESUMED = 2.0


class SampleSize(NamedTuple):
    """How many images were judged, of how many groups, and how many independent ones they are worth."""

    images: int
    groups: int
    effective: float

    def interval(self, share: float) -> tuple[float, float]:
        """Return the 95 % interval of a share of these images that was right; see `grouped_interval`."""
        if self.groups >= self.images:
            return wilson_interval(round(share * self.images), self.images)
        return wilson_interval(share * self.effective, self.effective, self.quantile)

    @property
    def counted(self) -> str:
        """What an interval counts, as " (400 images of 20 groups)"; empty where each image stands alone."""
        grouped = self.groups < self.images
        return f" ({self.images:,} images of {self.groups:,} group{'s' * (self.groups > 1)})" if grouped else ""

    @property
    def quantile(self) -> float:
        """The 97.5 % quantile of Student's t for so many groups; the normal one where each image stands alone."""
        return Z_95 if self.groups >= self.images else t_quantile(self.groups)


def design_effect(right: np.ndarray, groups: np.ndarray) -> float:
    """Return how many judged images are worth one independent image, at least 1.

    The variance of the share (a ratio of sums over groups) against that of independent images. Where only a few groups
    hold a mistake, that is a guess from little: it is drawn towards the case in which groups stand or fall whole.

    Arguments:
        right: bool (n,), whether each image was told right.
        groups: int (n,), equal for images of one group.

    Source: Kish 1965, Survey Sampling; the ratio estimator over clusters, Cochran 1977, chapter 9. The pull towards
    whole groups is ours; `tests/metrics/test_groups.py` checks the coverage of the intervals.

    >>> design_effect(np.array([True, False] * 50), np.arange(100))
    1.0
    >>> round(design_effect(np.repeat([True, False], 50), np.repeat(np.arange(20), 5)), 1)
    5.2
    """
    if right.shape != groups.shape or right.ndim != 1:
        raise ShapeError(f"each of n images must have a verdict and a group; got {right.shape} and {groups.shape}")
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    n, m = len(right), len(sizes)
    if m == n:
        return 1.0
    whole = float((sizes**2).sum() / n)  # every group right or wrong as one
    hits = np.bincount(inverse, weights=right)
    share = hits.sum() / n
    # The rarer verdict carries what is known of how groups hang together.
    informative = int(((hits < sizes) if share >= 0.5 else (hits > 0)).sum())
    if m < 2 or not informative:
        return max(1.0, whole)
    spread = m / (m - 1) * ((hits - share * sizes) ** 2).sum() / n**2
    measured = spread / (share * (1 - share) / n)
    return max(1.0, float(informative * measured + PRESUMED * whole) / (informative + PRESUMED))


def sample_size(right: np.ndarray, groups: np.ndarray | None) -> SampleSize:
    """Return how much judged images (n,) of these groups are worth; without groups each counts."""
    n = len(right)
    if groups is None or not n:
        return SampleSize(n, n, float(n))
    return SampleSize(n, len(np.unique(groups)), n / design_effect(right, groups))


def grouped_interval(right: np.ndarray, groups: np.ndarray | None) -> tuple[float, float]:
    """Return the 95 % interval of the share that is right, counting groups.

    Wilson's interval of the effective number of images, its quantile that of Student's t with one degree of freedom
    less than there are groups (Korn and Graubard 1998, for Wilson's in place of the exact one). Without groups, or
    where each has one image, it is Wilson's interval itself.

    Arguments:
        right: bool (n,), whether each image was told right.
        groups: int (n,), equal for images of one group; None: each stands alone.

    >>> right = np.arange(400) >= 40
    >>> tuple(round(x, 2) for x in grouped_interval(right, None))
    (0.87, 0.93)
    >>> tuple(round(x, 2) for x in grouped_interval(right, np.arange(400) // 20))
    (0.68, 0.97)
    """
    return sample_size(right, groups).interval(float(right.mean()) if len(right) else 0.0)


def sign_flip(sums: np.ndarray, seed: int = 0, draws: int = 10_000) -> float:
    """Return the two-sided p-value of sums of differences by group: how often random signs part the two so far.

    Arguments:
        sums: float (m,), by group the images that only the first got right less those that only the second did.
        seed, draws: of the random signs, where there are too many to go through them all.

    Source: the randomisation test of Fisher 1935; with groups of one image it is McNemar's exact test.

    >>> sign_flip(np.array([1, 1, 1, 1, 1, 1, 1, 1, -1.0])), sign_flip(np.zeros(4))
    (0.0390625, 1.0)
    """
    sums = sums[sums != 0]
    total, m = abs(sums.sum()), len(sums)
    if not m or not total:
        return 1.0
    if m > 500:  # the sum is normal to all that matters
        return math.erfc(total / math.sqrt(2 * (sums**2).sum()))
    if m <= 12:
        signs = 1 - 2 * ((np.arange(2**m)[:, None] >> np.arange(m)) & 1)
        return float((np.abs(signs @ sums) >= total - 1e-9).mean())
    signs = np.random.default_rng(seed).integers(0, 2, (draws, m), np.int8) * 2 - 1
    return float((1 + (np.abs(signs @ sums) >= total - 1e-9).sum()) / (1 + draws))


def widening(groups: int) -> float:
    """Return by how much a bootstrap over so many groups must be stretched to be as wide as Student's t.

    >>> round(widening(10), 2), round(widening(1000), 3)
    (1.22, 1.002)
    """
    m = max(2, groups)
    return t_quantile(m) / Z_95 * math.sqrt(m / (m - 1))


@cache
def t_quantile(groups: int) -> float:
    """Return the 97.5 % quantile of Student's t with one degree of freedom less than there are groups.

    >>> round(t_quantile(10), 2), round(t_quantile(1000), 2)
    (2.26, 1.96)
    """
    from scipy.special import stdtrit  # the quantile of scipy.stats.t, at a tenth of its import

    return float(stdtrit(max(1, groups - 1), 0.975))
