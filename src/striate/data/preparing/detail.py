"""How much detail images really have, and the same images at another size.

Whoever enlarges pictures adds pixels and no detail: the spectrum ends where the original's did. A net that is given
those pixels pays for every one of them and learns nothing from it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from striate.data.decoding.pixels import Fit, fit_pixels, to_channels
from striate.data.imageset import ImageSet
from striate.data.preparing.parallel import in_order
from striate.observer import Observer, Progress, silent

LOOKED_AT = 64
# Images whose detail ends before this share of their side are called enlarged.
ENLARGED_SHARE = 0.6
# The share of an image's variance that may lie beyond the detail that is told: less is noise and rounding.
BEYOND_SHARE = 0.003
# Frequencies are told apart in so many bands; sides are tried in as many steps.
BANDS = 16
# Power falls by so much from each of the first bands to the one at twice its frequency where an enlarged image ends;
# in photographs, also soft ones, by 7, 8, 12, 30, 43, 40, 40 at most (CIFAR-10 and TrashNet, as they are and enlarged).
CLIFFS = (25.0, 25.0, 35.0, 50.0, 60.0, 60.0, 60.0)
# Of images enlarged without smoothing most neighbours are equal, but for what JPEG did to them.
BLOCKS_STEP_SHARE, MOST_BLOCKS_SHARE = 0.2, 0.9
_BATCH, _HEAVY_PX = 64, 10_000


def detail_side(images: ImageSet) -> int:
    """Return the side in pixels at which the images would still show all that they do: at most their shorter side.

    Enlarged images are told by their power spectrum, which breaks off where the original's did, or by blocks of equal
    pixels. The side told is the smallest beyond which the typical image has less than `BEYOND_SHARE` of its variance;
    where the spectrum just falls, as that of photographs does, it is all of the image.

    Source: the power spectra of natural images fall as about 1 / f² (Field 1987); s pixels carry s / 2 cycles.
    """
    height, width, _ = images.image_shape
    side = min(height, width)
    if side < 2 * BANDS or not len(images):
        return side
    rows = images.rows[np.unique(np.linspace(0, len(images) - 1, LOOKED_AT).astype(np.int64))]
    gray = np.stack([images.pixels[row].mean(2, dtype=np.float32) for row in rows])
    gray = gray[gray.std((1, 2)) > 1]  # flat colours tell nothing
    if not len(gray):
        return side
    if (blocks := _blocks(gray)) < MOST_BLOCKS_SHARE * side:
        return blocks
    bands = np.median(band_powers(gray), axis=0)
    density = bands / np.arange(1, 2 * BANDS, 2)  # so many times more frequencies lie in each
    if (density[1 : BANDS // 2] < np.array(CLIFFS) * density[2:BANDS:2]).all():
        return side
    beyond = 1 - np.cumsum(bands) / bands.sum()
    return -(-side * int(np.flatnonzero(beyond < BEYOND_SHARE)[0] + 1) // BANDS)


def tell_enlarged(images: ImageSet, observer: Observer) -> None:
    """Say where images show no detail beyond far fewer pixels than they have."""
    side = min(images.image_shape[:2])
    if len(images) and (detail := detail_side(images)) <= ENLARGED_SHARE * side:
        observer.note(f"images of {side} pixels a side show no detail beyond {detail} pixels: they were enlarged")


def _blocks(gray: np.ndarray) -> int:
    """Return how many blocks of equal pixels (n, h, w) have along the shorter side."""
    axis = 1 if gray.shape[1] <= gray.shape[2] else 2
    steps = np.abs(np.diff(gray, axis=axis)).mean((0, 3 - axis))
    return 1 + int((steps > BLOCKS_STEP_SHARE * np.quantile(steps, 0.95)).sum())


def band_powers(gray: np.ndarray) -> np.ndarray:
    """Return float32 (n, 16), the power in each band of frequencies of images (n, h, w).

    The square in the middle is looked at, under a window that hides its edges. Band i has the frequencies from i to
    i + 1 thirty-seconds of a cycle a pixel, the higher of those along rows and columns: 2i + 1 times as many as band 0.
    """
    from scipy.fft import rfft2

    side = min(gray.shape[1:])
    top, left = (gray.shape[1] - side) // 2, (gray.shape[2] - side) // 2
    square, window = gray[:, top : top + side, left : left + side].astype(np.float32), np.hanning(side + 2)[1:-1]
    square -= square.mean((1, 2), keepdims=True)
    square *= (window[:, None] * window).astype(np.float32)
    found: Any = rfft2(square)
    power = (found.real**2 + found.imag**2).reshape(len(gray), -1)
    order, starts = _in_bands(side)
    return np.add.reduceat(power[:, order], starts, axis=1)


@lru_cache(16)
def _in_bands(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of a spectrum in the order of their bands, and where each band begins."""
    frequency = np.maximum(np.abs(np.fft.fftfreq(side))[:, None], np.fft.rfftfreq(side)[None])
    band = np.minimum((2 * BANDS * frequency).astype(np.int64), BANDS - 1).ravel()
    order = np.argsort(band, kind="stable")
    return order, np.searchsorted(band[order], np.arange(BANDS))


def resized(
    images: ImageSet, side: int, fit: Fit, channels: int | None = None, progress: Progress = silent
) -> ImageSet:
    """Return the same images at `side` × `side` pixels, in memory, made as a classifier of that size makes them.

    Arguments:
        fit: how images that are no squares are fitted.
        channels: 1 or 3; None leaves them.
        progress: told how far it is.
    """
    h, w, c = images.image_shape
    channels = channels or c
    if (h, w, c) == (side, side, channels):
        return images
    made, done = np.empty((len(images), side, side, channels), np.uint8), 0

    def one(row: int) -> np.ndarray:
        return to_channels(fit_pixels(images.pixels[row], (side, side), fit), channels)

    with closing(in_order(one, images.rows, _BATCH, heavy=h * w > _HEAVY_PX)) as batches:
        for batch in batches:
            made[done : done + len(batch)] = batch
            done += len(batch)
            progress("resizing", done, len(images))
    return replace(images, pixels=made, rows=np.arange(len(images)))
