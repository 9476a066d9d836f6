"""The one decoder: from files, bytes, Pillow images and arrays to uint8 pixels, for training, prediction and serving.

Colour profiles (ICC) are ignored, as they were when the published models were trained: the numbers in the file count.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from striate.data.decoding.conversion import TRANSPOSITIONS, channels_of, orientation_of, to_uint8
from striate.data.decoding.pixels import fit_pixels, pixel_hash, to_channels
from striate.data.foreign import foreign_bytes
from striate.errors import DecodingError

try:
    from PIL import AvifImagePlugin
except ImportError:  # Pillow before 11.3
    AvifImagePlugin = None

__all__ = ["Decoded", "Header", "decode", "fit_pixels", "pixel_hash", "probe", "read_bytes", "to_channels"]

# Importing a plugin registers it; JPEG's opens MPO too. Pillow's 40 other formats are never tried: some start other
# programs, and most are hardly tested against hostile files.
_PLUGINS = {
    "JPEG": JpegImagePlugin,
    "PNG": PngImagePlugin,
    "GIF": GifImagePlugin,
    "BMP": BmpImagePlugin,
    "TIFF": TiffImagePlugin,
    "WEBP": WebPImagePlugin,
    "PPM": PpmImagePlugin,
    "JPEG2000": Jpeg2KImagePlugin,
    "AVIF": AvifImagePlugin,
}
FORMATS = tuple(name for name, plugin in _PLUGINS.items() if plugin)
FOREIGN = {
    b"8BPS": "PSD",
    b"%PDF": "PDF",
    b"%!PS": "EPS",
    b"\0\0\1\0": "ICO",
    b"<svg": "SVG",
    b"\0\0\0\x0cJXL ": "JPEG XL",
}
# opening a pipe without O_NONBLOCK would wait for ever
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
LIMIT_PX = 100_000_000
LIMIT_BYTES = 1 << 30

Source = Path | str | bytes | Image.Image | np.ndarray
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded image: `pixels` uint8 (h, w, c), c 1 or 3, and `repairs`, how it had to be repaired."""

    pixels: np.ndarray
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says about itself: height and width in pixels as decoded, and channels, 1 or 3."""

    height: int
    width: int
    channels: int


def decode(source: Source) -> Decoded:
    """Decode one image to uint8 (h, w, c): gray stays one channel, everything else becomes RGB.

    EXIF orientation is applied, 16-bit gray scaled to 8 bits, transparency laid over white, CMYK converted, and of
    several frames the first is taken; each of these is named in `repairs`.

    Arguments:
        source: a path, the bytes of a file, a Pillow image, or a uint8 array (h, w), (h, w, 1), (h, w, 3) or (h, w, 4).

    Returns:
        `Decoded(pixels, repairs)`.

    Raises:
        DecodingError: it cannot be decoded whole; the message is the reason and leaves the file's name to the caller.

    >>> decode(np.zeros((2, 3), np.uint8)).pixels.shape
    (2, 3, 1)
    """
    if isinstance(source, np.ndarray):
        return _decode_array(source)
    return _opened(source, _decoded)


def probe(source: Source) -> Header:
    """Return height, width and channels of an image as `decode` would give them, from its header alone.

    Raises:
        DecodingError: the header already shows that it cannot be decoded.
    """
    if isinstance(source, np.ndarray):
        return Header(*_decode_array(source).pixels.shape)
    return _opened(source, _header)


def read_bytes(path: Path | str) -> bytes:
    """Return the content of an image file.

    Raises:
        DecodingError: it is missing, empty, larger than 1 GiB, not a regular file, or cannot be read.
    """
    try:
        handle = os.open(path, _OPEN_FLAGS)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise DecodingError("a folder, not a file" if stat.S_ISDIR(found.st_mode) else "not a regular file")
            if found.st_size > LIMIT_BYTES:
                raise DecodingError(f"oversized: a file of {found.st_size / 1e9:.1f} GB; at most 1 GiB is read")
            with open(handle, "rb", buffering=0, closefd=False) as file:
                data = file.readall()
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise DecodingError("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        if isinstance(error, DecodingError):
            raise
        raise DecodingError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not data:
        raise DecodingError("empty file")
    return data


def _opened(source: Path | str | bytes | Image.Image, use: Callable[[Image.Image], _T]) -> _T:
    """Return `use(image)`; whatever Pillow raises on the way becomes a DecodingError."""
    if isinstance(source, (str, Path)):
        source = read_bytes(source)
    elif isinstance(source, bytes) and not source:
        raise DecodingError("empty file")
    try:
        with QUIET:
            if isinstance(source, Image.Image):
                _check_area(source)
                return use(source)
            with Image.open(io.BytesIO(source), formats=FORMATS) as image:
                _check_area(image)
                return use(image)
    except (DecodingError, MemoryError):
        raise
    except Exception as error:
        raise DecodingError(_reason(error, source if isinstance(source, bytes) else b"")) from error


def _check_area(image: Image.Image) -> None:
    width, height = image.size
    if width * height > LIMIT_PX:
        raise _oversized(width * height)
    if not width * height:
        raise DecodingError(f"no pixels: {width}×{height}")


def _oversized(area_px: int) -> DecodingError:
    return DecodingError(f"oversized: {area_px / 1e6:,.0f} megapixels; at most {LIMIT_PX / 1e6:.0f} are decoded")


def _header(image: Image.Image) -> Header:
    width, height = image.size
    # Pillow gives the size of a TIFF as it will be after turning it
    if orientation_of(image) >= 5 and not hasattr(image, "tag_v2"):
        width, height = height, width
    return Header(height, width, channels_of(image))


def _decoded(image: Image.Image) -> Decoded:
    tiff = hasattr(image, "tag_v2")  # Pillow turns a TIFF while loading and forgets the orientation
    orientation = orientation_of(image) if tiff else 1
    image.load()
    orientation = orientation if tiff else orientation_of(image)
    turned = image if tiff or orientation == 1 else image.transpose(TRANSPOSITIONS[orientation])
    pixels, repairs = to_uint8(turned)
    if orientation != 1:
        repairs = (f"rotated by EXIF orientation {orientation}", *repairs)
    frames = _frames(image)
    if frames != 1:
        repairs = (*repairs, f"first frame of {frames or 'several'}")
    return Decoded(pixels, repairs)


def _frames(image: Image.Image) -> int:
    """Return the number of frames; 0 if there are more but broken ones."""
    try:
        return getattr(image, "n_frames", 1)
    except Exception:
        return 0


def _decode_array(array: np.ndarray) -> Decoded:
    if array.dtype != np.uint8:
        way_out = {"f": "multiply by 255 if they are in [0, 1], and use .astype(np.uint8)", "b": "multiply by 255"}
        raise DecodingError(
            f"an array must be uint8, 0 to 255; got {array.dtype}. Scale the pixels: "
            f"{way_out.get(array.dtype.kind, 'divide to 0 … 255 and use .astype(np.uint8)')}"
        )
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not array.size:
        raise DecodingError(
            f"an array must be (h, w), (h, w, 1), (h, w, 3) or (h, w, 4); got {array.shape}. "
            "Channels come last: use np.moveaxis(image, 0, -1) where they come first"
        )
    if array.shape[2] == 4:
        return Decoded(*to_uint8(Image.fromarray(np.ascontiguousarray(array))))
    return Decoded(array)


def _reason(error: Exception, data: bytes) -> str:
    said = " ".join(str(error).split())
    if isinstance(error, Image.DecompressionBombError) and (area := re.search(r"\d+", said)):
        return str(_oversized(int(area[0])))
    cut_riff = data.startswith(b"RIFF") and len(data) < int.from_bytes(data[4:8], "little") + 8
    if cut_riff or isinstance(error, EOFError) or re.search("truncated|not (large )?enough", said, re.IGNORECASE):
        return "truncated: the file ends before the picture does"
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(data)
    return f"damaged: {said or type(error).__name__}"


def _unidentified(data: bytes) -> str:
    start = data[:16]
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        return "HEIC is not supported: save the image as JPEG or PNG (heif-convert does it)"
    if start.startswith(b"version https://"):
        return "a Git LFS pointer, not the image: run git lfs pull"
    foreign = next((name for magic, name in FOREIGN.items() if start.startswith(magic)), None)
    if foreign:
        return f"{foreign} is not supported: save the image as JPEG or PNG"
    if form := foreign_bytes(data):
        return str(form)
    kind = next((name for name in FORMATS if _begins_like(name, start)), None)
    if kind:
        return f"damaged: begins like {kind}, but its header cannot be read"
    return f"not an image: begins with {data[:12]!r}{'…' if len(data) > 12 else ''}"


def _begins_like(name: str, start: bytes) -> bool:
    accept = Image.OPEN[name][1]
    return bool(accept and accept(start) is True)


class _Quiet:
    """While any thread is inside, warnings that Pillow's own modules issue are ignored.

    `warnings.catch_warnings` would do for one thread; with several, one restores what another still needs.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._inside = 0
        self._filter: tuple | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._filter = warnings.filters[0]

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._filter in warnings.filters:
                warnings.filters.remove(self._filter)  # pyright: ignore


QUIET = _Quiet()
