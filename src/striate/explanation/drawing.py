"""Pictures of maps: heat over the image in gray where a map tells something, and hatching where it does not."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Pictures of small images are enlarged, pixel by pixel, to at least this side; of large ones shrunk to the second.
_LEAST_PX, _MOST_PX = 256, 448
# From dark red over orange to a light yellow: it grows lighter evenly, and is told from the gray image below it.
_RAMP = np.array([(90, 0, 40), (170, 20, 40), (230, 90, 20), (250, 170, 40), (255, 240, 150)], np.float64)
# What is below this share of the largest value is left to the image.
_FROM = 0.15


def shown(pixels: np.ndarray) -> np.ndarray:
    """Return an image, uint8 (h, w, c) of any channels, as uint8 (h', w', 3) of a size to be looked at."""
    colours = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, -1)
    return np.asarray(_sized(Image.fromarray(np.ascontiguousarray(colours)), smooth=False))


def heat(pixels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return uint8 (h', w', 3): an image in gray, and over it what of a map is above 0.

    Arguments:
        pixels: uint8 (h, w, c).
        values: float (h, w).
    """
    gray = _gray(pixels)
    positive = np.maximum(values, 0).astype(np.float32)
    strength = np.asarray(_sized(Image.fromarray(positive / max(float(positive.max()), 1e-12)), smooth=True))
    strength = strength.clip(0, 1)
    place = strength * (len(_RAMP) - 1)
    colours = np.stack([np.interp(place, np.arange(len(_RAMP)), _RAMP[:, i]) for i in range(3)], -1)
    weight = 0.85 * ((strength - _FROM) / (1 - _FROM)).clip(0, 1)[..., None] ** 0.6
    return np.rint(gray * (1 - weight) + colours * weight).astype(np.uint8)


def hatched(pixels: np.ndarray, words: str = "") -> np.ndarray:
    """Return uint8 (h', w', 3): an image in pale gray under hatching, for a map that tells nothing.

    Arguments:
        words: written over it.
    """
    pale = 150 + 0.35 * (_gray(pixels) - 128)
    rows, columns = np.indices(pale.shape[:2])
    pale[(rows + columns) % 16 < 2] -= 45
    picture = Image.fromarray(np.rint(pale.clip(0, 255)).astype(np.uint8))
    if words:
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(max(12, picture.width // 16))
        left, top, right, bottom = draw.textbbox((picture.width / 2, picture.height / 2), words, font=font, anchor="mm")
        draw.rectangle((left - 6, top - 4, right + 6, bottom + 4), fill=(245, 245, 245), outline=(90, 90, 90))
        draw.text((picture.width / 2, picture.height / 2), words, font=font, anchor="mm", fill=(60, 60, 60))
    return np.asarray(picture)


def drawn(pixels: np.ndarray, values: np.ndarray, tells: bool) -> np.ndarray:
    """Return a map as a picture, uint8 (h', w', 3): heat if it tells something, hatching that says so if not."""
    return heat(pixels, values) if tells else hatched(pixels, "tells nothing")


def crossed(pixels: np.ndarray, hide: np.ndarray) -> np.ndarray:
    """Return uint8 (h', w', 3): an image with bool (h, w) covered by hatching."""
    picture = shown(pixels).astype(np.float64)
    covered = np.asarray(_sized(Image.fromarray(hide.astype(np.uint8) * 255), smooth=False)) > 127
    rows, columns = np.indices(covered.shape)
    picture[covered] = 128
    picture[covered & ((rows + columns) % 12 < 3)] = 200
    return picture.astype(np.uint8)


def drawn_template(weights: np.ndarray) -> np.ndarray:
    """Return the template of a linear model, float (h, w, c), as uint8 (h', w', 3): gray is 0, bright speaks for."""
    most = max(float(np.abs(weights).max()), 1e-12)
    return shown(np.rint(127.5 + 127.5 * weights / most).clip(0, 255).astype(np.uint8))


def _gray(pixels: np.ndarray) -> np.ndarray:
    """Return float64 (h', w', 3), the image in gray."""
    return np.repeat(shown(pixels).astype(np.float64).mean(-1, keepdims=True), 3, -1)


def _sized(picture: Image.Image, *, smooth: bool) -> Image.Image:
    """Return a picture enlarged by a whole factor, or shrunk, so that it is of a size to be looked at."""
    side = max(picture.size)
    if side > _MOST_PX:
        factor = _MOST_PX / side
        size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
        return picture.resize(size, Image.Resampling.BOX if picture.mode != "F" else Image.Resampling.BILINEAR)
    factor = -(-_LEAST_PX // side) if side < _LEAST_PX else 1
    how = Image.Resampling.BICUBIC if smooth and side < _LEAST_PX // 2 else Image.Resampling.NEAREST
    return picture.resize((picture.width * factor, picture.height * factor), how)
