"""Arrays as people store images, brought to uint8 (n, h, w, c); how is said, and what cannot be told is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from striate.errors import DataError

_CHUNK = 1 << 22  # values converted at a time: no second copy in floats of the whole

Parts = Sequence[tuple[str, np.ndarray]]
Convert = Callable[[np.ndarray], np.ndarray]


def as_pixels(where: str, parts: Parts) -> tuple[np.ndarray, str]:
    """Return (pixels uint8 (n, h, w, c), repair): all parts in one array, on one scale, and how they were changed.

    Arguments:
        where: the source, for messages.
        parts: (name, array) pairs, each (n, h, w), (n, h, w, c) or (n, c, h, w) with c 1, 3 or 4: bool, uint8, whole
            numbers in 0…255, uint16, or floats in 0…1 or 0…255. Four channels are RGBA, laid over white.

    Raises:
        DataError: shapes differ, or shape, type or range leave open what is meant.

    >>> as_pixels("x", [("images", np.array([[[0.0, 0.5, 1.0]]]))])[0].ravel().tolist()
    [0, 128, 255]
    """
    laid = [_channels_last(where, name, array) for name, array in parts]
    shape = laid[0].shape[1:]
    for (name, _), part in zip(parts, laid, strict=True):
        if part.shape[1:] != shape:
            raise DataError(f"{where}: images must have one size; {parts[0][0]} is {shape}, {name} is {part.shape[1:]}")
    if not sum(map(len, laid)) or 0 in shape:
        raise DataError(f"{where} must hold images; {', '.join(name for name, _ in parts)} has shape {laid[0].shape}")
    convert, notes = _scale(where, parts)
    pixels: np.ndarray
    if len(laid) == 1 and convert is None:
        pixels = np.ascontiguousarray(laid[0])
    else:
        pixels = np.empty((sum(map(len, laid)), *shape), np.uint8)
        start = 0
        for part in laid:
            _convert(part, pixels[start : start + len(part)], convert)
            start += len(part)
    notes += ["channels moved to the last axis"] if laid[0].shape != parts[0][1].shape and parts[0][1].ndim == 4 else []
    if shape[2] == 4:
        pixels, notes = _over_white(pixels), [*notes, "transparency laid over white"]
    return pixels, ", ".join(notes)


def as_pixels_each(where: str, images: Sequence[np.ndarray]) -> tuple[list[np.ndarray], str]:
    """Return ([uint8 (h, w, c)], repair) of images of different sizes, on one scale; see `as_pixels`."""
    parts = [(f"image {i}", image[None]) for i, image in enumerate(images)]
    laid = [_channels_last(where, name, array) for name, array in parts]
    if empty := [name for (name, _), part in zip(parts, laid, strict=True) if not part.size]:
        raise DataError(f"{where}: {empty[0]} has no pixels")
    convert, notes = _scale(where, parts)
    pixels = []
    for part in laid:
        out: np.ndarray = np.empty(part.shape, np.uint8)
        _convert(part, out, convert)
        pixels.append((_over_white(out) if out.shape[3] == 4 else out)[0])
    return pixels, ", ".join(notes)


def _channels_last(where: str, name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim == 3:
        return array[..., None]
    if array.ndim == 4 and array.shape[3] in (1, 3, 4):
        return array
    if array.ndim == 4 and array.shape[1] in (1, 3, 4):
        return array.transpose(0, 2, 3, 1)
    raise DataError(
        f"{where}: {name} must be images (n, h, w) or (n, h, w, c) with c 1, 3 or 4; got shape {array.shape}. "
        + ("Reshape flat rows to (n, h, w) first." if array.ndim == 2 else "Bring the axes into that order.")
    )


def _scale(where: str, parts: Parts) -> tuple[Convert | None, list[str]]:
    """Return how values become bytes (None: they are bytes) and the words for it, decided over all parts together."""
    name, first = parts[0]
    kinds = {array.dtype for _, array in parts}
    if len(kinds) > 1:
        raise DataError(f"{where}: images must have one type; got {', '.join(sorted(map(str, kinds)))}")
    kind = first.dtype.newbyteorder("=")
    if kind == np.uint8:
        return None, []
    if kind == np.bool_:
        return lambda values: values.astype(np.uint8) * np.uint8(255), ["scaled from bool"]
    if kind.kind not in "iuf":
        raise DataError(f"{where}: {name} must be numbers; got {kind} of shape {first.shape}. Save images as uint8.")
    filled = [array for _, array in parts if array.size]
    # NumPy's minimum, unlike Python's, hands on not-a-number, for which no comparison below holds.
    low = float(np.min([float(array.min()) for array in filled]))
    high = float(np.max([float(array.max()) for array in filled]))
    if kind.kind == "f" and low >= -1e-6 and high <= 1 + 1e-6:
        return lambda values: (values.clip(0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8), [
            f"scaled from {kind} 0…1"
        ]
    if low >= 0 and high <= 255:
        if kind.kind == "f":
            return lambda values: (values + np.float32(0.5)).astype(np.uint8), [f"rounded from {kind} 0…255"]
        return lambda values: values.astype(np.uint8), [f"stored as {kind} 0…255"]
    if kind == np.uint16:
        return lambda values: ((values.astype(np.uint32) + 128) // 257).astype(np.uint8), ["scaled from uint16 0…65535"]
    raise DataError(
        f"{where}: {name} must be uint8, floats in 0…1 or 0…255, or uint16; got {kind} in {low:g}…{high:g} "
        f"of shape {first.shape}. Scale it to 0…1 first."
    )


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
