"""Intervals of the figures that give each class the same say: balanced accuracy, macro F1.

The variance is that of the delta method, with the number of images of each class as it is (Takahashi and others 2022,
"Confidence interval for micro-averaged F1 and macro-averaged F1 scores"). A class of few images that are all right has
none by that, though nobody knows how it will go on: each class is given two more images, as right as all are. Of the
variance comes the number of independent images that such a figure is worth, and of that Wilson's interval.
`tests/metrics/test_macro.py` checks the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.metrics.by_class import ClassCounts
from striate.metrics.groups import SampleSize
from striate.metrics.intervals import Z_95, wilson_interval

# So many images each class is given beside its own.
PRESUMED_IMAGES = 2.0


def balanced_accuracy_interval(
    counts: ClassCounts, cells: np.ndarray, sizes: Sequence[SampleSize] = ()
) -> tuple[float, float]:
    """Return the 95 % interval of the balanced accuracy.

    Arguments:
        counts: what is known of each of k classes.
        cells: int64 (m, 3), from `count_pairs`.
        sizes: what all images and those of each class (1 + k,) are worth; empty where each stands alone.

    >>> from striate.metrics.by_class import count_classes, count_pairs
    >>> cells = count_pairs(np.repeat([0, 1], [900, 100]), np.repeat([0, 1, 0], [900, 80, 20]), classes=2)
    >>> tuple(round(x, 2) for x in balanced_accuracy_interval(count_classes(cells, 2), cells))
    (0.85, 0.93)
    """
    right = 1 / np.maximum(counts.actual, 1)
    none = np.zeros(len(right))
    return _interval(
        counts, cells, sizes, counts.balanced_accuracy, (right, none, none), int((counts.actual > 0).sum())
    )


def macro_f1_interval(counts: ClassCounts, cells: np.ndarray, sizes: Sequence[SampleSize] = ()) -> tuple[float, float]:
    """Return the 95 % interval of macro F1; arguments as in `balanced_accuracy_interval`."""
    both = counts.actual + counts.called
    f1 = 2 * counts.hits / np.maximum(both, 1)
    # F = 2 hits / (actual + called): one more that is right, or wrong of this class, or taken for it, moves it so far.
    right, lost = (2 - 2 * f1) / np.maximum(both, 1), f1 / np.maximum(both, 1)
    return _interval(counts, cells, sizes, counts.macro_f1, (right, -lost, -lost), int((both > 0).sum()))


def _interval(
    counts: ClassCounts,
    cells: np.ndarray,
    sizes: Sequence[SampleSize],
    figure: float,
    moves: tuple[np.ndarray, np.ndarray, np.ndarray],
    classes: int,
) -> tuple[float, float]:
    """Return the interval of a mean over `classes` classes.

    Arguments:
        moves: (k,) each: what one image adds that is right, that is missed, and that is wrongly taken for the class.
    """
    total, occurs = int(counts.actual.sum()), counts.actual > 0
    if not total:
        return 0.0, 1.0
    right, missed, taken = moves
    actual = np.maximum(counts.actual, 1)
    presumed = PRESUMED_IMAGES / (actual + PRESUMED_IMAGES)
    usual = (counts.hits.sum() + 1) / (total + 2)
    elsewhere = missed + taken.mean()
    mean = presumed * (usual * right + (1 - usual) * elsewhere)
    square = presumed * (usual * right**2 + (1 - usual) * elsewhere**2)
    true, called, count = cells.T
    each = np.where(true == called, right[true], missed[true] + taken[called])
    share = (1 - presumed[true]) * count / actual[true]
    mean += np.bincount(true, share * each, len(actual))
    square += np.bincount(true, share * each**2, len(actual))
    worth = np.array([size.effective / max(1, size.images) for size in sizes[1:]]) if sizes else np.ones(len(actual))
    variance = ((square - mean**2) * counts.actual / np.maximum(worth, 1e-9))[occurs].sum() / classes**2
    shrunk = figure + presumed[occurs].mean() * (usual - figure)
    effective = float(shrunk * (1 - shrunk) / max(variance, 1e-12))
    return wilson_interval(figure * effective, effective, sizes[0].quantile if sizes else Z_95)
