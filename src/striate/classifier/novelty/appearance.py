"""How an image looks, whatever is on it: brightness, colour, contrast, and detail by scale. No net is asked."""

from __future__ import annotations

import numpy as np

# Larger images are averaged over squares first, down to about so many pixels a side.
LOOKED_AT_PX = 48
# Detail is looked at on so many scales, each of half the resolution of the one before.
SCALES = 4
# Smaller differences than this, as a share of the range, are taken for none.
FLAT = 2 / 255
_UNIT = 1 / 255


def appearance(pixels: np.ndarray) -> np.ndarray:
    """Return what images look like as numbers, float32 (n, d); d depends on their shape alone.

    Mean and spread of each channel and of brightness, quantiles of brightness, how colourful and how flat; and for
    each scale and opponent channel the energy of differences along both axes, how much few of them make of it, and the
    energy at corners.

    Arguments:
        pixels: uint8 (n, h, w, c).
    """
    planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    planes = _pooled(planes, max(1, min(planes.shape[2:]) // LOOKED_AT_PX)) / np.float32(255)
    gray, (n, c) = planes.mean(1), planes.shape[:2]
    flat = planes.reshape(n, c, -1)
    ordered = np.sort(gray.reshape(n, -1), axis=1)
    places = np.array([0.01, 0.25, 0.5, 0.75, 0.99]) * (ordered.shape[1] - 1)
    parts = [flat.mean(2), flat.std(2), ordered.std(1)[:, None], ordered[:, places.round().astype(int)]]
    parts += _flatness(gray)
    if c > 1:
        spread = np.ptp(flat, axis=1)
        colour = np.abs(planes - gray[:, None]).reshape(n, -1).mean(1)
        parts += [np.log(colour + 1e-3)[:, None], (spread < FLAT).mean(1)[:, None]]
    return np.concatenate([*parts, *_details(_opponent(planes))], axis=1, dtype=np.float32)


def _pooled(planes: np.ndarray, factor: int) -> np.ndarray:
    """Return maps (n, c, h, w) averaged over squares of `factor` pixels, a rest at the edges left off."""
    if factor == 1:
        return planes.astype(np.float32)
    n, c, h, w = planes.shape
    high, wide = h // factor, w // factor
    even = planes[:, :, : high * factor, : wide * factor]
    return even.reshape(n, c, high, factor, wide, factor).mean((3, 5), dtype=np.float32)


def _flatness(gray: np.ndarray) -> list[np.ndarray]:
    """Return of steps of 1, 2 and 4 pixels how large they are on average, and how many are none at all."""
    parts, n = [], len(gray)
    for step in (1, 2, 4):
        if min(gray.shape[1:]) > step:
            across = np.abs(gray[:, :, step:] - gray[:, :, :-step]).reshape(n, -1)
            down = np.abs(gray[:, step:] - gray[:, :-step]).reshape(n, -1)
            parts += [np.log(one.mean(1) + 1e-3)[:, None] for one in (across, down)]
            parts.append((across < FLAT).mean(1)[:, None])
    return parts


def _opponent(planes: np.ndarray) -> np.ndarray:
    """Return brightness, red against green and yellow against blue, (n, 3, h, w); of other than 3 channels the mean."""
    if planes.shape[1] != 3:
        return planes.mean(1, keepdims=True)
    red, green, blue = (planes[:, i] for i in range(3))
    return np.stack([(red + green + blue) / 3, (red - green) / 2, (red + green) / 4 - blue / 2], axis=1)


def _details(values: np.ndarray) -> list[np.ndarray]:
    """Return the energy of differences on each scale of maps (n, c, h, w)."""
    parts, tiny = [], _UNIT**2 / 12  # what rounding to whole gray values leaves
    n, c = values.shape[:2]
    for _ in range(SCALES):
        if min(values.shape[2:]) < 2:
            break
        down, across = values[:, :, 1:] - values[:, :, :-1], values[..., 1:] - values[..., :-1]
        for steps in (down.reshape(n, c, -1), across.reshape(n, c, -1)):
            energy = np.log(np.square(steps).mean(2) + tiny)
            parts += [energy, np.log(np.abs(steps).mean(2) + _UNIT / 4) - energy / 2]
        corners = (down[..., 1:] - down[..., :-1]).reshape(n, c, -1)
        parts.append(np.log(np.square(corners).mean(2) + tiny))
        values = _pooled(values, 2)
    return parts
