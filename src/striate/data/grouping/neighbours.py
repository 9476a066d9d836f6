"""How many unrelated images would lie as near as this: distances judged by how crowded a place is.

Handwritten ones crowd together, photographs do not; a distance means little by itself. Around each image the number of
others within a distance r grows like r to the power of a local dimension. Both are read off from the distances to a
sample of all images, far enough out that an image's own copies play no part, and carried inwards: λ(r), the number of
unrelated images expected within r. A pair with λ far below 1 is no coincidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from striate.data.preparing.parallel import in_order

# Neighbours in the sample from and to which the local dimension is measured, and how many images are sampled.
NEAREST, FARTHEST, SAMPLE = 8, 64, 2048
_ROWS, _COLUMNS = 512, 2048
# Of more images not all pairs are compared; of a cell's size, and how many cells a sketch is looked for in.
MOST_COMPARED, CELL, MOST_CELLS = 100_000, 4096, 8


@dataclass(frozen=True, eq=False)
class Surroundings:
    """How crowded it is around each of n images.

    Arguments:
        reach: float32 (n,), the distance within which `count` images are expected.
        dimension: float32 (n,), how fast that number grows with the distance.
        count: images within reach.
    """

    reach: np.ndarray
    dimension: np.ndarray
    count: float

    def expected(self, rows: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Return log10 λ: how many unrelated images lie within `distance` (m,) of the images `rows` (m,)."""
        shrunk = np.log10(np.maximum(distance, 1e-6) / self.reach[rows])
        return np.log10(self.count) + self.dimension[rows] * shrunk

    def radius(self, log_expected: float) -> np.ndarray:
        """Return the distance (n,) within which 10^log_expected unrelated images lie."""
        return self.reach * 10 ** ((log_expected - np.log10(self.count)) / self.dimension)


def survey(sketches: np.ndarray, known: np.ndarray | None = None) -> Surroundings:
    """Measure how crowded it is around each sketch (n, d), among themselves or among `known` (m, d).

    Source: the maximum-likelihood estimate of local dimension (Levina and Bickel 2004), without the nearest ranks.
    """
    known = sketches if known is None else known
    sample = known[np.random.default_rng(0).choice(len(known), min(SAMPLE, len(known)), replace=False)]
    last = max(2, min(FARTHEST, len(sample) // 4))
    first = max(1, last * NEAREST // FARTHEST)
    squares, near = (sample**2).sum(1), np.empty((len(sketches), last), np.float32)
    for start in range(0, len(sketches), _ROWS):
        some = sketches[start : start + _ROWS]
        squared = squares - 2 * (some @ sample.T) + (some**2).sum(1)[:, None]
        near[start : start + _ROWS] = np.partition(squared, last - 1, 1)[:, :last]
    near = np.sqrt(np.maximum(np.sort(near, 1), 1e-9))
    # A rank grows like the distance to the power of the dimension: logarithms of both, summed over the ranks.
    ranks = np.log(last / np.arange(first + 1, last + 1)).sum()
    dimension = ranks / np.maximum(np.log(near[:, -1:] / near[:, first:]).sum(1), 1e-3)
    return Surroundings(near[:, -1], np.minimum(dimension, 60.0), last * len(known) / len(sample))


def close_pairs(
    sketches: np.ndarray,
    others: np.ndarray,
    radius: np.ndarray,
    heard: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (i, j, distance) of all i < j whose sketch i and other j are within the radius of both.

    Of up to `MOST_COMPARED` images all pairs are looked at, by matrix products in blocks: exact, and seconds for 50,000
    images. Of more, each with those of the cells within its reach, see `cells`: then time grows as their number does.

    Arguments:
        sketches, others: float32 (n, d), the same images, the others perhaps in another view.
        radius: float32 (n,).
        heard: told how many rows are done.
    """
    n = len(sketches)
    lengths, far = (sketches**2).sum(1), (others**2).sum(1)
    # One product gives the squared distance less the squared radius of the row: what is negative is near.
    left = np.concatenate([-2 * sketches, np.ones((n, 1)), (lengths - radius**2)[:, None]], 1, dtype=np.float32)
    right = np.concatenate([others, far[:, None], np.ones((n, 1))], 1, dtype=np.float32).T
    if n <= MOST_COMPARED:
        parts = [(np.arange(start, min(start + _ROWS, n)), range(start, n)) for start in range(0, n, _ROWS)]
    else:
        parts = cells(sketches, others, radius)

    def search(part: tuple[np.ndarray, np.ndarray | range]) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = part
        found, ours = [], left[rows]
        for start in range(0, len(columns), _COLUMNS):
            some = columns[start : start + _COLUMNS]
            below = ours @ right[:, slice(some.start, some.stop) if isinstance(some, range) else some] < 0
            i, j = np.divmod(np.flatnonzero(below), below.shape[1])
            found.append((rows[i], np.asarray(some)[j]))
        i, j = (np.concatenate(side) for side in zip(*found, strict=True))
        return i[i < j], j[i < j]

    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    # A thread for each block of rows: a product's own threads wait for each other longer than they work.
    with threadpool_limits(1, "blas"):
        for done in in_order(search, parts, 1, heavy=True):
            pairs += done
            heard(n * len(pairs) // len(parts), n)
    i, j = (np.concatenate(side) for side in zip(*pairs, strict=True))
    distance = np.sqrt(((sketches[i] - others[j]) ** 2).sum(1))
    near = distance < np.minimum(radius[i], radius[j])
    return i[near], j[near], distance[near]


def cells(sketches: np.ndarray, others: np.ndarray, radius: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (rows, columns) whose pairs are to be looked at, so that next to none within the radius is passed over.

    Some sketches are centres, and each other belongs to the cell of its nearest. A sketch is looked for in the cells
    that its radius reaches across the plane midway between two centres, in `MOST_CELLS` of them at most, the nearest:
    copies lie much nearer than their radius, and more cells would only bring the last strangers in it.

    Source: an inverted file, as for searches among millions of vectors (Jégou et al. 2011).
    """
    n = len(others)
    chosen = np.random.default_rng(0).choice(n, -(-n // CELL), replace=False)
    centres = others[chosen]
    between = np.sqrt(np.maximum(_squared(centres, centres), 1e-9))
    home, wanted = np.empty(n, np.int64), np.empty((n, min(MOST_CELLS, len(centres))), np.int64)
    for start in range(0, n, _COLUMNS):
        some = slice(start, start + _COLUMNS)
        home[some] = _squared(others[some], centres).argmin(1)
        squared = _squared(sketches[some], centres)
        near = np.argpartition(squared, wanted.shape[1] - 1, 1)[:, : wanted.shape[1]]
        own = squared.argmin(1)[:, None]
        beyond = np.take_along_axis(squared, near, 1) - np.take_along_axis(squared, own, 1)
        reached = beyond <= 2 * between[own, near] * radius[some, None]
        wanted[some] = np.where(reached | (near == own), near, -1)
    columns = _by_cell(home, np.arange(n), len(centres))
    looking = np.repeat(np.arange(n), wanted.shape[1])
    rows = _by_cell(wanted.ravel(), looking, len(centres))
    return [
        (rows[cell][start : start + _ROWS], columns[cell])
        for cell in range(len(centres))
        for start in range(0, len(rows[cell]), _ROWS)
        if len(columns[cell])
    ]


def _squared(some: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the squared distances (m, k) of sketches (m, d) to centres (k, d)."""
    return (centres**2).sum(1) - 2 * (some @ centres.T) + (some**2).sum(1)[:, None]


def _by_cell(cell: np.ndarray, who: np.ndarray, count: int) -> list[np.ndarray]:
    """Return for each cell the entries of `who` (m,) that are in it by `cell` (m,), in order; -1 is in none."""
    order = np.argsort(cell, kind="stable")
    bounds = np.searchsorted(cell[order], np.arange(count + 1))
    return [who[order[low:high]] for low, high in pairwise(bounds)]
