"""From a source to pixels of the size that is wanted, of large files by way of a smaller picture: the one way for all.

A JPEG's blocks can be decoded at a half, a quarter or an eighth of their side (libjpeg's DCT scaling), which spares
most of the work where a photograph of a dozen megapixels becomes a thumbnail. What is left is still `GAP` times as
large as what is wanted, so that the antialiased resize gives what it gives of the whole, within a grey level.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Protocol

import numpy as np
from PIL import Image

from striate.data.decoding.decode import Decoded, Source, decode
from striate.data.decoding.pixels import Fit, check_convertible, fit_pixels, pixels_per_pixel, to_channels
from striate.data.decoding.windows import PixelWindow

# How many times larger than wanted an image may become in the first step; below 3, edges differ by several levels.
GAP = 3.0
# Markers of JPEG: where the picture itself begins, those without a length, those of what is said about it.
_SCAN = 0xDA
_UNMEASURED = (0x01, *range(0xD0, 0xDA), 0xFF)
_TELLING = (*range(0xE0, 0xEE), 0xEF, 0xFE)


class Fitting(Protocol):
    """What an image is brought to."""

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) in pixels."""
        ...

    @property
    def fit(self) -> Fit:
        """crop, pad or stretch."""
        ...

    @property
    def resize(self) -> int | None:
        """The shorter side in pixels from which `size` is cut."""
        ...

    @property
    def channels(self) -> int:
        """How many."""
        ...


def decode_to(
    source: Source, to: Fitting, window: PixelWindow | None = None, page: int = 0
) -> tuple[np.ndarray, Decoded]:
    """Return an image as uint8 (h, w, c) of the size and channels that are wanted, and what was decoded for that.

    Arguments:
        source, window, page: as for `decode`; arrays and Pillow images are resized in one step.

    Raises:
        DecodingError: as `decode`, and of bands that cannot become those that are wanted.
    """
    step = partial(_first_step, to=to)
    decoded = decode(source, window, to.channels, page, shrink=step)
    check_convertible(decoded.pixels, to.channels)
    gap = None if isinstance(source, np.ndarray | Image.Image) else GAP
    return to_channels(fit_pixels(decoded.pixels, to.size, to.fit, to.resize, gap), to.channels), decoded


def picture_digest(jpeg: bytes, repairs: tuple[str, ...]) -> int:
    """Return a 64-bit digest of what a JPEG file shows: its bytes but for what is said about the picture.

    Names, dates, places, profiles and comments are left out, so that a photograph with other tags is the same one.
    The transform of the colours (Adobe, APP14) counts, and by the repairs how the picture was turned.
    """
    digest, at = hashlib.blake2b("; ".join(repairs).encode(), digest_size=8), 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] not in (*_UNMEASURED, _SCAN):
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] not in _TELLING:
            digest.update(jpeg[at:end])
        at = end
    digest.update(memoryview(jpeg)[at:])
    return int.from_bytes(digest.digest(), "little")


def _first_step(height: int, width: int, to: Fitting) -> float:
    """Return by how much the sides of an image may be divided before it is resized."""
    return pixels_per_pixel(height, width, to.size, to.fit, to.resize) / GAP
