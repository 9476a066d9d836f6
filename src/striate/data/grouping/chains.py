"""Ties that hold: chains of likenesses must not swallow a class."""

from __future__ import annotations

import numpy as np

# In groups of more images a tie needs this many images that are tied to both.
LARGE, SUPPORT = 12, 3


def supported(n: int, first: np.ndarray, second: np.ndarray, support: int = SUPPORT) -> tuple[np.ndarray, np.ndarray]:
    """Return which ties are kept, and which images are apart for want of the others.

    Cut are those that hold large groups together and that fewer than `support` other images support.
    """
    from scipy.sparse import coo_array

    group = tied_together(n, first, second)
    ties = coo_array((np.ones(2 * len(first), np.int32), (np.r_[first, second], np.r_[second, first])), (n, n)).tocsr()
    common = np.asarray((ties @ ties)[first, second]).ravel() if len(first) else np.zeros(0)
    kept = (np.bincount(group)[group[first]] <= LARGE) | (common >= support)
    after = tied_together(n, first[kept], second[kept])
    sizes, largest = np.bincount(after)[after], np.zeros(n, np.int64)
    np.maximum.at(largest, group, sizes)
    apart = sizes < largest[group]
    return np.flatnonzero(kept), np.flatnonzero(apart)


def tied_together(n: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return int (n,), equal for images that are tied to each other, perhaps by way of others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    return connected_components(coo_array((np.ones(len(first), bool), (first, second)), (n, n)), directed=False)[1]
