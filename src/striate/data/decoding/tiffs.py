"""TIFF files of any number and type of bands, by tifffile: what Pillow does not know."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from striate.data.decoding.deep import Deep, holds_bands_in_pages, is_fourth_band, is_rows_first
from striate.data.decoding.stored import too_many_bytes
from striate.errors import DecodingError

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
LIMIT_BYTES = 256 << 20
_WIDTH, _HEIGHT, _BANDS = 256, 257, 277
_TURNS = {2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (3, 0), 7: (1, 1), 8: (1, 0)}


def is_tiff(data: bytes) -> bool:
    """Return whether a file begins as TIFF files do."""
    return data[:4] in MAGICS


def tiff_shape(data: bytes, number: int = 0) -> tuple[int, int, int, bool]:
    """Return (height, width, bands, wide) of a page as `read_tiff` gives it.

    Raises:
        DecodingError: damaged, or tifffile is not there.
    """
    with _guarded(), _opened(data) as file:
        if not number and (laid := _bands_in_pages(file)):
            return *_laid_shape(laid), bool(laid.dtype != np.uint8)
        page: Any = file.pages[number]
        shape = _shape(page)
        height, width = shape[:2][:: -1 if _orientation(page) >= 5 else 1]
        return height, width, shape[2] - (_alpha(page) is not None), bool(page.dtype != np.uint8)


def tiff_pages(data: bytes) -> int:
    """Return how many pages a TIFF has.

    Raises:
        DecodingError: damaged, or tifffile is not there.
    """
    with _guarded(), _opened(data) as file:
        return 1 if _bands_in_pages(file) else len(file.pages)


def count_directories(data: bytes) -> int:
    """Return how many directories follow each other in a TIFF, those of a circle once.

    Raises:
        struct.error: one lies outside of the file.
    """
    order, big = "<" if data[:1] == b"I" else ">", data[2:4] in (b"+\0", b"\0+")
    place, many = (order + "Q", order + "Q") if big else (order + "I", order + "H")
    (offset,), seen = struct.unpack_from(place, data, 8 if big else 4), set()
    while offset and offset not in seen:
        seen.add(offset)
        (entries,) = struct.unpack_from(many, data, offset)
        (offset,) = struct.unpack_from(place, data, offset + struct.calcsize(many) + entries * (20 if big else 12))
    return len(seen)


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except (DecodingError, MemoryError):
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise DecodingError(_reason(error)) from error


def read_tiff(data: bytes, number: int = 0) -> tuple[Deep, tuple[str, ...]]:
    """Return the values of a page and how it was repaired.

    Raises:
        DecodingError: damaged, too large, compressed in a way that needs another package, or tifffile is not there.
    """
    with _guarded(), _opened(data) as file:
        if not number and (laid := _bands_in_pages(file)):
            _check_size(laid.shape, laid.dtype)
            values = np.asarray(laid.asarray()).reshape(laid.shape)
            return _deep(values if laid.kind == "shaped" else np.moveaxis(values, 0, -1), None, 1, 1)
        page: Any = file.pages[number]
        shape = _shape(page)
        _check_size(shape, page.dtype)
        values = np.asarray(page.asarray()).reshape(_own_shape(page))
        values = np.moveaxis(values, 0, -1) if page.axes == "SYX" else values
        values, alpha, pages = values.reshape(shape), _alpha(page), len(file.pages)
        turn = _orientation(page)
    return _deep(values, alpha, turn, 1 if number else pages)


def _check_size(shape: tuple[int, ...], kind: Any) -> None:
    if (size_bytes := math.prod(shape) * kind.itemsize) > LIMIT_BYTES:
        raise too_many_bytes(size_bytes, LIMIT_BYTES, "values")


def _bands_in_pages(file: Any) -> Any:
    """Return tifffile's series of pages that are together one image of bands; None where they are none."""
    first = file.pages[0]
    if not holds_bands_in_pages(str(first.description), int(first.imagelength), int(first.imagewidth)):
        return None
    series = file.series[0]
    rows_first = series.kind == "shaped" and is_rows_first(*series.shape) if len(series.shape) == 3 else False
    return series if rows_first or (series.kind in ("ome", "imagej") and series.axes == "CYX") else None


def _laid_shape(series: Any) -> tuple[int, int, int]:
    """Return (height, width, bands) of such a series."""
    first, second, third = map(int, series.shape)
    return (first, second, third) if series.kind == "shaped" else (second, third, first)


def _deep(values: np.ndarray, alpha: int | None, turn: int, pages: int) -> tuple[Deep, tuple[str, ...]]:
    repairs: tuple[str, ...] = ()
    if turn in _TURNS:
        quarters, mirrored = _TURNS[turn]
        values = np.rot90(values, quarters)
        values = np.ascontiguousarray(values[:, ::-1] if mirrored else values)
        repairs += (f"rotated by EXIF orientation {turn}",)
    if pages > 1:
        repairs += (f"first frame of {pages}",)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise DecodingError(f"values must be real numbers; got {values.dtype}")
    clear = None
    if alpha is not None:
        most = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1.0
        clear = 1 - np.clip(values[..., alpha].astype(np.float64) / most, 0, 1)
        values = np.delete(values, alpha, axis=2)
    count, bits = values.shape[2], 8 * values.itemsize
    bands = {1: "gray", 3: "RGB"}.get(count, f"of {count} bands")
    name = f"float {bands}" if values.dtype.kind == "f" else f"{bits}-bit {bands}"
    top = {"uint8": 255.0, "uint16": 65535.0}.get(str(values.dtype.newbyteorder("=")))
    return Deep(values.astype(values.dtype.newbyteorder("="), copy=False), name, top, clear), repairs


def _opened(data: bytes) -> Any:
    declared = _declared(data)
    if declared is None:
        raise DecodingError("damaged: begins like TIFF, but its header cannot be read")
    try:
        import tifffile
    except ImportError:
        height, width, bands = declared
        raise DecodingError(
            f'a TIFF of {height}×{width} pixels and {bands} bands that needs tifffile: pip install "striate[tiff]"'
        ) from None
    return tifffile.TiffFile(io.BytesIO(data))


def _shape(page: Any) -> tuple[int, int, int]:
    height, width = int(page.imagelength), int(page.imagewidth)
    if page.axes not in ("YX", "YXS", "SYX") or not page.dtype or not height * width:
        raise DecodingError(f"a page must be rows and columns of pixels; got axes {page.axes or '?'}")
    return height, width, int(page.samplesperpixel)


def _own_shape(page: Any) -> tuple[int, ...]:
    height, width, bands = _shape(page)
    return (bands, height, width) if page.axes == "SYX" else (height, width, bands)


def _orientation(page: Any) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag is not None and int(tag.value) in _TURNS else 1


def _alpha(page: Any) -> int | None:
    """Return which band the file calls alpha; None where none."""
    if is_fourth_band(str(page.software), 8 * page.dtype.itemsize):
        return None
    extra = [int(value) for value in page.extrasamples]
    first = int(page.samplesperpixel) - len(extra)
    return next((first + i for i, value in enumerate(extra) if value in (1, 2)), None)


def _declared(data: bytes) -> tuple[int, int, int] | None:
    """Return (height, width, bands) that the first directory declares; None where there is none to be read."""
    order, big = "<" if data[:1] == b"I" else ">", data[2:4] in (b"+\0", b"\0+")
    found = {_BANDS: 1}
    try:
        (offset,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
        start, step = offset + (8 if big else 2), 20 if big else 12
        for i in range(min(count, 500)):
            tag, kind = struct.unpack_from(order + "HH", data, start + i * step)
            if tag in (_WIDTH, _HEIGHT, _BANDS):
                at = start + i * step + (12 if big else 8)
                (found[tag],) = struct.unpack_from(order + {3: "H", 4: "I"}[kind], data, at)
        return found[_HEIGHT], found[_WIDTH], found[_BANDS]
    except (struct.error, KeyError):
        return None


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split())
    if "imagecodecs" in said:
        return f"compressed in a way that needs another package ({said[:80]}): pip install imagecodecs"
    if "corrupt" in said or isinstance(error, struct.error | EOFError) or "end of file" in said:
        return "truncated: the file ends before the image does"
    return f"damaged: {said[:200] or type(error).__name__}"
