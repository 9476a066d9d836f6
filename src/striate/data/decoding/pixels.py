"""Pixels as arrays: fitting to a size, changing channels, digests."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal, get_args

import numpy as np
from PIL import Image

from striate.errors import ArgumentError, DecodingError

Fit = Literal["crop", "pad", "stretch"]
MOST_CHANNELS = 1024
# From so many pixels on an image may be shrunk in two steps.
LARGE_PX = 1_000_000


def check_size(size: int | Sequence[int]) -> tuple[int, int]:
    """Return `size` as (height, width) in pixels, both at least 1; one number is the side of a square.

    >>> check_size(32)
    (32, 32)

    Raises:
        ArgumentError: it is neither one nor two positive whole numbers.
    """
    try:
        sides = tuple(size) if isinstance(size, Iterable) else (size, size)
        h, w = (int(side) for side in sides)
    except (TypeError, ValueError):
        raise ArgumentError(f"size must be pixels, one side or (height, width); got {size!r}") from None
    if h < 1 or w < 1 or (h, w) != sides:
        raise ArgumentError(f"size must be whole numbers of pixels, each at least 1; got {size!r}")
    return h, w


def check_fit(fit: str) -> Fit:
    """Return `fit` if it is crop, pad or stretch.

    Raises:
        ArgumentError: it is something else.
    """
    if fit not in get_args(Fit):
        raise ArgumentError(f"fit must be one of {', '.join(get_args(Fit))}; got {fit!r}")
    return fit  # pyright: ignore[reportReturnType]


def check_channels(channels: int) -> int:
    """Return `channels` if it is a number of bands.

    Raises:
        ArgumentError: it is none.
    """
    if not isinstance(channels, int) or not 1 <= channels <= MOST_CHANNELS:
        raise ArgumentError(f"channels must be 1 (gray), 3 (RGB) or another number of bands; got {channels!r}")
    return channels


def check_resize(resize: int | None, size: tuple[int, int], fit: str) -> int | None:
    """Return `resize` if an image resized to it can be cut to `size`.

    Raises:
        ArgumentError: it cannot, or the fit is not "crop".
    """
    if resize is not None and (fit != "crop" or not isinstance(resize, int) or not max(size) <= resize <= 32768):
        raise ArgumentError(
            f"resize must be whole pixels, at least {max(size)} to cut {size[0]}×{size[1]} from them, and fit crop; "
            f"got {resize!r} and {fit}"
        )
    return resize


def fit_pixels(
    pixels: np.ndarray, size: tuple[int, int], fit: Fit = "crop", resize: int | None = None, gap: float | None = None
) -> np.ndarray:
    """Resize one image to `size`, antialiased (bilinear, as Pillow's `ImageOps.fit` and `pad`).

    Arguments:
        pixels: uint8 (h, w, c).
        size: (height, width) wanted, in pixels.
        fit: "crop" fills the size and cuts what is over, equally on both sides; "pad" shows the whole image between
            black bars; "stretch" changes the proportions.
        resize: what is cut is of the image with its shorter side at so many pixels, as published nets want it; only
            with fit "crop", and at least as long as the sides of `size`.
        gap: images of `LARGE_PX` and more become the mean of blocks of pixels first, still so many times as large as
            wanted; None resizes in one step.

    Returns:
        uint8 (height, width, c); `pixels` itself where the size is right already.

    Raises:
        ArgumentError: the size, the fit or resize is none.

    >>> fit_pixels(np.zeros((40, 60, 3), np.uint8), (28, 28)).shape
    (28, 28, 3)
    """
    size = height, width = check_size(size)
    h, w, c = pixels.shape
    gap = gap if h * w >= LARGE_PX else None
    check_resize(resize, size, check_fit(fit))
    if (h, w) == (height, width) and resize is None:
        return pixels
    if fit == "stretch":
        return _resized(pixels, height, width, (0, 0, w, h), gap)
    scale = pixels_per_pixel(h, w, size, fit, resize)
    if fit == "crop":
        return _resized(pixels, height, width, _centred(h, w, height * scale, width * scale), gap)
    inner_h, inner_w = max(1, round(h / scale)), max(1, round(w / scale))
    padded = np.zeros((height, width, c), np.uint8)
    top, left = round((height - inner_h) / 2), round((width - inner_w) / 2)
    padded[top : top + inner_h, left : left + inner_w] = _resized(pixels, inner_h, inner_w, (0, 0, w, h), gap)
    return padded


def pixels_per_pixel(h: int, w: int, size: tuple[int, int], fit: Fit, resize: int | None) -> float:
    """Return how many pixels of an image (h, w) become one along a side, the lesser where the sides differ.

    >>> pixels_per_pixel(3000, 4000, (224, 224), "crop", 256)
    11.71875
    """
    if resize is not None:
        return min(h, w) / resize
    return max(h / size[0], w / size[1]) if fit == "pad" else min(h / size[0], w / size[1])


def _centred(h: int, w: int, cut_h: float, cut_w: float) -> tuple[float, float, float, float]:
    """Return the box (left, top, right, bottom) of `cut_h` × `cut_w` pixels in the middle of h × w."""
    return (max(0, (w - cut_w) / 2), max(0, (h - cut_h) / 2), min(w, (w + cut_w) / 2), min(h, (h + cut_h) / 2))


def _resized(
    pixels: np.ndarray, height: int, width: int, box: tuple[float, float, float, float], gap: float | None
) -> np.ndarray:
    if pixels.shape[2] not in (1, 3):  # each band by itself, as of RGB
        bands = [_resized(pixels[..., k : k + 1], height, width, box, gap) for k in range(pixels.shape[2])]
        return np.concatenate(bands, 2)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box, reducing_gap=gap))
    return resized.reshape(height, width, pixels.shape[2])


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return uint8 pixels (…, c) with 1 or 3 channels: gray is repeated, colour becomes ITU-R 601 luma, as in Pillow.

    Other numbers are bands, of which none is dropped and none made up.

    Raises:
        ArgumentError: `channels` is less than one.
        DecodingError: the pixels have other bands.

    >>> to_channels(np.array([[[255, 0, 0]]], np.uint8), 1).item()
    76
    """
    check_channels(channels)
    if pixels.shape[-1] == channels:
        return pixels
    check_convertible(pixels, channels)
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    luma = pixels @ np.array([19595, 38470, 7471], np.uint32) + np.uint32(1 << 15)
    return (luma >> 16).astype(np.uint8)[..., None]


@cache
def shrinks_tall_first() -> bool:
    """Return whether this Pillow shrinks the columns of tall images before their rows, as of version 13.

    The rounding in between is then another, and whoever computes the same without Pillow has to follow it.
    """
    tall = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 8), np.uint8))
    rows_first = tall.resize((6, 64), Image.Resampling.BILINEAR).resize((6, 4), Image.Resampling.BILINEAR)
    return tall.resize((6, 4), Image.Resampling.BILINEAR).tobytes() != rows_first.tobytes()


def check_convertible(pixels: np.ndarray, channels: int) -> None:
    """Refuse pixels (…, c) of other bands than are wanted; gray and RGB can stand for each other.

    Raises:
        DecodingError: there would be bands to drop or to make up.
    """
    found = pixels.shape[-1]
    if found != channels and not {found, channels} <= {1, 3}:
        raise DecodingError(f"{found} bands, where {channels} are wanted")


def pixel_hash(pixels: np.ndarray) -> int:
    """Return a 64-bit digest (BLAKE2b) of the shape and the bytes of uint8 pixels (h, w, c).

    >>> pixel_hash(np.zeros((2, 3, 1), np.uint8)) == pixel_hash(np.zeros((3, 2, 1), np.uint8))
    False
    """
    return int(pixel_hashes(pixels[None])[0])


def pixel_hashes(images: np.ndarray) -> np.ndarray:
    """Return uint64 (n,), the `pixel_hash` of each of the images uint8 (n, h, w, c), without copying them."""
    shape = struct.pack("<3I", *images.shape[1:])
    digests = (
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8, person=shape).digest() for image in images
    )
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
