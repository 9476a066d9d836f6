"""Arrays of more than 8 bits, brought to bytes by one window for all of them."""

from __future__ import annotations

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.deep import Deep, as_bytes, check_bytes, own_scale
from striate.data.decoding.windows import MOST_SAMPLES, PixelWindow, choose_window, samples_of, thinned
from striate.data.preparing.choosing import Wish, window_for
from striate.errors import DataError, DecodingError

_CHUNK = 1 << 22  # values converted at a time: no second copy in floats of the whole


def in_bytes(catalog: Catalog, wish: Wish) -> tuple[np.ndarray, Wish, tuple[str, tuple[str, ...]]]:
    """Return a catalog's array as uint8 (n, h, w, c), the wish with the window that is used, and (how, notes).

    Raises:
        DataError: the values are on another scale than the window that is wished, or than 8 bits.
    """
    images, window = catalog.images, wish.window
    assert isinstance(images, np.ndarray)
    if isinstance(window, PixelWindow) and window != catalog.window and isinstance(catalog.raw, np.ndarray):
        images = catalog.raw
    images = images[..., None] if images.ndim == 3 else images
    try:
        if images.dtype == np.uint8:
            if isinstance(window, PixelWindow) or window is None:
                check_bytes(window)
                return images, wish, ("", ())
            return images, wish._replace(window=catalog.window), ("", ())
        notes: tuple[str, ...] = ()
        if window == "choose":
            window, notes = _chosen(images, catalog)
        return _scaled(images, window), wish._replace(window=window), (_how(images, window), notes)
    except DecodingError as error:
        raise DataError(f"{catalog.source}: {error}") from None


def _chosen(images: np.ndarray, catalog: Catalog) -> tuple[PixelWindow | None, tuple[str, ...]]:
    learning = np.flatnonzero(~np.isin(catalog.splits, ("valid", "test")))
    rows = learning if len(learning) else np.arange(len(images))
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, MOST_SAMPLES).astype(np.int64))]
    window = choose_window([thinned(images[row]) for row in rows], [_top(images)])
    return window_for(window, f"{images.dtype} images", len(images), len(images))


def _scaled(images: np.ndarray, window: PixelWindow | None) -> np.ndarray:
    if window is None:  # one answer for all of them
        window = own_scale(_deep(np.concatenate(samples_of([images]))))
    scaled = np.empty(images.shape, np.uint8)
    step = max(1, _CHUNK // max(1, images[:1].size))
    for start in range(0, len(images), step):
        part = images[start : start + step]
        flat = part.reshape(len(part) * part.shape[1], *part.shape[2:])
        scaled[start : start + step] = as_bytes(_deep(flat), window)[0].reshape(part.shape)
    return scaled


def _deep(values: np.ndarray) -> Deep:
    return Deep(values, str(values.dtype), _top(values))


def _top(values: np.ndarray) -> float | None:
    return 65535.0 if values.dtype == np.uint16 else None


def _how(images: np.ndarray, window: PixelWindow | None) -> str:
    return f"{images.dtype} scaled to 8 bits: {window} to 0 … 255" if window else f"{images.dtype} scaled to 8 bits"


def scaled_images(images: np.ndarray, window: PixelWindow | None) -> np.ndarray:
    """Return uint8 (n, h, w, c) of images of any real type, by a model's window.

    Raises:
        DecodingError: they are on another scale.
    """
    if images.dtype == np.uint8:
        check_bytes(window)
        return images
    return _scaled(images, window)
