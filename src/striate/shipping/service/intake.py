"""From the bytes of a file to the pixels that a model is given: the package's own decoder, behind limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from striate.classifier.blocks import pixel_block
from striate.classifier.preprocessing import Preprocessing
from striate.data.decoding.decode import Header, probe
from striate.data.decoding.formats import count_scans, format_of
from striate.errors import DecodingError, is_out_of_memory
from striate.shipping.service.bodies import Upload
from striate.shipping.service.limits import RefusedError

# A picture may be written in many passes over all of its pixels; ordinary ones have up to a dozen.
_MOST_SCANS = 100
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


def tiny_header(content: bytes) -> Header | None:
    """Return the header of a file that is sooner decoded than handed to another thread, else None."""
    if len(content) > _TINY_BYTES:
        return None
    try:
        header = probe(content)
    except DecodingError:
        return None
    return header if header.height * header.width <= _TINY_PX else None


def pixels_of(content: bytes, shape: Preprocessing, limit_px: int, header: Header | None = None) -> np.ndarray:
    """Return the pixels uint8 (h, w, c) that a model is given of one file, as `striate predict` gives them.

    Arguments:
        header: the file's, where it is known.

    Raises:
        RefusedError: 413 too many pixels, 415 no image that is read, 422 damaged or of other bands.
    """
    try:
        header = header or probe(content)
        if header.height * header.width > limit_px:
            raise _oversized(header.height * header.width, limit_px)
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
