"""A folder of odd images, one of each kind that people really have, and what should become of them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

# name → (status, how its detail begins)
EXPECTED = {
    "plain.png": ("used", ""),
    "gray.png": ("used", ""),
    "rotated.jpg": ("repaired", "rotated by EXIF orientation 6"),
    "sixteen-bit.png": ("repaired", "16-bit gray scaled to 8 bits"),
    "cmyk.jpg": ("repaired", "CMYK converted to RGB"),
    "transparent.png": ("repaired", "transparency laid over white"),
    "animated.gif": ("repaired", "first frame of 3"),
    "truncated.jpg": ("skipped", "truncated"),
    "empty.jpg": ("skipped", "empty file"),
    "text.jpg": ("skipped", "not an image: begins with b'hello, world"),
    "bomb.png": ("skipped", "oversized: 3,600 megapixels; at most 100 are decoded"),
    "ein Bild für Zoë 猫.png": ("used", ""),
}


def photo(height: int = 40, width: int = 60, seed: int = 0) -> np.ndarray:
    """Return uint8 (h, w, 3): a smooth coloured picture with a little noise, so that JPEG has something to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 7 + seed), np.cos(y / 5), np.sin((x + y) / 9)], axis=-1)
    return (waves * 90 + 128 + rng.integers(-20, 20, waves.shape)).clip(0, 255).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    """Return the bytes of an image file."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_bomb(side: int = 60_000) -> bytes:
    """Return a valid gray PNG of side × side pixels, a multiple of 100, in half a megabyte."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    row = bytes(side // 8 + (side % 8 > 0) + 1)  # one bit a pixel, after the filter byte
    squeeze = zlib.compressobj(9, wbits=-15)
    hundred_rows = squeeze.compress(row * 100) + squeeze.flush(zlib.Z_FULL_FLUSH)  # may be repeated as it is
    adler_of_zeros = (len(row) * side % 65521) << 16 | 1
    body = b"\x78\xda" + hundred_rows * (side // 100) + squeeze.flush() + struct.pack(">I", adler_of_zeros)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def exif_with(orientation: int) -> Image.Exif:
    """Return an EXIF block that says this orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def odd_files() -> dict[str, bytes]:
    """Return {name: bytes} of every file in `EXPECTED`."""
    colour, rgb = photo(), Image.fromarray(photo())
    ramp = np.linspace(0, 65535, 40 * 60).astype(np.uint16).reshape(40, 60)
    alpha = np.dstack([colour, np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))])
    frames = [Image.fromarray(photo(seed=i)).convert("P") for i in range(3)]
    jpeg = encoded(rgb, "JPEG", quality=90)
    return {
        "plain.png": encoded(rgb),
        "gray.png": encoded(rgb.convert("L")),
        "rotated.jpg": encoded(rgb, "JPEG", exif=exif_with(6)),
        "sixteen-bit.png": encoded(Image.fromarray(ramp)),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG"),
        "transparent.png": encoded(Image.fromarray(alpha)),
        "animated.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "empty.jpg": b"",
        "text.jpg": b"hello, world, I am a text\n",
        "bomb.png": png_bomb(),
        "ein Bild für Zoë 猫.png": encoded(photo(seed=5)),
    }


def make_oddities(folder: Path) -> list[Path]:
    """Write the odd files into `folder` and return their paths, in the order of `EXPECTED`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = odd_files()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]
