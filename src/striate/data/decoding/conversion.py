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
_STRIP_PX = 1 << 21
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


def to_uint8(image: Image.Image, orientation: int = 1) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 pixels (h, w, c), c 1 or 3, and the repairs, of a loaded image of 8 bits, turned by an orientation.

    Strip by strip: beside the image and its pixels, no third copy of a large one is ever in memory.
    """
    channels = channels_of(image)
    seen = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    width, height = image.size
    if orientation == 1 and not seen and image.mode in ("L", "RGB"):  # as most are: no copy
        return np.asarray(image).reshape(height, width, channels), ()
    shape = (width, height) if orientation >= 5 else (height, width)
    pixels = np.empty((*shape, 3 if image.mode == "CMYK" else channels), np.uint8)
    upright, transparent = _turned_back(pixels, orientation), False
    rows = max(1, _STRIP_PX // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        strip = image if rows >= height else image.crop((0, top, width, bottom))
        if seen and image.mode != "CMYK":
            part, laid = _over_white(strip, channels)
            transparent |= laid
        else:
            mode = "L" if pixels.shape[2] == 1 else "RGB"
            part = np.asarray(strip if strip.mode == mode else strip.convert(mode))
        upright[top:bottom] = part[..., None] if part.ndim == 2 else part
    if image.mode == "CMYK":
        return pixels, ("CMYK converted to RGB",)
    return pixels, ("transparency laid over white",) if transparent else ()


def _turned_back(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of turned pixels in which they are as they were before."""
    match orientation:
        case 2:
            return pixels[:, ::-1]
        case 3:
            return pixels[::-1, ::-1]
        case 4:
            return pixels[::-1]
        case 5:
            return pixels.swapaxes(0, 1)
        case 6:
            return np.rot90(pixels)
        case 7:
            return pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(pixels, -1)
    return pixels


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


def _over_white(image: Image.Image, channels: int) -> tuple[np.ndarray, bool]:
    """Return pixels (h, w, channels) laid over white, and whether any was transparent."""
    straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)
    rgba = (image.convert(straight) if straight else image).convert("RGBA")
    transparent = rgba.getchannel("A").getextrema()[0] != 255
    if transparent:
        rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(rgba)[..., :channels], transparent
