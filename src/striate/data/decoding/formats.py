"""Which formats are read, by what, and why a file cannot be."""

from __future__ import annotations

import importlib
import re

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

from striate.data.foreign import foreign_bytes
from striate.errors import DecodingError

try:
    from PIL import AvifImagePlugin
except ImportError:  # Pillow before 11.3
    AvifImagePlugin = None

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
_HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
# Packages that teach Pillow a format: (package on PyPI, module, what registers it, the format's name).
_HEIF_PLUGINS = (("pillow-heif", "pillow_heif", "register_heif_opener"), ("pi-heif", "pi_heif", "register_heif_opener"))
_AVIF_PLUGINS = (("pillow-avif-plugin", "pillow_avif", ""), ("pillow-heif", "pillow_heif", "register_avif_opener"))
LIMIT_PX, LONGEST_PX = 100_000_000, 1_000_000
# The marker, a length of 6 + 2 bytes a component, and the number of components.
_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
_USUAL_SCANS, _MOST_SCANNED_PX = 100, 1_000_000_000


def formats_for(data: bytes) -> tuple[str, ...]:
    """Return the formats that a file may be opened as; HEIC and AVIF where a plugin that is installed reads them."""
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if brand in _HEIF and _registered(_HEIF_PLUGINS, "HEIF"):
        return (*FORMATS, "HEIF")
    if brand in _AVIF and "AVIF" not in Image.OPEN and _registered(_AVIF_PLUGINS, "AVIF"):
        return (*FORMATS, "AVIF")
    return FORMATS


def _registered(plugins: tuple[tuple[str, str, str], ...], name: str) -> bool:
    for _, module, register in plugins:
        if name in Image.OPEN:
            break
        try:
            plugin = importlib.import_module(module)
            if register:
                getattr(plugin, register)()
        except (ImportError, AttributeError, OSError):  # not there, too old, or its library is missing
            continue
    return name in Image.OPEN


def oversized(area_px: int, most_px: int = LIMIT_PX) -> DecodingError:
    """Return the error of an image of too many pixels."""
    kind = "" if most_px == LIMIT_PX else " of its kind"
    return DecodingError(f"oversized: {area_px / 1e6:,.0f} megapixels; at most {most_px / 1e6:.0f}{kind} are decoded")


def check_scans(image: Image.Image, data: bytes) -> None:
    """Refuse a JPEG that goes over its pixels again and again: each time takes a few bytes, and seconds.

    Raises:
        DecodingError: it does.
    """
    if image.format in ("JPEG", "MPO"):
        scans = count_scans(data)
        if scans > _USUAL_SCANS and scans * image.width * image.height > _MOST_SCANNED_PX:
            raise DecodingError(f"damaged: it has {scans:,} scans, where a JPEG has a dozen")


def count_scans(data: bytes) -> int:
    """Return how many scans a JPEG has, by their headers; a film behind a motion photo has next to none of these.

    >>> count_scans(b"\\xff\\xda\\x00\\x0c\\x03" + b"\\xff\\xda of a film")
    1
    """
    return len(_SCAN.findall(data))


def reason_of(error: Exception, data: bytes) -> str:
    """Return why a file cannot be decoded, from what was raised and how the file begins."""
    said = " ".join(str(error).split())
    if isinstance(error, Image.DecompressionBombError) and (area := re.search(r"\d+", said)):
        return str(oversized(int(area[0])))
    cut_riff = data.startswith(b"RIFF") and len(data) < int.from_bytes(data[4:8], "little") + 8
    if cut_riff or isinstance(error, EOFError) or re.search("truncated|not (large )?enough", said, re.IGNORECASE):
        return "truncated: the file ends before the image does"
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(data)
    return f"damaged: {said or type(error).__name__}"


def _unidentified(data: bytes) -> str:
    start = data[:16]
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF:
        if "HEIF" in Image.OPEN:
            return "damaged: begins like HEIC, but its header cannot be read"
        return "HEIC needs a package that reads it: pip install pillow-heif, or save the image as JPEG or PNG"
    if data[4:8] == b"ftyp" and data[8:12] in _AVIF and "AVIF" not in Image.OPEN:
        return "AVIF needs a package that reads it: pip install pillow-avif-plugin, or save the image as JPEG or PNG"
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


def format_of(data: bytes) -> str:
    """Return the format that a file begins like, "" where it is none that is read.

    >>> format_of(b"\\x89PNG\\r\\n\\x1a\\n"), format_of(b"hello")
    ('PNG', '')
    """
    return next((name for name in FORMATS if _begins_like(name, data[:16])), "")
