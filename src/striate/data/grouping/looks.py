"""What is kept of each image while near copies are looked for: a small gray picture, and sketches of its views."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import numpy as np

from striate.data.grouping.alignment import grays
from striate.data.grouping.sketches import BLOCK, INNER, VIEWS, blocks, sketch_images
from striate.data.imageset import ImageSet
from striate.data.preparing.parallel import in_order
from striate.observer import Progress, silent

# Images are looked at in blocks of at most so many pixels; so many after the first tell how long all will take.
_BLOCK_PIXELS, _LEAST_BLOCK, _TOLD_BY = 1024 * 32 * 32, 32, 2


class TooSlowError(Exception):
    """There is no time to look at all images."""


class Looks(NamedTuple):
    """What is kept of each of n images while they are compared.

    Arguments:
        small: uint8 (n, h, w), gray, at most 64 × 64 pixels.
        views: float32 (n, d), a sketch of each view: the whole image, its centre, and all but its rim.
    """

    small: np.ndarray
    views: tuple[np.ndarray, ...]

    def at(self, rows: np.ndarray) -> Looks:
        """Return the looks of the images at `rows`, these themselves where they are all: they may fill the memory."""
        if len(rows) == len(self.small) and np.array_equal(rows, np.arange(len(rows))):
            return self
        return Looks(self.small[rows], tuple(view[rows] for view in self.views))


def look_at(images: ImageSet, progress: Progress = silent, until: float = math.inf) -> Looks:
    """Return what is kept of the images, each read once.

    Raises:
        TooSlowError: that would not be done until then, by `time.perf_counter`.
    """

    def look(some: slice) -> tuple[np.ndarray, ...]:
        pixels = images.pixels[images.rows[some]]
        return grays(pixels), *(sketch_images(pixels, view) for view in (*VIEWS, INNER))

    height, width = images.image_shape[:2]
    size = min(BLOCK, max(_LEAST_BLOCK, _BLOCK_PIXELS // (height * width)))
    kept: list[np.ndarray] = []
    done, todo, began = 0, blocks(len(images), size), math.nan
    for looked in in_order(look, todo, 1, heavy=True):
        for columns in looked:
            # Room for all at once: blocks that are joined at the end would be in memory twice.
            kept = kept or [np.empty((len(images), *column.shape[1:]), column.dtype) for column in columns]
            for whole, column in zip(kept, columns, strict=True):
                whole[todo[done]] = column
            done += 1
        now, left = time.perf_counter(), len(todo) - done
        began = now if done == 1 else began  # the first block loads what the others need not
        ends = now + left * (now - began) / (done - 1) if done > _TOLD_BY else now
        if left and ends > until:
            raise TooSlowError
        progress("looking at images", min(done * size, len(images)), len(images))
    small, *views = kept
    return Looks(small, tuple(views))
