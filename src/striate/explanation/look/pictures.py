"""Numbers as pictures: weights with gray for 0, images with the place that a unit looks at, pictures on one sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Of more bands than these only the first are drawn.
MOST_BANDS = 8
# Outliers aside, so that one large weight does not leave all others gray.
_SHARE = 0.995
_ENLARGED_PX = 96
# The part of a large image that is shown around a small place has at least so many pixels a side.
_LEAST_CUT_PX = 40


@dataclass(frozen=True, eq=False)
class LookPicture:
    """A picture with its words.

    Arguments:
        name: what it is of.
        pixels: uint8 (h, w, c), c 1 or 3.
        detail: what is to be known of it.
    """

    name: str
    pixels: np.ndarray
    detail: str = ""


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures that belong together.

    Arguments:
        key: for programs, and the name of a file.
        title: what they are.
        said: how to read them, in sentences.
        pictures: in their order.
        total: how many there would be; more than are shown where they are too many.
    """

    key: str
    title: str
    said: tuple[str, ...]
    pictures: tuple[LookPicture, ...]
    total: int


def weights_picture(weights: np.ndarray) -> np.ndarray:
    """Return weights as uint8 (h, w, c): gray is 0, brighter is positive, darker negative, by the largest of them.

    Three channels become a colour picture; of any other number each is a gray picture, side by side.

    Arguments:
        weights: float (c, h, w).

    >>> weights_picture(np.array([[[0.0, 1.0, -1.0]]]))[0, :, 0]
    array([128, 255,   1], dtype=uint8)
    """
    size = np.abs(weights)
    scale = float(np.quantile(size, _SHARE)) or float(size.max())
    shown = np.rint(128 + 127 * (weights / scale if scale > 0 else weights * 0).clip(-1, 1)).astype(np.uint8)
    return shown.transpose(1, 2, 0) if len(weights) == 3 else _side_by_side(shown[:MOST_BANDS])


def brightness_picture(values: np.ndarray) -> np.ndarray:
    """Return numbers (h, w) from 0 up as uint8 (h, w, 1), the largest white."""
    top = float(values.max())
    return np.rint(255 * (values / top if top > 0 else values * 0)).astype(np.uint8)[..., None]


def image_picture(pixels: np.ndarray) -> np.ndarray:
    """Return an image uint8 (h, w, c) with 1 or 3 channels: of other numbers the first three, or the first."""
    return pixels if pixels.shape[2] in (1, 3) else pixels[..., :3] if pixels.shape[2] > 3 else pixels[..., :1]


def _side_by_side(bands: np.ndarray) -> np.ndarray:
    c, h, w = bands.shape
    gap = 1 if c > 1 else 0
    sheet = np.full((h, c * w + (c - 1) * gap), 255, np.uint8)
    for k, band in enumerate(bands):
        sheet[:, k * (w + gap) : k * (w + gap) + w] = band
    return sheet[..., None]


def enlarged(pixels: np.ndarray, least_px: int = _ENLARGED_PX) -> np.ndarray:
    """Return a picture whose longer side has at least `least_px` pixels, each pixel repeated."""
    factor = max(1, math.ceil(least_px / max(pixels.shape[:2])))
    return pixels.repeat(factor, 0).repeat(factor, 1)


def with_frame(pixels: np.ndarray, box: tuple[int, int, int, int] | None) -> np.ndarray:
    """Return an image in colour, enlarged where it is small, with a frame around (top, left, bottom, right).

    The frame is white in black, to be seen on anything.
    """
    shown = image_picture(pixels)
    large = enlarged(shown)
    factor = large.shape[0] // shown.shape[0]
    large = np.broadcast_to(large, (*large.shape[:2], 3)).copy()
    if box is None:
        return large
    thick = max(1, max(large.shape[:2]) // 96)
    top, left, bottom, right = (factor * one for one in box)
    for shade, inset in ((0, 0), (255, thick)):
        t, lf, b, r = top + inset, left + inset, bottom - inset, right - inset
        for rows, columns in (
            (slice(t, t + thick), slice(lf, r)), (slice(b - thick, b), slice(lf, r)),
            (slice(t, b), slice(lf, lf + thick)), (slice(t, b), slice(r - thick, r)),
        ):  # fmt: skip
            large[rows, columns] = shade
    return large


def cut_around(pixels: np.ndarray, box: tuple[int, int, int, int]) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Return the part of an image around a small (top, left, bottom, right), and the box within it; else all of it."""
    side = max(box[2] - box[0], box[3] - box[1])
    wanted = max(4 * side, _LEAST_CUT_PX)
    if 6 * side > max(pixels.shape[:2]) or 2 * wanted > max(pixels.shape[:2]):
        return pixels, box
    corner = []
    for i in range(2):
        middle = (box[i] + box[i + 2]) // 2
        corner.append(max(0, min(middle - wanted // 2, pixels.shape[i] - wanted)))
    top, left = corner
    cut = pixels[top : top + wanted, left : left + wanted]
    return cut, (box[0] - top, box[1] - left, box[2] - top, box[3] - left)


def gallery_sheet(pictures: Sequence[LookPicture], most_px: int = 1200) -> np.ndarray:
    """Return pictures side by side in rows as one picture uint8 (h, w, 3), small ones enlarged."""
    large = [enlarged(one.pixels, 64) for one in pictures]
    height, width = (max(one.shape[i] for one in large) + 4 for i in range(2))
    columns = max(1, min(math.ceil(len(large) ** 0.5), most_px // width))
    sheet = np.full((math.ceil(len(large) / columns) * height, columns * width, 3), 255, np.uint8)
    for i, one in enumerate(large):
        y, x = i // columns * height, i % columns * width
        sheet[y : y + one.shape[0], x : x + one.shape[1]] = one
    return sheet
