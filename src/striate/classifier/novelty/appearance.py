"""How an image looks, whatever is on it: brightness, colour, contrast, and detail by scale. No net is asked."""

from __future__ import annotations

import numpy as np

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
    images = pixels.astype(np.float32) / 255
    gray = images.mean(3)
    parts = [
        images.mean((1, 2)),
        images.std((1, 2)),
        gray.std((1, 2))[:, None],
        np.quantile(gray.reshape(len(gray), -1), [0.01, 0.25, 0.5, 0.75, 0.99], axis=1).T,
        *_flatness(gray),
    ]
    if images.shape[3] > 1:
        parts += [
            np.log(np.abs(images - gray[..., None]).mean((1, 2, 3)) + 1e-3)[:, None],
            (np.ptp(images, axis=3) < FLAT).mean((1, 2))[:, None],
        ]
    return np.concatenate([*parts, *_details(_opponent(images))], axis=1, dtype=np.float32)


def _flatness(gray: np.ndarray) -> list[np.ndarray]:
    """Return of steps of 1, 2 and 4 pixels how large they are on average, and how many are none at all."""
    parts = []
    for step in (1, 2, 4):
        if min(gray.shape[1:]) > step:
            across, down = (np.abs(gray[:, :, step:] - gray[:, :, :-step]), np.abs(gray[:, step:] - gray[:, :-step]))
            parts += [np.log(one.mean((1, 2)) + 1e-3)[:, None] for one in (across, down)]
            parts.append((across < FLAT).mean((1, 2))[:, None])
    return parts


def _opponent(images: np.ndarray) -> np.ndarray:
    """Return brightness, red against green and yellow against blue, (n, h, w, 3); of other than 3 channels the mean."""
    if images.shape[3] != 3:
        return images.mean(3, keepdims=True)
    red, green, blue = (images[..., i] for i in range(3))
    return np.stack([(red + green + blue) / 3, (red - green) / 2, (red + green) / 4 - blue / 2], axis=3)


def _details(values: np.ndarray) -> list[np.ndarray]:
    """Return the energy of differences on each scale of maps (n, h, w, c)."""
    parts, tiny = [], _UNIT**2 / 12  # what rounding to whole grey values leaves
    for _ in range(SCALES):
        n, h, w, c = values.shape
        if min(h, w) < 2:
            break
        for axis in (1, 2):
            steps = np.diff(values, axis=axis)
            energy = np.log(np.square(steps).mean((1, 2)) + tiny)
            parts += [energy, np.log(np.abs(steps).mean((1, 2)) + _UNIT / 4) - energy / 2]
        corners = np.diff(np.diff(values, axis=1), axis=2)
        parts.append(np.log(np.square(corners).mean((1, 2)) + tiny))
        even = values[:, : h // 2 * 2, : w // 2 * 2]
        values = even.reshape(n, h // 2, 2, w // 2, 2, c).mean((2, 4))
    return parts
