"""The same thing with a part of it hidden, at random or where it matters most, and among other things.

Each takes uint8 (n, h, w, c) and an amount, and returns the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from striate.evaluation.robustness.draws import angles, draws, to_bytes

GRAY = 128  # of what hides
# What lies outside of an ellipse about the centre, of this half axis as a share of the side, is taken for background.
MIDDLE = 0.4
WINDOWS, WINDOW_SIDE = 4, 0.4  # rows and columns of what is hidden to find the most important region, and its side
PATCH_SIDE = 0.25

Predict = Callable[[np.ndarray], np.ndarray]


def hidden_at_random(images: np.ndarray, side: float) -> np.ndarray:
    """Hide a rectangle of `side` of each side, anywhere within the image, by gray."""
    return hidden(images, side, draws("hidden", len(images), 2))


def hidden(images: np.ndarray, side: float, places: np.ndarray) -> np.ndarray:
    """Hide a rectangle of `side` of each side by gray.

    Arguments:
        places: float (n, 2) in 0…1: where down and across, from as far up and left as it can lie to the other end.
    """
    return np.where(_boxes(images, side, places)[..., None], np.uint8(GRAY), images)


def important_centres(images: np.ndarray, predict: Predict) -> np.ndarray:
    """Return the centre of the window that lowers the probability of the predicted class most when it is hidden.

    Sixteen windows of 0.4 of each side are tried. Nothing but `predict` is asked, so that any classifier will do.

    Returns:
        float32 (n, 2) in 0…1: down and across, as `hidden_about` takes them.

    Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2.
    """
    n = len(images)
    told = predict(images).argmax(1)
    steps = np.linspace(0, 1, WINDOWS, dtype=np.float32)
    tried = [(down, across) for down in steps for across in steps]
    left = np.stack(
        [predict(hidden(images, WINDOW_SIDE, np.tile(place, (n, 1))))[np.arange(n), told] for place in tried]
    )
    # A window at `place` begins at (1 − side) × place.
    return (1 - WINDOW_SIDE) * np.array(tried, np.float32)[left.argmin(0)] + WINDOW_SIDE / 2


def hidden_about(images: np.ndarray, side: float, centres: np.ndarray) -> np.ndarray:
    """Hide a rectangle of `side` of each side about `centres`, float (n, 2) in 0…1, moved inwards if it reaches out."""
    places = np.clip((centres - side / 2) / max(1 - side, 1e-6), 0, 1)
    return hidden(images, side, places)


def among_noise(images: np.ndarray, share: float) -> np.ndarray:
    """Mix `share` of even noise into what lies outside of the middle: (1 − share) pixel + share × noise."""
    n = len(images)
    noise = draws("background noise", n, images[0].size).reshape(images.shape) * 255
    return _outside(images, noise, share)


def among_stripes(images: np.ndarray, share: float) -> np.ndarray:
    """Mix `share` of coloured stripes into what lies outside of the middle.

    Each image has its own two colours, direction, and from 3 to 8 pairs of stripes a side.
    """
    n, h, w, c = images.shape
    angle, often = angles("stripes", n), 3 + 5 * draws("stripes often", n, 1)[:, 0]
    across, down = np.arange(w, dtype=np.float32) / w, np.arange(h, dtype=np.float32) / h
    along = np.cos(angle)[:, None, None] * across[None, None, :] + np.sin(angle)[:, None, None] * down[None, :, None]
    first = (np.sin(2 * np.pi * often[:, None, None] * along) > 0)[..., None]
    colours = 255 * draws("stripes colours", n, 2 * c).reshape(n, 2, 1, 1, c)
    return _outside(images, np.where(first, colours[:, 0], colours[:, 1]), share)


def among_patches(images: np.ndarray, count: float) -> np.ndarray:
    """Paste `count` patches of a quarter of each side, cut from the middle of other images, about the middle."""
    n, h, w, _ = images.shape
    result, numbers = images.copy(), draws("patches", n, 2 * 8).reshape(n, 8, 2)
    height, width = max(1, round(PATCH_SIDE * h)), max(1, round(PATCH_SIDE * w))
    top, left = (h - height) // 2, (w - width) // 2
    middle = images[:, top : top + height, left : left + width]
    for k in range(int(count)):
        other = (np.arange(n) + 1 + (numbers[:, k, 0] * max(1, n - 1)).astype(int)) % n
        angle = 2 * np.pi * numbers[:, k, 1]
        rows = np.clip(np.round(top + MIDDLE * h * np.sin(angle)), 0, h - height).astype(int)
        columns = np.clip(np.round(left + MIDDLE * w * np.cos(angle)), 0, w - width).astype(int)
        for i in range(n):
            result[i, rows[i] : rows[i] + height, columns[i] : columns[i] + width] = middle[other[i]]
    return result


def _boxes(images: np.ndarray, side: float, places: np.ndarray) -> np.ndarray:
    """Return bool (n, h, w): a rectangle of `side` of each side at `places`."""
    inside = []
    for axis, length in enumerate(images.shape[1:3]):
        size = max(1, round(side * length))
        start = np.round(places[:, axis] * (length - size)).astype(int)[:, None]
        position = np.arange(length)[None]
        inside.append((position >= start) & (position < start + size))
    return inside[0][:, :, None] & inside[1][:, None, :]


def _outside(images: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Return (1 − share) × images + share × other outside of the ellipse in the middle, the images within."""
    _, h, w, _ = images.shape
    down, across = ((np.arange(side, dtype=np.float32) + 0.5) / side - 0.5 for side in (h, w))
    weight = np.float32(share) * (down[:, None] ** 2 + across[None, :] ** 2 > MIDDLE**2)[None, :, :, None]
    return to_bytes(images + (other - images) * weight)
