"""From a Pillow image of any mode to uint8 pixels, one channel or three, with what had to be done to it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from PIL import Image

GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
_ORIENTATION_HOLDERS = frozenset({"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"})


def channels_of(image: Image.Image) -> int:
    """Return 1 if the image is gray by its mode or its opaque palette, else 3; needs the header only."""
    if image.mode == "P":
        return 1 if "transparency" not in image.info and _palette_is_gray(image) else 3
    return 1 if image.mode in GRAY_MODES else 3


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where none is given or the EXIF block cannot be read."""
    if not (_ORIENTATION_HOLDERS & image.info.keys() or hasattr(image, "tag_v2")):
        return 1
    orientation: Any = 1
    with contextlib.suppress(Exception):  # a broken EXIF block is no reason to refuse sound pixels
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    return orientation if orientation in TRANSPOSITIONS else 1


def to_uint8(image: Image.Image) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 pixels (h, w, c), c 1 or 3, and the repairs, of a loaded image of 8 bits; it is not turned."""
    if image.mode == "CMYK":
        return _array(image.convert("RGB")), ("CMYK converted to RGB",)
    channels = channels_of(image)
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return _over_white(image, channels)
    mode = "L" if channels == 1 else "RGB"
    return _array(image if image.mode == mode else image.convert(mode)), ()


def _array(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _palette_is_gray(image: Image.Image) -> bool:
    if image.palette is None:
        return False
    order = image.palette.rawmode or image.palette.mode
    entries = np.frombuffer(bytes(image.palette.palette), np.uint8)
    if order.endswith(";L"):  # TIFF keeps all reds, then all greens, then all blues
        colours = entries[: len(entries) // 3 * 3].reshape(3, -1).T
    else:
        colours = entries[: len(entries) // len(order) * len(order)].reshape(-1, len(order))[:, :3]
    return bool(len(colours)) and bool((colours == colours[:, :1]).all())


def _over_white(image: Image.Image, channels: int) -> tuple[np.ndarray, tuple[str, ...]]:
    straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)
    rgba = (image.convert(straight) if straight else image).convert("RGBA")
    transparent = rgba.getchannel("A").getextrema()[0] != 255
    if transparent:
        rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    pixels = np.asarray(rgba)[..., :channels]
    return np.ascontiguousarray(pixels), ("transparency laid over white",) if transparent else ()
