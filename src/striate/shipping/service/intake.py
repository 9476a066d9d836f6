"""From the bytes of a file to the pixels that a model is given: the package's own decoder, behind limits."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from striate.classifier.blocks import pixel_block
from striate.classifier.preprocessing import Preprocessing
from striate.data.decoding.decode import probe
from striate.data.decoding.formats import count_scans, format_of
from striate.errors import DecodingError, is_out_of_memory
from striate.shipping.service.bodies import Upload
from striate.shipping.service.limits import RefusedError

# A picture may be written in many passes over all of its pixels; ordinary ones have up to a dozen.
_MOST_SCANS = 100
# A PNG begins so, and goes on with width and height.
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_TINY_BYTES, _TINY_PX = 16 << 10, 128 * 128


@dataclass
class Stop:
    """Whether anyone still waits for what is being decoded."""

    asked: bool = False


@dataclass
class Taken:
    """What became of some files: `pixels` uint8 (h, w, c) of each, and what is wrong with those that have none."""

    pixels: list[np.ndarray] = field(default_factory=list)
    wrong: list[tuple[int, str, RefusedError]] = field(default_factory=list)


def take_files(uploads: Sequence[Upload], first: int, shape: Preprocessing, limit_px: int, stop: Stop) -> Taken:
    """Return the pixels of files at a model's own size, and what is wrong with the others; for a thread of its own.

    Arguments:
        first: which one of its request the first one is.
        limit_px: of one image.
        stop: asked once nobody waits any longer.
    """
    taken = Taken()
    for index, upload in enumerate(uploads, first):
        if stop.asked:
            break
        try:
            taken.pixels.append(pixels_of(upload.content, shape, limit_px))
        except RefusedError as refusal:
            taken.wrong.append((index, upload.name, refusal))
    return taken


def tiny_area(content: bytes) -> int | None:
    """Return the pixels of a file that is sooner decoded than handed to another thread, None of another."""
    if len(content) > _TINY_BYTES:
        return None
    try:
        area_px = _stated_area(content)
    except DecodingError:
        return None
    return area_px if area_px <= _TINY_PX else None


def _stated_area(content: bytes) -> int:
    """Return how many pixels a file says that it has: of a PNG without opening it, which takes as long as decoding."""
    if content.startswith(_PNG) and len(content) >= len(_PNG) + 8:
        return math.prod(struct.unpack_from(">II", content, len(_PNG)))
    header = probe(content)
    return header.height * header.width


def pixels_of(content: bytes, shape: Preprocessing, limit_px: int, area_px: int | None = None) -> np.ndarray:
    """Return the pixels uint8 (h, w, c) that a model is given of one file, as `striate predict` gives them.

    Arguments:
        area_px: what the file says that it has, where that is known.

    Raises:
        RefusedError: 413 too many pixels, 415 no image that is read, 422 damaged or of other bands.
    """
    try:
        area_px = _stated_area(content) if area_px is None else area_px
        if area_px > limit_px:
            raise _oversized(area_px, limit_px)
        if content.startswith(b"\xff\xd8") and count_scans(content) > _MOST_SCANS:
            raise RefusedError(413, "too-many-scans", f"a JPEG must have at most {_MOST_SCANS} scans. Save it anew")
        return pixel_block(shape, [content], 0, 1)[0]  # pyright: ignore[reportArgumentType]
    except DecodingError as error:
        raise _refused(str(error), content) from None
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise RefusedError(503, "no-memory", "there is no memory for this image now", 1.0) from None


def _oversized(area_px: int, limit_px: int) -> RefusedError:
    return RefusedError(
        413, "too-many-pixels", f"an image must have at most {limit_px / 1e6:,.4g} megapixels; got "
        f"{area_px / 1e6:,.4g}. Make it smaller",
    )  # fmt: skip


def _refused(why: str, content: bytes) -> RefusedError:
    if why.startswith("oversized"):
        return RefusedError(413, "too-many-pixels", f"an image must have fewer pixels: {why}. Make it smaller")
    if not content:
        return RefusedError(422, "empty-file", "a file must be an image; got no bytes")
    if why.startswith("not an image"):  # what a file begins with is the client's, and stays out of answers and logs
        return RefusedError(
            415, "not-an-image", "a file must be an image that is read, such as JPEG or PNG; it begins like none"
        )
    if not format_of(content):
        return RefusedError(415, "unsupported-image", f"a file must be an image that is read: {why}")
    return RefusedError(422, "damaged-image", f"an image must be whole: {why}")
