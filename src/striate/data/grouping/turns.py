"""The eight ways a picture can lie: turned by quarters, mirrored or not.

A turn is a number: 1 flips left to right, 2 flips upside down, 4 swaps rows and columns before that.
"""

from __future__ import annotations

import numpy as np

from striate.data.grouping.sketches import sketch_waves

# As people take and mirror pictures; all that there are; those that need as many rows as columns.
UPRIGHT, EVERY_TURN, SIDEWAYS = (0, 1), (0, 1, 2, 3, 4, 5, 6, 7), 4


def turned_images(images: np.ndarray, turn: int) -> np.ndarray:
    """Return the images (n, h, w) turned; a view."""
    images = images.transpose(0, 2, 1) if turn & SIDEWAYS else images
    return images[:, :: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


def turned_sketches(sketches: np.ndarray, turn: int) -> np.ndarray:
    """Return the sketches (n, d) of the images turned: odd waves change their sign, waves across go down."""
    parts, at = [], 0
    for waves in sketch_waves(sketches.shape[1]):
        place = {wave: k for k, wave in enumerate(waves)}
        order = [at + place[(j, i) if turn & SIDEWAYS else (i, j)] for i, j in waves]
        signs = [(-1) ** ((j if turn & 1 else 0) + (i if turn & 2 else 0)) for i, j in waves]
        parts.append(sketches[:, order] * np.array(signs, np.float32))
        at += len(waves)
    return np.concatenate(parts, 1)
