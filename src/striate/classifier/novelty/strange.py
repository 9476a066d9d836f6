"""Pictures of nothing, made of the user's own: what tells images of no class is tried on them before it is kept."""

from __future__ import annotations

import numpy as np

# Squares of a quarter of a side change places.
TILES = 4


def strange_images(pixels: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Return by their kind images that are of no class, each made of these, uint8 (n, h, w, c).

    Noise; plain colours (the means of the images); tiles that changed places; negatives; two images in one; an image
    under strong noise; one that is nearly washed out; and a corner, enlarged.

    Arguments:
        pixels: uint8 (n, h, w, c).
        seed: of what is drawn at random.
    """
    rng = np.random.default_rng(seed)
    whole = pixels.astype(np.float32)
    mean = whole.mean((1, 2), keepdims=True)
    drawn = {
        "noise": rng.uniform(0, 255, whole.shape),
        "plain": np.broadcast_to(mean, whole.shape),
        "tiles": _shuffled(whole, rng),
        "negative": 255 - whole,
        "two in one": (whole + np.roll(whole, 1, axis=0)) / 2,
        "noisy": whole + rng.normal(0, 64, whole.shape),
        "faded": 0.85 * mean + 0.15 * whole,
        "corner": _enlarged(whole),
    }
    return {kind: np.clip(np.rint(values), 0, 255).astype(np.uint8) for kind, values in drawn.items()}


def _shuffled(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return maps whose tiles changed places, all in the same way; a rest at the edges stays."""
    _, h, w, _ = values.shape
    high, wide = h // TILES, w // TILES
    if not (high and wide):
        return values[:, ::-1]
    moved = values.copy()
    for place, source in enumerate(rng.permutation(TILES * TILES)):
        (y, x), (v, u) = divmod(place, TILES), divmod(int(source), TILES)
        moved[:, y * high : (y + 1) * high, x * wide : (x + 1) * wide] = values[
            :, v * high : (v + 1) * high, u * wide : (u + 1) * wide
        ]
    return moved


def _enlarged(values: np.ndarray) -> np.ndarray:
    """Return the upper left quarter of maps at twice its size, halfway between neighbours the mean of the two."""
    _, h, w, _ = values.shape
    for axis, side in ((1, h), (2, w)):
        doubled = values.repeat(2, axis)
        values = ((doubled + np.roll(doubled, -1, axis)) / 2).take(np.arange(side), axis)
    return values
