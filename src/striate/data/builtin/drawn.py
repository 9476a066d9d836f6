"""Drawn sets: pictures made from formulas and a seed, any number of them, for first steps, lessons and tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from striate.errors import ArgumentError

XO_CLASSES = ("o", "x")
SHAPE_CLASSES = ("circle", "square", "star", "triangle")
_CHUNK = 256  # images drawn at a time


def make_xo(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n drawings of O and X, 9×9, white on black: the two plain ones, then shifted, turned and thickened ones.

    Arguments:
        n: how many; the first of a longer set are the images of a shorter one.
        seed: the same seed gives the same bits.

    Returns:
        (images uint8 (n, 9, 9, 1), labels int64 (n,) into `XO_CLASSES`, one class after the other).

    Raises:
        ArgumentError: n is not positive.

    >>> print("\\n".join("".join("-#"[v] for v in row) for row in make_xo(2)[0][1, :, :, 0] // 255))
    ---------
    -#-----#-
    --#---#--
    ---#-#---
    ----#----
    ---#-#---
    --#---#--
    -#-----#-
    ---------
    """
    draws = _generator(n, seed).random((n, 6))
    labels = np.arange(n) % len(XO_CLASSES)
    # The size keeps the ends of every drawing inside of its 9×9 pixels.
    shift, angle = (draws[:, :2] - 0.5) * 2, (draws[:, 2] - 0.5) * np.radians(50)
    radius, width, stretch = 2.4 + draws[:, 3], 0.9 + 1.1 * draws[:, 4], 0.85 + 0.3 * draws[:, 5]
    x, y = _local(9, shift, angle)
    x = x / stretch[:, None, None]
    cross = np.minimum(_to_segment(x, y, radius, 1), _to_segment(x, y, radius, -1))
    ring = np.abs(np.hypot(x, y) - radius[:, None, None])
    distance = np.where(labels[:, None, None] == 1, cross, ring)
    images = _bytes(np.clip((width[:, None, None] + 1) / 2 - distance, 0, 1) * 255)
    images[:2] = _plain_xo()[:n]
    return images[..., None], labels


def _plain_xo() -> np.ndarray:
    """Return the O and the X of the lesson, uint8 (2, 9, 9): −1 and 1 there are 0 and 255 here."""
    row, column = np.indices((9, 9)) - 4
    x = (np.abs(row) == np.abs(column)) & (np.abs(row) < 4)
    o = (np.abs(np.hypot(row, column) - 3) < 0.4) & (np.abs(row) + np.abs(column) > 2)
    return np.stack([o, x]).astype(np.uint8) * 255


def _to_segment(x: np.ndarray, y: np.ndarray, radius: np.ndarray, slope: int) -> np.ndarray:
    """Return the distance from points (n, h, w) to a stroke along a diagonal, as long as the drawing is wide."""
    half = radius[:, None, None] * np.sqrt(2)
    along = ((x + slope * y) / np.sqrt(2)).clip(-half, half)
    return np.hypot(x - along / np.sqrt(2), y - slope * along / np.sqrt(2))


def make_shapes(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n pictures, 32×32 in colour, of a circle, square, star or triangle on a shaded and noisy background.

    Arguments:
        n: how many; the first of a longer set are the images of a shorter one.
        seed: the same seed gives the same bits.

    Returns:
        (images uint8 (n, 32, 32, 3), labels int64 (n,) into `SHAPE_CLASSES`, one class after the other).

    Raises:
        ArgumentError: n is not positive.

    >>> images, labels = make_shapes(8)
    >>> images.shape, labels.tolist()
    ((8, 32, 32, 3), [0, 1, 2, 3, 0, 1, 2, 3])
    """
    draws = _generator(n, seed).random((n, 14))
    noise = np.random.default_rng([seed, 1])
    labels = np.arange(n) % len(SHAPE_CLASSES)
    images = np.empty((n, 32, 32, 3), np.uint8)
    for start in range(0, n, _CHUNK):
        rows = slice(start, start + _CHUNK)
        images[rows] = _shapes(draws[rows], labels[rows], noise)
    return images, labels


def shape_masks(n: int, *, seed: int = 0) -> np.ndarray:
    """Return where the shapes of `make_shapes(n, seed=seed)` are, bool (n, 32, 32): to see whether a map points there.

    >>> shape_masks(4).shape, bool((shape_masks(4).mean((1, 2)) < 0.4).all())
    ((4, 32, 32), True)
    """
    draws = _generator(n, seed).random((n, 14))
    return _covered(draws, np.arange(n) % len(SHAPE_CLASSES)) > 0.5


def _shapes(draws: np.ndarray, labels: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    n = len(draws)
    inside = _covered(draws, labels)[..., None]
    shade = _local(32, np.zeros((n, 2)), draws[:, 4] * 2 * np.pi)[0][..., None] / 45 + 0.5
    ground = draws[:, None, None, 5:8] * (1 - shade) + draws[:, None, None, 8:11] * shade
    # A colour too near to the background's mean goes to the other side of it.
    colour = draws[:, None, None, 11:14]
    mean = ground.mean((1, 2), keepdims=True)
    near = np.abs(colour - mean).max(-1, keepdims=True) < 0.3
    colour = np.where(near, np.where(mean > 0.5, mean - 0.45, mean + 0.45), colour)
    picture = ground * (1 - inside) + colour * inside
    return _bytes((picture + noise.normal(0, 0.02, picture.shape)).clip(0, 1) * 255)


def _covered(draws: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how much of each pixel is inside of a shape, 0 to 1, (n, 32, 32)."""
    radius = 6 + 5 * draws[:, 0]
    shift = (draws[:, 1:3] - 0.5) * 2 * (14.5 - radius)[:, None]
    x, y = _local(32, shift, draws[:, 3] * 2 * np.pi)
    angle = np.arctan2(y, x)
    outlines = np.stack([outline(angle) for outline in _OUTLINES.values()])
    outline = np.take_along_axis(outlines, labels[None, :, None, None], 0)[0]
    return np.clip(outline * radius[:, None, None] - np.hypot(x, y) + 0.5, 0, 1)


def _polygon(sides: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the radius of a regular polygon, its corners at 1, as a function of the angle."""

    def radius(angle: np.ndarray) -> np.ndarray:
        part = 2 * np.pi / sides
        return np.cos(part / 2) / np.cos(angle % part - part / 2)

    return radius


def _star(angle: np.ndarray) -> np.ndarray:
    """Return the radius of a star with five points at 1 and its inner corners at 0.45, as a function of the angle."""
    part, inner = np.pi / 5, 0.45
    within = np.abs((angle + part) % (2 * part) - part)  # 0 at a point of the star, `part` at an inner corner
    return inner * np.sin(part) / (inner * np.sin(part - within) + np.sin(within))


_OUTLINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "circle": np.ones_like,
    "square": _polygon(4),
    "star": _star,
    "triangle": _polygon(3),
}


def _generator(n: int, seed: int) -> np.random.Generator:
    if n < 1:
        raise ArgumentError(f"the number of images must be at least 1; got {n}")
    return np.random.default_rng(seed)


def _local(side: int, shift: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y, each (n, side, side), of every pixel as seen from a drawing that is shifted and turned."""
    row, column = np.indices((side, side)) - (side - 1) / 2
    x, y = column - shift[:, :1, None], row - shift[:, 1:, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    return cos * x + sin * y, cos * y - sin * x


def _bytes(values: np.ndarray) -> np.ndarray:
    return (values + 0.5).astype(np.uint8)
