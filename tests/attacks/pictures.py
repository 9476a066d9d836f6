# ruff: noqa: E501
"""Pictures that unpack to far more than they are, or take for ever: one of each format, among sound ones."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from tests.attacks.attack import ATTACKS, Attack, among_images
from tests.data.oddities import encoded, exif_with, png_bomb

SIDE = 9_990  # just below what is decoded: 100 megapixels
COLOUR = 8440  # likewise, in colour
OVERSIZED, USED, EITHER = "oversized", r"bomb\.\w+,(used|repaired)", r"bomb\.\w+,"


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, kind: int, bits: int, channels: int, before: bytes = b"") -> bytes:
    """Return the PNG of zeros of a colour type; `before` are chunks before its pixels."""
    row = bytes(1 + (width * bits * channels + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + before + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def png_of_size(width: int, height: int) -> bytes:
    """Return a small PNG whose header says another size."""
    raw = bytearray(encoded(np.zeros((4, 4), np.uint8)))
    raw[16:24] = struct.pack(">II", width, height)
    raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
    return bytes(raw)


def jpeg(scans: int = 1, side: int = 64) -> bytes:
    """Return a progressive JPEG whose last scan comes so many times."""
    raw = encoded(np.zeros((side, side, 3), np.uint8), "JPEG", progressive=True)
    last = raw.rindex(b"\xff\xda")
    return raw[:last] + raw[last:-2] * scans + raw[-2:]


def jpeg_of_size(width: int, height: int) -> bytes:
    """Return a small JPEG whose header says another size."""
    raw = bytearray(encoded(np.zeros((64, 64, 3), np.uint8), "JPEG"))
    at = raw.index(b"\xff\xc0")
    raw[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(raw)


def gif(frames: int, width: int = 1, height: int = 1, screen: tuple[int, int] = (1, 1)) -> bytes:
    """Return a GIF of so many frames of this size."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2\x44\1\0"
    return b"GIF89a" + struct.pack("<HH", *screen) + b"\x80\0\0\0\0\0\xff\xff\xff" + frame * frames + b";"


def bmp_rle(width: int, height: int) -> bytes:
    """Return a BMP, packed by run lengths, of one long run."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 0, 0, 256, 0) + bytes(1024)
    body = (b"\xff\0" * (width // 255) + bytes([width % 255, 0]) + b"\0\0") * height + b"\0\1"
    start = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + body


def tiff(width: int, height: int, bands: int = 1, bits: int = 8, packing: int = 8, data: bytes | None = None) -> bytes:
    """Return a TIFF of one strip of zeros, deflated."""
    if data is None:
        packer = zlib.compressobj(9)
        row = bytes(width * bands * bits // 8)
        data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, packing), (262, 3, 1, 1),
        (273, 4, 1, 8), (277, 3, 1, bands), (278, 4, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + _directory(tags, 0)


def _directory(tags: list[tuple[int, int, int, int]], following: int) -> bytes:
    return (
        struct.pack("<H", len(tags))
        + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        + struct.pack("<I", following)
    )


def tiff_pages(count: int, circle: bool = False) -> bytes:
    """Return a TIFF of so many directories, each of one pixel; of a circle the last leads to the first."""
    pixel, made = b"\x80", b""
    for i in range(count):
        start = 12 + len(made)
        tags = [
            (256, 4, 1, 1),
            (257, 4, 1, 1),
            (258, 3, 1, 8),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, 8),
            (279, 4, 1, 1),
        ]
        size = 2 + 12 * len(tags) + 4
        made += _directory(tags, start + size if i + 1 < count else 12 if circle else 0)
    return b"II*\0" + struct.pack("<I", 12) + pixel + bytes(3) + made


def _saved(kind: str, mode: str = "RGB", side: int = SIDE, **options: object) -> bytes:
    made = io.BytesIO()
    Image.new(mode, (side, side)).save(made, kind, **options)
    return made.getvalue()


def _mpo(frames: int) -> bytes:
    made, images = io.BytesIO(), [Image.new("RGB", (8, 8), (i % 256, 0, 0)) for i in range(frames)]
    images[0].save(made, "MPO", save_all=True, append_images=images[1:])
    return made.getvalue()


ICC = _chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200 << 20), 9))
TEXT = _chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(100 << 20), 9))
ITXT = _chunk(b"iTXt", b"x\0\1\0\0\0" + zlib.compress(bytes(100 << 20), 9))

PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "png-of-3600-megapixels.png": (png_bomb, OVERSIZED),
    "png-as-large-as-can-be.png": (lambda: png_of_size(2**31 - 1, 2**31 - 1), OVERSIZED),
    "png-of-a-hundred-megapixels.png": (lambda: png(SIDE, SIDE, 2, 8, 3), EITHER),
    "png-deep-of-a-hundred-megapixels.png": (lambda: png(SIDE, SIDE, 2, 16, 3), EITHER),
    "png-transparent-of-a-hundred-megapixels.png": (lambda: png(SIDE, SIDE, 6, 8, 4), EITHER),
    "png-deep-and-transparent-of-a-hundred-megapixels.png": (lambda: png(SIDE, SIDE, 6, 16, 4), EITHER),
    "png-line-of-a-hundred-megapixels.png": (lambda: png(99_000_000, 1, 0, 1, 1), EITHER),
    "png-of-icc-bombs.png": (lambda: png(8, 8, 2, 8, 3, ICC * 20), EITHER),
    "png-of-text-bombs.png": (lambda: png(8, 8, 2, 8, 3, TEXT * 40), EITHER),
    "png-of-international-text-bombs.png": (lambda: png(8, 8, 2, 8, 3, ITXT * 40), EITHER),
    "png-of-a-million-chunks.png": (lambda: png(8, 8, 2, 8, 3, _chunk(b"tEXt", b"a\0b") * 500_000), EITHER),
    "jpeg-of-4-gigapixels.jpg": (lambda: jpeg_of_size(65535, 65535), OVERSIZED),
    "jpeg-of-a-hundred-megapixels.jpg": (lambda: _saved("JPEG"), EITHER),
    "jpeg-cmyk-of-a-hundred-megapixels.jpg": (lambda: _saved("JPEG", "CMYK"), EITHER),
    "jpeg-that-says-seventy-megapixels.jpg": (lambda: jpeg_of_size(COLOUR, COLOUR), EITHER),
    "jpeg-turned-as-large-as-is-decoded.jpg": (lambda: _saved("JPEG", side=COLOUR, exif=exif_with(6)), USED),
    "jpeg-cmyk-as-large-as-is-decoded.jpg": (lambda: _saved("JPEG", "CMYK", side=COLOUR), USED),
    "png-as-large-as-is-decoded.png": (lambda: png(COLOUR, COLOUR, 2, 8, 3), USED),
    "png-transparent-as-large-as-is-decoded.png": (lambda: png(COLOUR, COLOUR, 6, 8, 4), USED),
    "png-deep-as-large-as-is-decoded.png": (lambda: png(5580, 5580, 2, 16, 3), USED),
    "png-deep-gray-as-large-as-is-decoded.png": (lambda: png(COLOUR, COLOUR, 0, 16, 1), USED),
    "png-deep-and-transparent-as-large-as-is-decoded.png": (lambda: png(4220, 4220, 6, 16, 4), USED),
    "webp-as-large-as-is-decoded.webp": (lambda: _saved("WEBP", side=5580, lossless=True, method=0), USED),
    "jpeg2000-as-large-as-is-decoded.jp2": (lambda: _saved("JPEG2000", side=5120), USED),
    "jpeg-of-ten-thousand-scans.jpg": (lambda: jpeg(10_000, 6000), EITHER),
    "mpo-of-many-frames.jpg": (lambda: _mpo(2000), EITHER),
    "gif-of-a-large-screen.gif": (lambda: gif(1, screen=(65535, 65535)), OVERSIZED),
    "gif-of-a-frame-beyond-its-screen.gif": (lambda: gif(1, 65535, 65535), EITHER),
    "gif-of-a-million-frames.gif": (lambda: gif(1_000_000), EITHER),
    "gif-of-large-frames.gif": (lambda: gif(3000, 9990, 9990, (9990, 9990)), EITHER),
    "bmp-of-run-lengths.bmp": (lambda: bmp_rle(SIDE, SIDE), EITHER),
    "bmp-of-4-gigapixels.bmp": (lambda: b"BM" + bytes(8) + struct.pack("<IIiiHHIIiiII", 54, 40, 65535, 65535, 1, 24, 0, 0, 0, 0, 0, 0), OVERSIZED),
    "tiff-of-a-hundred-megapixels.tif": (lambda: tiff(SIDE, SIDE), EITHER),
    "tiff-deep-of-a-hundred-megapixels.tif": (lambda: tiff(SIDE, SIDE, 1, 16), EITHER),
    "tiff-of-4-gigapixels.tif": (lambda: tiff(65535, 65535, data=b"x"), OVERSIZED),
    "tiff-of-65535-bands.tif": (lambda: tiff(1000, 1000, 65535, data=b"x"), "oversized|truncated|damaged|bands"),
    "tiff-of-a-thousand-bands.tif": (lambda: tiff(1000, 1000, 1000), EITHER),
    "tiff-of-a-hundred-thousand-pages.tif": (lambda: tiff_pages(100_000), EITHER),
    "tiff-of-a-circle-of-pages.tif": (lambda: tiff_pages(3, circle=True), EITHER),
    "tiff-of-absurd-counts.tif": (lambda: b"II*\0\x08\0\0\0" + _directory([(256, 4, 2**31 - 1, 8), (257, 4, 1, 8), (273, 4, 2**32 - 1, 8)], 0), "damaged|truncated|cannot"),
    "webp-of-its-largest-size.webp": (lambda: _saved("WEBP", side=9990, lossless=True, method=0), EITHER),
    "jpeg2000-of-a-hundred-megapixels.jp2": (lambda: _saved("JPEG2000", "L", 8000), EITHER),
    "ppm-of-an-absurd-size.ppm": (lambda: b"P6 99999999999 99999999999 255\n", "oversized|damaged"),
    "ppm-plain-of-a-hundred-megapixels.ppm": (lambda: b"P2 9990 9990 255\n" + b"0 " * 5_000_000, "truncated|damaged"),
}  # fmt: skip

for name, (content, says) in PICTURES.items():

    def make(folder: Path, name=name, content=content) -> tuple[str, ...]:
        return among_images(folder, "bomb" + Path(name).suffix, content())

    ATTACKS[f"picture/{name}"] = Attack(f"picture/{name}", make, 0, says)
