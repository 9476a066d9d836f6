"""The directions in which values differ most: a truncated singular value decomposition by random projection."""

from __future__ import annotations

import numpy as np

# More directions are looked for than wanted, and the last of them left off: these are found least well.
BESIDE = 10


def principal_directions(values: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` directions, orthonormal (d, count), in which centred values, float32 (n, d), differ most.

    The same on each call. It is scikit-learn's `randomized_svd`, to the bit, of which this is all that is needed: to
    import that takes more than half a second.

    Source: Halko, Martinsson and Tropp 2011, "Finding Structure with Randomness", with LU factors between the rounds.
    """
    from scipy.linalg import lu, qr, svd

    tall = values if len(values) >= values.shape[1] else values.T
    rounds = 7 if count < 0.1 * min(values.shape) else 4
    found = np.random.RandomState(0).normal(size=(tall.shape[1], count + BESIDE)).astype(np.float32)
    for _ in range(rounds):
        found = lu(tall @ found, permute_l=True, check_finite=False)[0]
        found = lu(tall.T @ found, permute_l=True, check_finite=False)[0]
    basis = np.asarray(qr(tall @ found, mode="economic", check_finite=False)[0])
    left, _, right = svd(basis.T @ tall, full_matrices=False)
    left = (basis @ left).T
    places, directions = (left, right) if tall is values else (right, left)
    # Of the two signs the one with which the value farthest out lies on the positive side.
    farthest = np.abs(places).argmax(1)
    signs = np.sign(places[np.arange(len(places)), farthest])
    return (directions * signs[:, None])[:count].T
