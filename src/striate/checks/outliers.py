"""Which values lie far from the others of a set, told by what does not move when some of them do."""

from __future__ import annotations

import numpy as np

# So many robust standard deviations away, a value is none of the set's own; a normal one in 15,000 lies beyond.
FAR = 4.0
# Of a normal distribution, the quartiles lie so many standard deviations from the median.
_QUARTILE = 0.6745


def far_below(values: np.ndarray, far: float = FAR, least_spread: float = 0.05) -> np.ndarray:
    """Return bool (n,): which values lie more than `far` robust standard deviations below the median.

    The spread is that of the lower half alone, from median to quartile: a long upper tail hides nothing, and up to a
    quarter of the values may be odd without widening it.

    Arguments:
        values: float (n,); those that are not finite are not looked at.
        least_spread: what the standard deviation is taken to be at least, so that equal values make no outliers of
            what differs by a hair.

    >>> far_below(np.array([10.0, 11, 12, 10, 11, 2])).tolist()
    [False, False, False, False, False, True]
    """
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.zeros(len(values), bool)
    low, middle = np.quantile(values[known], (0.25, 0.5))
    spread = max(least_spread, (middle - low) / _QUARTILE)
    return known & (np.where(known, values, middle) < middle - far * spread)


def far_above(values: np.ndarray, far: float = FAR, least_spread: float = 0.05) -> np.ndarray:
    """Return bool (n,): which values lie far above the median; see `far_below`."""
    return far_below(-values, far, least_spread)
