"""Images of any kind as a net is given them: block by block, uint8 and of its own size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.classifier.prediction import image_name
from striate.classifier.preprocessing import Preprocessing
from striate.data.catalog import Catalog
from striate.data.decoding.deep import check_bytes
from striate.data.decoding.fitted import decode_to
from striate.data.imageset import ImageSet
from striate.data.preparing.arrays import scaled_images
from striate.errors import DecodingError, ShapeError

OneImage = str | Path | Image.Image | np.ndarray
Images = np.ndarray | ImageSet | Catalog | Sequence[OneImage]


def pixel_block(shape: Preprocessing, images: Images, start: int, stop: int) -> np.ndarray:
    """Return images start…stop as uint8 (m, h, w, c) of the size and channels that a net is given.

    Raises:
        DecodingError: one of them cannot be read; the message names it.
        ShapeError: an array that is none of images.
    """
    if isinstance(images, ImageSet):
        block: Iterable[Any] = images.pixels[images.rows[start:stop]]
    elif isinstance(images, Catalog):
        own = images.images if images.raw is None or shape.window in (None, images.window) else images.raw
        block = own[start:stop]
    else:
        block = images[start:stop]
    if isinstance(block, np.ndarray) and block.ndim in (3, 4) and not isinstance(images, ImageSet):
        block = _windowed(shape, block)
    if isinstance(block, np.ndarray):
        if block.dtype != np.uint8 or block.ndim not in (3, 4):
            raise ShapeError(
                "images must be uint8 (n, h, w) or (n, h, w, c), values 0…255; "
                f"got {block.dtype} {(len(images), *block.shape[1:])}"
            )
        block = block[..., None] if block.ndim == 3 else block
        # An image set of this size was cut to it; of plain arrays that is known only where nothing is cut.
        cut = isinstance(images, ImageSet) or shape.resize is None
        if cut and block.shape[1:] == (*shape.size, shape.channels):
            return block
    return np.stack([_fit(shape, one, scaled=isinstance(block, np.ndarray)) for one in block])


def _windowed(shape: Preprocessing, block: np.ndarray) -> np.ndarray:
    """Return arrays that are not of bytes as bytes, where this model knows how."""
    if block.dtype == np.uint8 or shape.window is None or block.dtype.kind not in "iuf":
        check_bytes(shape.window if block.dtype == np.uint8 else None)
        return block
    return scaled_images(block[..., None] if block.ndim == 3 else block, shape.window)


def _fit(shape: Preprocessing, image: Any, *, scaled: bool = False) -> np.ndarray:
    try:
        return decode_to(image, shape, None if scaled else shape.window)[0]
    except DecodingError as error:
        name = image_name(image)
        raise DecodingError(f"{name}: {error}" if name else str(error)) from None
