"""Whether what seems a near copy has the colours of its original.

Models of one make, liveries of one aircraft, birds of one plate agree in every edge and differ in paint. Light, tints
and encoding change colours, too, but by how bright a place is: what of the colours brightness explains is left out, and
the rest must agree, the better the less else speaks for the pair.
"""

from __future__ import annotations

import numpy as np

from striate.data.grouping.alignment import laid_over, rims
from striate.data.grouping.turns import turned_images

# From this agreement on colours tell nothing; each tenth less takes so many tenths of decades more of evidence.
# By eye, on pairs of CIFAR-10.
ENOUGH, DECADES = 5 / 7, 7.0
# Colours that differ by less than this over an image (variance of the planes together, levels of 255) are none.
NONE = 5.0
# With less an image is in shades of one colour, and may be a copy of any that has its brightness.
ONE_COLOUR = 0.5


def of_one_colouring(
    first: np.ndarray, second: np.ndarray, turn: np.ndarray, warp: np.ndarray, margin: np.ndarray
) -> np.ndarray:
    """Return bool (m,), whether the colours of pairs agree as well as it takes; of gray images all do.

    Arguments:
        first, second: float32 (m, c, h, w), from `alignment.colour_planes`.
        turn: how the second must be turned to lie as the first.
        warp: float32 (m, 2, 3), from `alignment.align`, of the second as it was turned.
        margin: float32 (m,), by how many decades a pair shows more evidence than it takes.
    """
    if first.shape[1] != 3:
        return np.ones(len(first), bool)
    other = second.copy()
    for way in np.unique(turn):
        some = np.flatnonzero(turn == way)
        for plane in range(3):
            other[some, plane] = turned_images(second[some, plane], int(way))
    return margin > DECADES * (ENOUGH - agreement(first, other, warp))


def agreement(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Return float32 (m,), the correlation of the colours of images (m, 3, h, w), the second laid over the first.

    1 where either is in shades of one colour; near 0 where their colours differ.
    """
    h, w = first.shape[2:]
    rim_y, rim_x = rims(h, w)
    laid = [laid_over(np.ascontiguousarray(second[:, plane]), warp) for plane in range(3)]
    inside = laid[0][1]
    sides = first[:, :, rim_y : h - rim_y, rim_x : w - rim_x], np.stack([values for values, _ in laid], 1)
    one, other = (_unexplained(side, inside) for side in sides)
    seen = np.maximum(inside.sum((1, 2)), 1)
    common, own, others = ((a * b).sum((1, 2)) / seen for a, b in ((one, other), (one, one), (other, other)))
    agreeing = (common + NONE) / np.sqrt((own + NONE) * (others + NONE))
    return np.where(np.minimum(own, others) < ONE_COLOUR, 1, agreeing).astype(np.float32)


def _unexplained(planes: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return float32 (m, 3, p), the colours of images (m, 3, h, w) less what brightness explains of them.

    Arguments:
        inside: bool (m, h, w), which places count.
    """
    m, counted = len(planes), inside.reshape(len(inside), 1, -1)
    gray = planes.mean(1, keepdims=True)
    seen = np.maximum(counted.sum(2, keepdims=True), 1)

    def centred(values: np.ndarray) -> np.ndarray:
        values = values.reshape(m, values.shape[1], -1) * counted
        return (values - values.sum(2, keepdims=True) / seen) * counted

    colour, light = centred(planes - gray), centred(gray)
    slope = (colour * light).sum(2, keepdims=True) / ((light**2).sum(2, keepdims=True) + 1)
    return colour - slope * light
