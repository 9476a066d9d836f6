"""Intervals of shares, and of differences of shares."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054  # the normal distribution's 97.5 % quantile


def wilson_interval(correct: float, total: float, z: float = Z_95) -> tuple[float, float]:
    """Return Wilson's score interval for a share (Wilson 1927), by default at 95 %.

    Unlike ± 1.96 standard errors it stays within [0, 1] and is of use at 0 % and 100 %.
    Both counts may be fractions, as effective numbers are.

    >>> tuple(round(x, 4) for x in wilson_interval(7881, 10000))
    (0.78, 0.796)
    >>> tuple(round(x, 3) for x in wilson_interval(10, 10))
    (0.722, 1.0)
    """
    if total == 0:
        return 0.0, 1.0
    share, square = correct / total, z * z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def difference_interval(
    first: float, second: float, first_interval: tuple[float, float], second_interval: tuple[float, float]
) -> tuple[float, float]:
    """Return the 95 % interval of the difference first − second of two independent shares, from those of each.

    Source: Newcombe 1998, method 10, where the two are Wilson's intervals; here they may count groups.

    >>> both = wilson_interval(56, 70), wilson_interval(48, 80)
    >>> tuple(round(x, 4) for x in difference_interval(56 / 70, 48 / 80, *both))
    (0.0524, 0.3339)
    """
    (low_1, high_1), (low_2, high_2) = first_interval, second_interval
    share_1, share_2, difference = first, second, first - second
    low = difference - math.hypot(share_1 - low_1, high_2 - share_2)
    return low, difference + math.hypot(high_1 - share_1, share_2 - low_2)
