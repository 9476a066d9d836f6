"""The one decoder: from files, bytes, Pillow images and arrays to uint8 pixels, for training, prediction and serving.

Colour profiles (ICC) are ignored, as they were when the published models were trained: the numbers in the file count.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from striate.data.decoding.conversion import TRANSPOSITIONS, channels_of, orientation_of, to_uint8
from striate.data.decoding.deep import (
    Deep,
    as_bytes,
    bands_of,
    check_bytes,
    is_wide,
    most_pixels,
    needs_tifffile,
    read_deep,
)
from striate.data.decoding.formats import LIMIT_PX, LONGEST_PX, check_scans, formats_for, oversized, reason_of
from striate.data.decoding.npy import MAGIC as NPY
from striate.data.decoding.npy import decode_npy
from striate.data.decoding.paging import Page
from striate.data.decoding.pixels import LARGE_PX, fit_pixels, pixel_hash, to_channels
from striate.data.decoding.quiet import QUIET
from striate.data.decoding.stored import Stored, too_many_bytes
from striate.data.decoding.tiffs import count_directories, is_tiff, read_tiff, tiff_pages, tiff_shape
from striate.data.decoding.windows import PixelWindow
from striate.errors import DecodingError

__all__ = ["Decoded", "Header", "decode", "fit_pixels", "pixel_hash", "probe", "read_bytes", "to_channels"]

# opening a pipe without O_NONBLOCK would wait for ever
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
LIMIT_BYTES = 1 << 30

# What has to be read before it can be decoded.
FILES = (str, Path, Stored)
WAYS = (*FILES, Page)
Source = Path | str | Stored | Page | bytes | Image.Image | np.ndarray
Shrink = Callable[[int, int], float]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded image: `pixels` uint8 (h, w, c), and `repairs`, how it had to be repaired.

    Of a large JPEG the pixels may be fewer than the file's, as is asked for: `whole` is False, whether they are or not.
    """

    pixels: np.ndarray
    repairs: tuple[str, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says about itself: height and width in pixels as decoded, channels, and whether it is deep.

    Arguments:
        wide: whether its values are more than 8 bits each, and need a window.
    """

    height: int
    width: int
    channels: int
    wide: bool = False


def decode(
    source: Source,
    window: PixelWindow | None = None,
    channels: int | None = None,
    page: int = 0,
    shrink: Shrink | None = None,
) -> Decoded:
    """Decode one image to uint8 (h, w, c): gray stays one channel, colour RGB, and other bands are kept as they are.

    EXIF orientation is applied, transparency laid over white, CMYK converted, deeper values scaled to 8 bits, and of
    several frames the first is taken; each of these is named in `repairs`.

    Arguments:
        source: a path, a member of an archive, the bytes of a file, a Pillow image, or an array (h, w) or (h, w, c),
            uint8 or with a window.
        window: which values become 0 and 255, where the set that the image belongs to has values of more than 8 bits;
            None expects 8-bit pictures, to which one of 16 bits fits if it uses at least half of their scale.
        channels: how many are wanted; an array of four is RGB and alpha unless four are.
        page: which one of a file of several.
        shrink: by how much the sides (height, width) may be divided; a JPEG file of `LARGE_PX` and more is decoded at
            a half, a quarter or an eighth of them where that is as much and leaves no rest. None decodes all.

    Raises:
        DecodingError: it cannot be decoded whole; the message is the reason and leaves the file's name to the caller.

    >>> decode(np.zeros((2, 3), np.uint8)).pixels.shape
    (2, 3, 1)
    """
    source, page = (source.path, source.number) if isinstance(source, Page) else (source, page)
    content = _content(source)
    if isinstance(content, np.ndarray):
        return _decode_array(content, window, channels, stored=content is not source)

    def finished(deep: Deep, repairs: tuple[str, ...]) -> Decoded:
        pixels, scaled = as_bytes(deep, window)
        return Decoded(pixels, (*scaled, *repairs))

    return _opened(
        content, partial(_decoded, window=window, shrink=shrink), lambda data: finished(*read_tiff(data, page)), page
    )


def read_values(source: Source, page: int = 0) -> Deep | None:
    """Return the values of an image that needs a window; None of one of 8 bits.

    Raises:
        DecodingError: it cannot be decoded whole.
    """
    source, page = (source.path, source.number) if isinstance(source, Page) else (source, page)
    content = _content(source)
    if isinstance(content, np.ndarray):
        name = "array" if content is source else str(content.dtype)
        return None if content.dtype == np.uint8 else Deep(_with_channels(content), name, _top(content))
    deep = _opened(content, read_deep, lambda data: read_tiff(data, page)[0], page)
    return deep if deep and deep.wide else None


def probe(source: Source, page: int = 0) -> Header:
    """Return what an image is as `decode` would give it, from its header alone.

    Raises:
        DecodingError: the header already shows that it cannot be decoded.
    """
    source, page = (source.path, source.number) if isinstance(source, Page) else (source, page)
    content = _content(source)
    if isinstance(content, np.ndarray):
        _check_type(content, whole_scale=content is source)
        return array_header(content)
    return _opened(content, _header, lambda data: _tiff_header(data, page), page)


def array_header(array: np.ndarray) -> Header:
    """Return what an array of one image is, of any real type: deep unless it is uint8.

    Raises:
        DecodingError: it is no image.
    """
    height, width, channels = _with_channels(array).shape
    return Header(height, width, channels, array.dtype != np.uint8)


def count_pages(source: Path | Stored | bytes) -> int:
    """Return how many pages or frames a file has; 1 where it is no image that can be opened."""
    try:
        return max(1, _opened(source, _frames, tiff_pages))
    except DecodingError:
        return 1


def read_bytes(path: Path | str | Stored) -> bytes:
    """Return the content of an image file, or of one that lies within another file.

    Raises:
        DecodingError: it is missing, empty, larger than 1 GiB, not a regular file, or cannot be read.
    """
    try:
        if isinstance(path, Stored):
            return path.read() or _empty()
        handle = os.open(path, _OPEN_FLAGS)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise DecodingError("a folder, not a file" if stat.S_ISDIR(found.st_mode) else "not a regular file")
            if found.st_size > LIMIT_BYTES:
                raise too_many_bytes(found.st_size, LIMIT_BYTES)
            with open(handle, "rb", buffering=0, closefd=False) as file:
                data = file.readall()
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise DecodingError("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        if isinstance(error, DecodingError):
            raise
        raise DecodingError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return data or _empty()


def _content(source: Path | str | Stored | bytes | Image.Image | np.ndarray) -> bytes | Image.Image | np.ndarray:
    """Return the bytes of a file, the array of one that holds an array, and anything else as it is."""
    content = read_bytes(source) if isinstance(source, FILES) else source
    return decode_npy(content) if isinstance(content, bytes) and content.startswith(NPY) else content


def _empty() -> NoReturn:
    raise DecodingError("empty file")


def _opened(
    source: Path | str | Stored | bytes | Image.Image,
    use: Callable[[Image.Image, bytes], _T],
    use_tiff: Callable[[bytes], _T],
    page: int = 0,
) -> _T:
    """Return `use(image, data)`, or `use_tiff(data)` of a TIFF that Pillow does not know; all errors are ours."""
    if isinstance(source, FILES):
        source = read_bytes(source)
    elif isinstance(source, bytes) and not source:
        _empty()
    try:
        with QUIET:
            if isinstance(source, Image.Image):
                _check_area(source)
                return use(source, b"")
            try:
                with Image.open(io.BytesIO(source), formats=formats_for(source)) as image:
                    _check_area(image)
                    check_scans(image, source)
                    if page:
                        image.seek(page)
                    if not needs_tifffile(image):
                        return use(image, source)
            except (UnidentifiedImageError, SyntaxError, KeyError):
                if not is_tiff(source):
                    raise
            return use_tiff(source)
    except (DecodingError, MemoryError):
        raise
    except Exception as error:
        raise DecodingError(reason_of(error, source if isinstance(source, bytes) else b"")) from error


def _check_area(image: Image.Image) -> None:
    width, height = image.size
    if width * height > (most_px := most_pixels(image)):
        raise oversized(width * height, most_px)
    if max(width, height) > LONGEST_PX:
        raise DecodingError(f"oversized: {max(width, height):,} pixels in a line; at most {LONGEST_PX:,} are decoded")
    if not width * height:
        raise DecodingError(f"no pixels: {width}×{height}")


def _header(image: Image.Image, _: bytes) -> Header:
    width, height = image.size
    # Pillow gives the size of a TIFF as it will be after turning it
    if orientation_of(image) >= 5 and not hasattr(image, "tag_v2"):
        width, height = height, width
    return Header(height, width, bands_of(image) or channels_of(image), is_wide(image))


def _tiff_header(data: bytes, page: int) -> Header:
    height, width, bands, wide = tiff_shape(data, page)
    if height * width > LIMIT_PX:
        raise oversized(height * width)
    return Header(height, width, bands, wide)


def _decoded(image: Image.Image, data: bytes, window: PixelWindow | None, shrink: Shrink | None) -> Decoded:
    tiff = hasattr(image, "tag_v2")  # Pillow turns a TIFF while loading and forgets the orientation
    orientation = orientation_of(image) if tiff else 1
    deep = read_deep(image, data)
    large = bool(data) and image.format in ("JPEG", "MPO") and image.width * image.height >= LARGE_PX
    if large and shrink:
        _draft(image, shrink)
    image.load()
    orientation = orientation if tiff else orientation_of(image)
    if deep:
        pixels, repairs = as_bytes(deep, window)
        pixels = pixels if tiff or orientation == 1 else _turned(pixels, orientation)
    else:
        check_bytes(window)
        pixels, repairs = to_uint8(image, 1 if tiff else orientation)
    if orientation != 1:
        repairs = (f"rotated by EXIF orientation {orientation}", *repairs)
    frames = _frames(image, data)
    if frames != 1 and not image.tell():
        repairs = (*repairs, f"first frame of {frames or 'several'}")
    return Decoded(pixels, repairs, not (large and shrink))


def _draft(image: Image.Image, shrink: Shrink) -> None:
    """Let a JPEG be decoded smaller, where its sides leave no rest: a last pixel of half a block would stretch it."""
    header = _header(image, b"")
    most = shrink(header.height, header.width)
    divisor = next((by for by in (8, 4, 2) if by <= most and not (image.width % by or image.height % by)), 1)
    if divisor > 1:
        image.draft(None, (image.width // divisor, image.height // divisor))


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    bands = [Image.fromarray(band).transpose(TRANSPOSITIONS[orientation]) for band in np.moveaxis(pixels, -1, 0)]
    return np.stack([np.asarray(band) for band in bands], -1)


def _frames(image: Image.Image, data: bytes) -> int:
    """Return the number of frames; 0 if there are more but broken ones."""
    try:
        if data and hasattr(image, "tag_v2"):  # Pillow's own count takes the square of their number
            return count_directories(data)
        return getattr(image, "n_frames", 1)
    except Exception:
        return 0


def _decode_array(array: np.ndarray, window: PixelWindow | None, channels: int | None, *, stored: bool) -> Decoded:
    _check_type(array, window is None and not stored)
    array = _with_channels(array)
    if array.dtype != np.uint8:
        return Decoded(*as_bytes(Deep(array, str(array.dtype), _top(array)), window))
    check_bytes(window)
    if array.shape[2] == 4 and channels != 4:
        return Decoded(*to_uint8(Image.fromarray(np.ascontiguousarray(array))))
    return Decoded(array)


def _check_type(array: np.ndarray, whole_scale: bool) -> None:
    """Refuse what is no array of pixels; of `whole_scale`, all but bytes."""
    if array.dtype != np.uint8 and (whole_scale or array.dtype.kind not in "iuf"):
        way_out = {"f": "multiply by 255 if they are in [0, 1], and use .astype(np.uint8)", "b": "multiply by 255"}
        raise DecodingError(
            f"an array must be uint8, 0 to 255; got {array.dtype}. Scale the pixels: "
            f"{way_out.get(array.dtype.kind, 'divide to 0 … 255 and use .astype(np.uint8)')}"
        )


def _with_channels(array: np.ndarray) -> np.ndarray:
    """Return an array as (h, w, c)."""
    array = array[..., None] if array.ndim == 2 else array
    first = array.ndim == 3 and (array.shape[0] in (1, 3, 4) or 4 * array.shape[0] < min(array.shape[1:]))
    if array.ndim != 3 or not array.size or (first and array.shape[2] not in (1, 3, 4)):
        raise DecodingError(
            f"an array must be (h, w) or (h, w, c), c 1, 3 or 4 or a number of bands; got {array.shape}. "
            "Channels come last: use np.moveaxis(image, 0, -1) where they come first"
        )
    return array


def _top(array: np.ndarray) -> float | None:
    return 65535.0 if array.dtype == np.uint16 else None
