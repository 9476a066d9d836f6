"""Arrays as people store images, brought to uint8 (n, h, w, c) where they have a whole scale; how is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from striate.data.decoding.windows import PixelWindow, choose_window, samples_of
from striate.errors import DataError

# Of the pixels of pictures with transparency, at least so many are opaque.
OPAQUE_SHARE = 0.25
_CHUNK = 1 << 22  # values converted at a time: no second copy in floats of the whole

Parts = Sequence[tuple[str, np.ndarray]]
Convert = Callable[[np.ndarray], np.ndarray]


class Scaled(NamedTuple):
    """Images brought to bytes where they have a whole scale, else as they are.

    Arguments:
        pixels: (n, h, w, c), or a list of (h, w, c): uint8, or with values that need a window.
        repair: how they were changed; empty where nothing was.
        raw: the values as they came, where they were brought to bytes by a scale of more than 8 bits.
        window: that scale.
    """

    pixels: Any
    repair: str
    raw: Any = None
    window: PixelWindow | None = None


def as_pixels(where: str, parts: Parts) -> Scaled:
    """Return all parts in one array (n, h, w, c), on one scale, and how they were changed.

    Arguments:
        where: the source, for messages.
        parts: (name, array) pairs, each (n, h, w), (n, h, w, c) or (n, c, h, w): bool, uint8, whole numbers or floats.
            What has a whole scale, 0…255, 0…1 or most of 0…65535, becomes uint8; other values are left, to be brought
            to bytes by one window. Four channels are RGBA, laid over white, if the fourth is one of transparency:
            mostly opaque. Other numbers are bands.

    Raises:
        DataError: shapes or types differ, or shape or type leave open what is meant.

    >>> as_pixels("x", [("images", np.array([[[0.0, 0.5, 1.0]]]))]).pixels.ravel().tolist()
    [0, 128, 255]
    """
    laid = [_channels_last(where, name, array) for name, array in parts]
    shape = laid[0].shape[1:]
    for (name, _), part in zip(parts, laid, strict=True):
        if part.shape[1:] != shape:
            raise DataError(f"{where}: images must have one size; {parts[0][0]} is {shape}, {name} is {part.shape[1:]}")
    if not sum(map(len, laid)) or 0 in shape:
        raise DataError(f"{where} must hold images; {', '.join(name for name, _ in parts)} has shape {laid[0].shape}")
    convert, notes, window = _scale(where, [(name, part) for (name, _), part in zip(parts, laid, strict=True)])
    moved = laid[0].shape != parts[0][1].shape and parts[0][1].ndim == 4
    notes += ["channels moved to the last axis"] if moved else []
    together = laid[0] if len(laid) == 1 else None
    raw = None
    if convert is _KEPT:
        return Scaled(np.concatenate(laid) if together is None else together, ", ".join(notes))
    pixels: np.ndarray
    if together is not None and convert is None:
        pixels = np.ascontiguousarray(together)
    else:
        pixels = np.empty((sum(map(len, laid)), *shape), np.uint8)
        start = 0
        for part in laid:
            _convert(part, pixels[start : start + len(part)], convert)
            start += len(part)
        raw = (np.concatenate(laid) if together is None else together) if window else None
    if shape[2] == 4 and _is_alpha([pixels]):
        pixels, notes, raw = _over_white(pixels), [*notes, "transparency laid over white"], None
    return Scaled(pixels, ", ".join(notes), raw, window)


def as_pixels_each(where: str, images: Sequence[np.ndarray]) -> Scaled:
    """Return a list of (h, w, c) of images of different sizes, on one scale; see `as_pixels`."""
    parts = [(f"image {i}", image[None]) for i, image in enumerate(images)]
    laid = [_channels_last(where, name, array) for name, array in parts]
    if empty := [name for (name, _), part in zip(parts, laid, strict=True) if not part.size]:
        raise DataError(f"{where}: {empty[0]} has no pixels")
    convert, notes, window = _scale(where, [(name, part) for (name, _), part in zip(parts, laid, strict=True)])
    originals = [part[0] for part in laid]
    if convert is _KEPT:
        return Scaled(originals, ", ".join(notes))
    pixels = []
    for part in laid:
        out: np.ndarray = np.empty(part.shape, np.uint8)
        _convert(part, out, convert)
        pixels.append(out)
    if all(part.shape[3] == 4 for part in pixels) and _is_alpha(pixels):
        return Scaled([_over_white(part)[0] for part in pixels], ", ".join([*notes, "transparency laid over white"]))
    whole = [_over_white(part)[0] if part.shape[3] == 4 and _is_alpha([part]) else part[0] for part in pixels]
    return Scaled(whole, ", ".join(notes), originals if window else None, window)


def _channels_last(where: str, name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 3:
        return array[..., None]
    if array.ndim == 4 and array.shape[3] in (1, 3, 4):
        return array
    if array.ndim == 4 and array.shape[1] in (1, 3, 4):
        return array.transpose(0, 2, 3, 1)
    if array.ndim == 4 and array.shape[3] < min(array.shape[1:3]):
        return array
    if array.ndim == 4 and array.shape[1] < min(array.shape[2:]):
        return array.transpose(0, 2, 3, 1)
    raise DataError(
        f"{where}: {name} must be images (n, h, w) or (n, h, w, c) with c 1, 3, 4 or fewer bands than pixels a side; "
        f"got shape {array.shape}. "
        + ("Reshape flat rows to (n, h, w) first" if array.ndim == 2 else "Bring the axes into that order")
    )


def _kept(values: np.ndarray) -> np.ndarray:
    return values


_KEPT = _kept


def _scale(where: str, parts: Parts) -> tuple[Convert | None, list[str], PixelWindow | None]:
    """Return how values become bytes (None: they are bytes; _KEPT: by a window later), in words, and their scale."""
    name, first = parts[0]
    kinds = {array.dtype for _, array in parts}
    if len(kinds) > 1:
        raise DataError(f"{where}: images must have one type; got {', '.join(sorted(map(str, kinds)))}")
    kind = first.dtype.newbyteorder("=")
    if kind == np.uint8:
        return None, [], None
    if kind == np.bool_:
        return lambda values: values.astype(np.uint8) * np.uint8(255), ["scaled from bool"], None
    if kind.kind not in "iuf":
        raise DataError(f"{where}: {name} must be numbers; got {kind} of shape {first.shape}. Save images as uint8")
    filled = [array for _, array in parts if array.size]
    # NumPy's minimum, unlike Python's, hands on not-a-number, for which no comparison below holds.
    low = float(np.min([float(array.min()) for array in filled]))
    high = float(np.max([float(array.max()) for array in filled]))
    if not np.isfinite([low, high]).all():
        raise DataError(_not_finite(where, parts))
    tops = [65535.0 if kind == np.uint16 else None]
    window = choose_window(samples_of(filled), tops, (low, high))
    if not window.takes_bytes:
        return _KEPT, [], None
    if window.high == (1.0,):
        return (
            lambda values: (values.clip(0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8),
            [f"scaled from {kind} 0…1"],
            window,
        )
    if window.high == (255.0,):
        if kind.kind == "f":
            return lambda values: (values + np.float32(0.5)).astype(np.uint8), [f"rounded from {kind} 0…255"], window
        return lambda values: values.astype(np.uint8), [f"stored as {kind} 0…255"], window
    scaled = [f"scaled from {kind} 0…65535"]
    return lambda values: ((values.astype(np.uint32) + 128) // 257).astype(np.uint8), scaled, window


def _not_finite(where: str, parts: Parts) -> str:
    """Return which image has the first value that is not a number or infinite, how many there are, and the way out."""
    name, array = next((name, array) for name, array in parts if not np.isfinite(array).all())
    bad = ~np.isfinite(array)
    images = np.flatnonzero(bad.reshape(len(array), -1).any(1))
    first = array[images[0]][bad[images[0]]].flat[0]
    which = "" if len(array) == 1 else f" of image {images[0]}, the first of {len(images):,} of {len(array):,} images"
    return (
        f"{where}: {name} must be finite; {int(bad.sum()):,} of {array.size:,} values are not, as {first}{which}. Put "
        "a value of your own there, as with numpy.nan_to_num, or leave these images out"
    )


def _is_alpha(parts: Sequence[np.ndarray]) -> bool:
    """Return whether the fourth of four channels (n, h, w, 4) is transparency, as a picture has it: mostly opaque.

    Another band, as near-infrared, reaches its greatest value in few pixels.
    """
    fourth = [part[..., 3] for part in parts]
    total = sum(one.size for one in fourth)
    return sum(int((one == 255).sum()) for one in fourth) >= OPAQUE_SHARE * total


def _convert(values: np.ndarray, out: np.ndarray, convert: Convert | None) -> None:
    step = max(1, _CHUNK // max(1, values[:1].size))
    for start in range(0, len(values), step):
        chunk = values[start : start + step]
        out[start : start + step] = chunk if convert is None else convert(chunk)


def _over_white(pixels: np.ndarray) -> np.ndarray:
    """Return RGB of RGBA uint8 (n, h, w, 4) over white: c·a + 255·(1 − a)."""
    result = np.empty((*pixels.shape[:3], 3), np.uint8)
    for i, image in enumerate(pixels):
        share = image[..., 3:].astype(np.uint32)
        result[i] = (image[..., :3] * share + 255 * (255 - share) + 127) // 255
    return result
