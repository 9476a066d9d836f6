"""Quantiles with a promise for the next value, where values come in groups."""

from __future__ import annotations

import math

import numpy as np


def fewest_for(share: float) -> int:
    """Return how many groups it takes to promise that so large a share of new values lies at or below a quantile.

    >>> fewest_for(0.95), fewest_for(0.9)
    (19, 9)
    """
    return math.ceil(share / (1 - share) - 1e-9)


def conformal_quantile(values: np.ndarray, share: float, groups: np.ndarray | None = None) -> float:
    """Return a value that a new one reaches or stays below with probability `share` at the least; ∞ of too few.

    Each group weighs 1 / (groups + 1), the rest lies at infinity: of n single values it is the ⌈share (n + 1)⌉-th.

    Arguments:
        values: float (n,).
        share: in (0, 1).
        groups: int (n,), equal for values that belong together; the promise is of a value of a new group. None: each
            stands alone.

    Source: Lee, Barber and Willett 2023, "Distribution-free inference with hierarchical data".

    >>> conformal_quantile(np.arange(1, 100.0), 0.95)
    95.0
    >>> conformal_quantile(np.arange(1, 11.0), 0.95)
    inf
    """
    groups = np.arange(len(values)) if groups is None else groups
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(values, kind="stable")
    weights = np.cumsum((1 / sizes[inverse])[order])
    place = int(np.searchsorted(weights, share * (len(sizes) + 1) - 1e-9))
    return float(values[order[place]]) if place < len(values) else math.inf
