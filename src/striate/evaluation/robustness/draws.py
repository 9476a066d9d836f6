"""Random numbers that an image gets by its place: the same at each step, whoever else is in the batch."""

from __future__ import annotations

import zlib

import numpy as np

_GOLDEN, _FIRST, _SECOND = (np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def draws(name: str, images: int, count: int) -> np.ndarray:
    """Return float32 (n, count) in (0, 1): the numbers that image 0, 1, … gets for what is called `name`.

    They are SplitMix64's (Steele 2014), counted by image and place, so that image 7 gets the same in any batch.

    >>> bool((draws("shift", 3, 2) == draws("shift", 9, 2)[:3]).all())
    True
    """
    key = np.uint64(zlib.crc32(name.encode()))
    place = np.arange(count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        start = _mixed((np.arange(images, dtype=np.uint64) << np.uint64(32)) + (key << np.uint64(1)) * _GOLDEN)
        numbers = _mixed(start[:, None] + (place + np.uint64(1)) * _GOLDEN)
    return ((numbers >> np.uint64(41)).astype(np.float32) + 0.5) / 2**23


def _mixed(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


def normal_draws(name: str, images: int, count: int) -> np.ndarray:
    """Return float32 (n, count) from the normal distribution of mean 0 and variance 1, as `draws`."""
    from scipy.special import ndtri

    return ndtri(draws(name, images, count))


def signs(name: str, images: int) -> np.ndarray:
    """Return −1 or 1 for each image, float32 (n,)."""
    return np.where(draws(name, images, 1)[:, 0] < 0.5, np.float32(-1), np.float32(1))


def angles(name: str, images: int) -> np.ndarray:
    """Return an angle for each image, float32 (n,), in radians from 0 to 2π."""
    return draws(name, images, 1)[:, 0] * np.float32(2 * np.pi)


def to_bytes(pixels: np.ndarray) -> np.ndarray:
    """Return float pixels rounded to uint8, what is below 0 or above 255 cut off."""
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)
