"""Near copies of images of which only sketches were kept: what a model has been trained on."""

from __future__ import annotations

import numpy as np

from striate.data.grouping.content import FEWEST
from striate.data.grouping.neighbours import survey

_STEP = 0.125
# Without pixels to compare, both views must be this unlikely by chance (log10), and together this much.
EACH, TOGETHER = -0.3, -6.0
_ROWS = 256
# A model keeps the sketches of at most so many images, some 4 MB.
MOST_KEPT = 50_000


def pack(views: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return int8 (n, sum of d), the sketches of all views (n, d) as they are kept: some 90 bytes an image."""
    return np.clip(np.rint(np.concatenate(views, 1) / _STEP), -127, 127).astype(np.int8)


def near_known(sketches: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Return bool (n,), which images are near copies of known ones, as far as sketches tell; None of too few known.

    Sketches of gray pictures and of coloured ones are compared without colour.

    Arguments:
        sketches, known: int8 (n, d) and (m, d), from `pack`.
    """
    if len(known) < FEWEST:
        return None
    width = min(sketches.shape[1], known.shape[1])
    sketches, known = (_as_wide(each, width) for each in (sketches, known))
    half = known.shape[1] // 2
    near = np.zeros(len(sketches), bool)
    sides = [(sketches[:, part] * np.float32(_STEP), known[:, part] * np.float32(_STEP))
             for part in (slice(half), slice(half, None))]  # fmt: skip
    around = [survey(*side) for side in sides]
    limits = [one.radius(EACH) ** 2 for one in around]
    for start in range(0, len(sketches), _ROWS):
        rows = slice(start, start + _ROWS)
        squared = [_squared(mine[rows], theirs) for mine, theirs in sides]
        i, j = np.nonzero((squared[0] < limits[0][rows, None]) & (squared[1] < limits[1][rows, None]))
        chance = sum(one.expected(i + start, np.sqrt(np.maximum(two[i, j], 0)))
                     for one, two in zip(around, squared, strict=True))  # fmt: skip
        near[i[chance < TOGETHER] + start] = True
    return near


def _as_wide(packed: np.ndarray, width: int) -> np.ndarray:
    """Return packed sketches without their colours where `width`, of all views, has no room for these."""
    if packed.shape[1] == width:
        return packed
    view = packed.shape[1] // 2
    return np.concatenate([packed[:, start : start + width // 2] for start in (0, view)], 1)


def _squared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
