"""Images as people hand them to a classifier: paths, bytes, open files, tensors, columns of them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.data.readers.arrays import as_numpy
from striate.data.readers.lookup import is_address
from striate.errors import ArgumentError

_TAKEN = "a path, bytes, an open file, a PIL image, a uint8 array, a tensor, or a list of them"


def as_inputs(images: Any) -> Any:
    """Return one image, or several, as `Classifier.predict` and `predict_proba` take them.

    Arguments:
        images: what they take already, which is handed on; an open binary file; a tensor (c, h, w) or (n, c, h, w),
            uint8 or floats in 0…1; an array or a column (n,) of paths; a list or an iterator of any of these.

    Raises:
        ArgumentError: it is none of them, an address, or a tensor of other values; the message names it.
    """
    if isinstance(images, ImageSet | Catalog):
        return images
    if isinstance(images, list | tuple | Iterator) and not hasattr(images, "read"):
        return [_as_image(one, f"image {i}: ") for i, one in enumerate(images)]
    if hasattr(images, "__array__") and not isinstance(images, Image.Image):
        array = as_numpy(images)
        if array.ndim == 1 and array.dtype.kind in "OUT" and array.size:
            return [_as_image(one, f"image {i}: ") for i, one in enumerate(array.tolist())]
    return _as_image(images, "")


def _as_image(image: Any, where: str) -> Any:
    if isinstance(image, str | os.PathLike):
        if is_address(os.fspath(image)):
            raise ArgumentError(f"{where}{image} is an address: download it first, then give the file")
        return Path(image) if not isinstance(image, str) else image
    if isinstance(image, np.ndarray | Image.Image | bytes):
        return image
    if isinstance(image, bytearray | memoryview):
        return bytes(image)
    if callable(getattr(image, "read", None)):
        content = None if isinstance(image, io.TextIOBase) else image.read()
        if not isinstance(content, bytes):
            raise ArgumentError(f"{where}an open file must be opened for bytes, open(path, 'rb'); it gives text")
        return content
    if hasattr(image, "detach"):
        return _from_tensor(as_numpy(image), where)
    if hasattr(image, "__array__"):
        return np.asarray(image)
    raise ArgumentError(f"{where}an image must be {_TAKEN}; got a {type(image).__name__}")


def _from_tensor(array: np.ndarray, where: str) -> np.ndarray:
    """Return uint8 (h, w), (h, w, c) or (n, h, w, c) of a tensor with channels first, as torch has them."""
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype != np.uint8:
        low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
        if array.dtype.kind != "f" or not (low >= -1e-6 and high <= 1 + 1e-6):
            raise ArgumentError(
                f"{where}a tensor must be uint8, or floats in 0…1; got {array.dtype} in {low:g}…{high:g}. "
                "Give it as it was before it was normalised"
            )
        array = np.rint(array.astype(np.float64).clip(0, 1) * 255).astype(np.uint8)
    if array.ndim in (3, 4) and array.shape[-3] in (1, 3, 4):
        return np.moveaxis(array, -3, -1)
    return array
