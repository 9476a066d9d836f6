"""Images of more than 8 bits a value, or of other bands than gray and RGB: their values as the file has them.

Pillow keeps the upper byte of 16-bit colour and takes any fourth band for transparency; here both bytes are read and
alpha is what the file calls so.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image

from striate.data.decoding.formats import LIMIT_PX
from striate.data.decoding.windows import BYTES_SPREAD, PixelWindow, choose_window
from striate.errors import DecodingError
from striate.units import percent

_BITS, _PHOTOMETRIC, _DESCRIPTION, _BANDS = 258, 262, 270, 277
_PLANES, _SOFTWARE, _EXTRA, _FORMAT = 284, 305, 338, 339
_MOST_BYTES, _STRIP_PX = 500_000_000, 1 << 20
# What libraries hold of a picture beside what they give, as measured.
_BESIDE = {"WEBP": 9, "AVIF": 9, "JPEG2000": 12}
_ALPHA = (1, 2)  # ExtraSamples: associated and unassociated
_CMYK, _YCBCR = 5, 6
_OTHER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
_SHAPED = re.compile(r'\{"shape": \[(\d{1,9}), (\d{1,9}), (\d{1,9})\]')
_SIXTEEN = (";16B", ";16L", ";16N")
# Images of one camera differ less than so many times in the spread of their values.
_OTHER_UNITS = 16
# So many widths of the window away no picture of the same units lies, however bright.
_BEYOND_SIGHT = 10


@dataclass(frozen=True, eq=False)
class Deep:
    """What a file holds, before anything is scaled.

    Arguments:
        values: (h, w, c), of any real type.
        name: what they are called, as "16-bit gray".
        top: the greatest value that the container can hold, where that is a scale: 255, 4095 or 65535.
        clear: bool or [0, 1] (h, w), the transparent share of each pixel; None where there is none.
        inverted: whether zero is white.
    """

    values: np.ndarray
    name: str
    top: float | None = None
    clear: np.ndarray | None = None
    inverted: bool = False

    @property
    def wide(self) -> bool:
        """Whether values are no bytes."""
        return self.values.dtype != np.uint8


def bands_of(image: Image.Image) -> int | None:
    """Return how many bands a TIFF has beside alpha, where Pillow would take it for gray or RGB; else None."""
    tags = getattr(image, "tag_v2", None)
    if tags is None or image.mode not in ("L", "RGB", "RGBA", "LA"):
        return None
    count, extra = tags.get(_BANDS, 1), tuple(tags.get(_EXTRA, ()))
    if count not in (2, 4) or tags.get(_PHOTOMETRIC) in (_CMYK, _YCBCR):
        return None
    bits = max(tags.get(_BITS, (1,)))
    return None if set(extra) & set(_ALPHA) and not is_fourth_band(str(tags.get(_SOFTWARE, "")), bits) else count


def is_fourth_band(software: str, bits: int) -> bool:
    """Return whether what a TIFF calls alpha is a band: tifffile calls each fourth one so, unless it is told otherwise.

    Of 8 bits it may be either, and the file's word counts.
    """
    return software.startswith("tifffile") and bits > 8


def is_wide(image: Image.Image) -> bool:
    """Return whether an image has values of more than 8 bits; needs the header only."""
    return image.mode.startswith("I") or image.mode == "F" or _raw_mode(image).endswith(_SIXTEEN)


def needs_tifffile(image: Image.Image) -> bool:
    """Return whether Pillow opens a TIFF and gives it wrongly: more bands, unsigned 32 bits, deep planes."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return False
    if holds_bands_in_pages(str(tags.get(_DESCRIPTION, "")), image.height, image.width):
        return True
    if tags.get(_BANDS, 1) > 4 and tags.get(_PHOTOMETRIC) != _CMYK:  # Pillow would take the first three
        return True
    bits = max(tags.get(_BITS, (1,)))
    signed = tags.get(_FORMAT, (1,))[0]
    return (bits == 32 and signed == 1) or (bits == 8 and signed == 2) or (bits > 8 and tags.get(_PLANES) == 2)


def holds_bands_in_pages(description: str, height: int, width: int) -> bool:
    """Return whether the pages of a TIFF are together one image of bands, by what its writer says of it.

    tifffile makes a page of each row of an array (h, w, c), where nobody tells it what the axes are; files of
    microscopes, OME and ImageJ, have a page for each channel.

    Arguments:
        description: the tag of the first page.
        height, width: of that page.

    >>> holds_bands_in_pages('{"shape": [64, 48, 5]}', 48, 5), holds_bands_in_pages('{"shape": [5, 64, 48]}', 64, 48)
    (True, False)
    """
    if shaped := _SHAPED.match(description):
        rows, *page = map(int, shaped.groups())
        return page == [height, width] and is_rows_first(rows, *page)
    if description.startswith("ImageJ="):
        told = dict(re.findall(r"^(channels|images)=(\d+)$", description, re.MULTILINE))
        return int(told.get("channels", "1")) > 1 and told.get("channels") == told.get("images")
    if "<OME" in description:
        sizes = dict(re.findall(r'\bSize([CZT])="(\d{1,6})"', description))
        samples = re.findall(r'\bSamplesPerPixel="(\d{1,6})"', description)
        return sizes.get("Z") == sizes.get("T") == "1" and int(sizes.get("C", "1")) > 1 and {*samples} <= {"1"}
    return False


def is_rows_first(rows: int, columns: int, bands: int) -> bool:
    """Whether an array of three axes is an image with its bands last: far fewer of them than pixels a side."""
    return bands > 1 and 2 * bands <= min(rows, columns)


def most_pixels(image: Image.Image) -> int:
    """Return how many pixels an image may have, so that decoding it takes half a gigabyte at most."""
    mode, raw = image.mode, _raw_mode(image)
    if raw.endswith(_SIXTEEN) and not mode.startswith("I"):
        bytes_each = 16 if mode == "RGB" else 28
    elif bands_of(image):
        bytes_each = 16
    elif mode in ("I", "F"):
        bytes_each = 13
    else:  # what Pillow holds, and what is made of it
        bytes_each = {"1": 2, "L": 2, "P": 4}.get(mode, 7) + _BESIDE.get(image.format or "", 0)
    return min(LIMIT_PX, _MOST_BYTES // bytes_each)


def read_deep(image: Image.Image, data: bytes) -> Deep | None:
    """Return the values of a Pillow image that has more than 8-bit gray, RGB and alpha; None for all others.

    Arguments:
        data: the file that it is from, empty where there is none.

    Raises:
        DecodingError: values that are not finite.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _gray(image)
    bands = bands_of(image)
    if not data or not (bands or _raw_mode(image).endswith(_SIXTEEN)):
        return None
    values = _both_bytes(data) if is_wide(image) else _raw(data, None)
    if bands:
        values = values[..., :bands]
        return Deep(values, f"{8 * values.itemsize}-bit of {bands} bands", 65535.0 if values.itemsize == 2 else 255.0)
    clear = None
    if values.shape[2] in (2, 4):
        clear = 1 - values[..., -1] / 65535
        values = values[..., :-1]
    return Deep(values, f"16-bit {'gray' if values.shape[2] == 1 else 'RGB'}", 65535.0, clear)


def as_bytes(deep: Deep, window: PixelWindow | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 (h, w, c) and the repairs.

    Arguments:
        window: of the set; None where pictures of 8 bits are expected, to which a 16-bit one fits if it uses at least
            half of its container, as a picture does.

    Raises:
        DecodingError: the values are on another scale.
    """
    if not deep.wide:
        check_bytes(window)
        return _laid_over_white(deep, deep.values, ())
    values = _finite(deep.values)
    if window is None or (window.takes_bytes and not _fits(deep, window)):
        window = own_scale(deep)
    if len(window.low) not in (1, values.shape[2]):
        raise DecodingError(f"{values.shape[2]} bands, where {len(window.low)} are wanted")
    repairs: tuple[str, ...] = (f"{deep.name} scaled to 8 bits",)
    if window.full and deep.top:
        pixels = PixelWindow(window.kind, (0.0,), (deep.top,)).applied(values)
    else:
        _check_scale(deep, window)
        pixels = window.applied(values)
        same = (window.low, window.high) == ((0.0,), (255.0,))
        said = "values 0 … 255 taken as 8 bits" if same else f"scaled to 8 bits: {window} to 0 … 255"
        repairs = (f"{deep.name} {said}",)
        if (beyond := window.outside(values)) > 0.1:
            repairs += (f"{percent(beyond, 0)} of its values lie far outside of that",)
    return _laid_over_white(deep, 255 - pixels if deep.inverted else pixels, repairs)


def check_bytes(window: PixelWindow | None) -> None:
    """Refuse 8-bit pixels where others are expected.

    Raises:
        DecodingError: the window is not a whole scale.
    """
    if window and not window.takes_bytes:
        raise DecodingError(
            f"8-bit pixels, where {window.kind} values {window} are expected: how these were scaled is not known. "
            "Give the originals"
        )


def own_scale(deep: Deep) -> PixelWindow:
    """Return the whole scale of which an image by itself uses enough to tell.

    Raises:
        DecodingError: it does not.
    """
    chosen = choose_window([deep.values], [deep.top])
    if chosen.takes_bytes:
        return chosen
    raise DecodingError(
        f"{deep.name} with values {chosen}, where 8-bit images are expected: how those were made of such values is "
        "not known. Scale it as they were"
    )


def _fits(deep: Deep, window: PixelWindow) -> bool:
    """Whether values are in the units of a whole scale, 0…1, 0…255 or 0…65535."""
    floats = deep.values.dtype.kind == "f"
    return floats == window.kind.startswith("float") and window.outside(deep.values) <= 0.5


def _check_scale(deep: Deep, window: PixelWindow) -> None:
    """Refuse values in other units: nearly all of them far outside and of another kind or spread, or beyond sight as 12
    bits that were moved up are, fractions 0…1 for greater numbers, 0…255 as 8-bit pictures have it for a window beyond.
    """
    values = deep.values
    low, high = float(values.min()), float(values.max())
    floats, wanted_floats = values.dtype.kind == "f", window.kind.startswith("float")
    fractions = floats and low >= 0 and 0 < high <= 1 and bool((values != np.rint(values)).any())
    if window.takes_bytes and window.high == (255.0,):
        other = fractions
    else:
        width = max(b - a for a, b in zip(window.low, window.high, strict=True))
        alike = low == high or width / _OTHER_UNITS < high - low < width * _OTHER_UNITS
        other = (floats != wanted_floats or not alike) and window.outside(values) > 0.9
        other |= low < high and window.outside(values, _BEYOND_SIGHT) > 0.9
        other |= fractions and not wanted_floats
        other |= low >= 0 and high <= 255 and high - low >= BYTES_SPREAD and window.outside(values, 0) > 0.99
    if other:
        raise DecodingError(
            f"{deep.name} with values {low:.6g} … {high:.6g}, where {window.kind} values {window} are expected: "
            "these seem to be in other units. Scale it as those were"
        )


def _finite(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
        raise DecodingError(
            f"float pixels must be finite; {int((~finite).sum())} are not. Replace what is not a number, as with "
            "numpy.nan_to_num"
        )
    return values


def _laid_over_white(deep: Deep, pixels: np.ndarray, repairs: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    if deep.clear is None or not deep.clear.any():
        return pixels, repairs
    laid = np.empty_like(pixels)
    for top in range(0, len(pixels), rows := max(1, _STRIP_PX // pixels.shape[1])):
        share = deep.clear[top : top + rows, :, None].astype(np.float64)
        laid[top : top + rows] = np.rint(pixels[top : top + rows] * (1 - share) + 255 * share).astype(np.uint8)
    return laid, (*repairs, "transparency laid over white")


def _gray(image: Image.Image) -> Deep:
    values = _finite(np.asarray(image))
    tags = getattr(image, "tag_v2", {})
    bits = 12 if tags.get(_BITS) == (12,) else 16
    inverted = tags.get(_PHOTOMETRIC) == 0  # white is zero; Pillow minds that in 8 bits only
    key = image.info.get("transparency")
    clear = values == key if isinstance(key, int) and (values == key).any() else None
    # by the file, not by its values: those of one set are called alike
    held = tags.get(_BITS, (16 if image.mode.startswith("I;16") or values.min() >= 0 else 32,))[0]
    name = "float gray" if image.mode == "F" else f"{held}-bit gray"
    whole = image.mode != "F" and values.min() >= 0 and values.max() < 2**bits
    return Deep(values[..., None], name, 2.0**bits - 1 if whole else None, clear, inverted)


def _raw_mode(image: Image.Image) -> str:
    tile = getattr(image, "tile", None)
    args = tile[0][3] if tile else ""
    return str(args[0] if isinstance(args, tuple) and args else args or "")


def _both_bytes(data: bytes) -> np.ndarray:
    """Return uint16 (h, w, c): Pillow takes the upper byte of each value, and the lower one if told another order."""
    with Image.open(io.BytesIO(data)) as image:
        mode = _raw_mode(image)
    if mode.startswith("LA"):  # as two bytes each of gray and alpha
        four = _raw(data, "RGBA").astype(np.uint16)
        return four[..., ::2] << 8 | four[..., 1::2]
    upper, lower = _raw(data, mode), _raw(data, mode[:-1] + _OTHER[mode[-1]])
    values = upper.astype(np.uint16)
    values <<= 8
    values |= lower
    return values


def _raw(data: bytes, raw_mode: str | None) -> np.ndarray:
    """Return uint8 (h, w, c) of a file, decoded as `raw_mode` says; a fourth band is no padding."""
    with Image.open(io.BytesIO(data)) as image:
        mode = raw_mode or _raw_mode(image)
        for padded, whole, wanted in (("RGBX", "RGBA", "RGBA"), ("LX", "LA", "LA")):
            if mode.startswith(padded):
                mode, image._mode = mode.replace(padded, whole), wanted
        image.tile = [tile._replace(args=_with_mode(tile.args, mode)) for tile in image.tile]
        pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _with_mode(args: object, mode: str) -> object:
    return (mode, *args[1:]) if isinstance(args, tuple) else mode
