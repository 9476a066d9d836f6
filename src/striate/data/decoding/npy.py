"""Images that are saved as one NumPy array each, `.npy`: their header checked, no Python objects."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np

from striate.data.decoding.stored import too_many_bytes
from striate.errors import DecodingError

MAGIC = b"\x93NUMPY"
_LIMIT_BYTES = 500_000_000


def decode_npy(data: bytes) -> np.ndarray:
    """Return the image in the bytes of a `.npy` file: (h, w) or (h, w, c); channels that come first are moved.

    Raises:
        DecodingError: damaged, too large, Python objects, or no image.

    >>> file = io.BytesIO()
    >>> np.save(file, np.zeros((3, 8, 9), np.uint8))
    >>> decode_npy(file.getvalue()).shape
    (8, 9, 3)
    """
    shape, kind, start = _header(data)
    if kind.hasobject or kind.kind not in "biuf":
        raise DecodingError(f"an array of {kind}, where an image is numbers: nothing of it was read")
    count = math.prod(shape)
    if count * kind.itemsize > _LIMIT_BYTES:
        raise too_many_bytes(count * kind.itemsize, _LIMIT_BYTES, "an array")
    if min(shape, default=0) < 1 or len(data) - start < count * kind.itemsize:
        raise DecodingError("truncated: the file ends before the array does" if count > 0 else f"an array of {shape}")
    array = np.frombuffer(data, kind, count, start)
    array = array.reshape(shape, order="F" if _is_fortran(data) else "C").astype(kind.newbyteorder("="), copy=False)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    while array.ndim > 3 and len(array) == 1:
        array = array[0]
    sides = array.shape
    if len(sides) == 3 and sides[2] not in (1, 3, 4) and (sides[0] in (1, 3, 4) or 4 * sides[0] < min(sides[1:])):
        array = np.moveaxis(array, 0, -1)
    return array


def _header(data: bytes) -> tuple[tuple[int, ...], Any, int]:
    """Return (shape, type, where the values begin)."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = reader(file)
    except Exception as error:  # a damaged header can fail in any way
        raise DecodingError(f"damaged: its header is not that of an array ({str(error)[:100]})") from None
    return shape, kind, file.tell()


def _is_fortran(data: bytes) -> bool:
    return b"'fortran_order': True" in data[:256]
