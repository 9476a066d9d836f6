"""The same thing in another light: dark, bright, flat, another gamma, a cast of colour, glare.

Each takes uint8 (n, h, w, c) and an amount, and returns the same shape.
"""

from __future__ import annotations

import numpy as np

from striate.evaluation.robustness.draws import angles, draws, signs, to_bytes

GLARE_SIDE = 0.2  # standard deviation of its spot, as a share of the shorter side


def darkened(images: np.ndarray, factor: float) -> np.ndarray:
    """pixel × factor, factor below 1."""
    return to_bytes(images * np.float32(factor))


def brightened(images: np.ndarray, factor: float) -> np.ndarray:
    """pixel × factor, factor above 1, cut off at 255 as in an over-exposed photograph."""
    return to_bytes(images * np.float32(factor))


def flattened(images: np.ndarray, factor: float) -> np.ndarray:
    """mean + (pixel − mean) × factor, the mean that of the image."""
    mean = images.mean((1, 2, 3), keepdims=True, dtype=np.float32)
    return to_bytes(mean + (images - mean) * np.float32(factor))


def bent(images: np.ndarray, gamma: float) -> np.ndarray:
    """255 (pixel / 255)^gamma, or to the power of 1 / gamma."""
    power = (gamma ** signs("gamma", len(images))).astype(np.float32)
    tables = to_bytes(255 * (np.arange(256, dtype=np.float32)[None] / 255) ** power[:, None])
    return tables[np.arange(len(images))[:, None], images.reshape(len(images), -1)].reshape(images.shape)


def cast(images: np.ndarray, strength: float) -> np.ndarray:
    """pixel × exp(strength × direction): red, green and blue are multiplied so that the product of the factors is 1.

    The direction is of length 1, at any angle of the colour circle. For images of three channels.
    """
    angle = angles("cast", len(images))[:, None] + np.float32(2 * np.pi / 3) * np.arange(3, dtype=np.float32)
    factors = np.exp(np.float32(strength * np.sqrt(2 / 3)) * np.cos(angle))
    return to_bytes(images * factors[:, None, None, :])


def glared(images: np.ndarray, strength: float) -> np.ndarray:
    """pixel + (255 − pixel) × min(1, strength × exp(−r² / 2ρ²)): a spot at any place, ρ a fifth of the shorter side."""
    n, h, w, _ = images.shape
    place = draws("glare", n, 2)
    across = (np.arange(w, dtype=np.float32) + 0.5)[None, None, :] - (place[:, 0] * w)[:, None, None]
    down = (np.arange(h, dtype=np.float32) + 0.5)[None, :, None] - (place[:, 1] * h)[:, None, None]
    spread = 2 * (GLARE_SIDE * min(h, w)) ** 2
    light = np.minimum(1, np.float32(strength) * np.exp(-(across**2 + down**2) / np.float32(spread)))[..., None]
    return to_bytes(images + (255 - images) * light)
