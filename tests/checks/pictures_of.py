"""Pictures for the tests of checks: sharp patches of many greys, faults that are laid over them, and sets of arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from striate.checks.appearance import look_at_pixels
from striate.checks.examined import Examined
from striate.checks.look import Appearance
from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet


def patches(rng: np.random.Generator, height: int = 32, width: int = 32, channels: int = 3) -> np.ndarray:
    """Return uint8 (h, w, c): patches of 4 × 4 to 8 × 8 pixels with a little noise, unlike any other."""
    side = int(rng.integers(4, 9))
    shape = (-(-height // side), -(-width // side), channels)
    large = np.kron(rng.integers(0, 256, shape), np.ones((side, side, 1), np.int64))[:height, :width]
    return (large + rng.integers(-15, 16, large.shape)).clip(0, 255).astype(np.uint8)


def digit(rng: np.random.Generator, height: int = 28, width: int = 28) -> np.ndarray:
    """Return uint8 (h, w, 1): a white stroke on black."""
    image = np.zeros((height, width), np.uint8)
    row, column = rng.integers(4, height // 2, 2)
    image[row : row + rng.integers(8, 12), column : column + 3] = rng.integers(230, 256)
    image[row : row + 3, column : column + rng.integers(5, 12)] = rng.integers(230, 256)
    return image[..., None]


def darkened(image: np.ndarray) -> np.ndarray:
    return (image * 0.15).astype(np.uint8)


def brightened(image: np.ndarray) -> np.ndarray:
    return (255 - (255 - image.astype(float)) * 0.15).astype(np.uint8)


def blurred(image: np.ndarray, radius: float = 2.5) -> np.ndarray:
    picture = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius))).reshape(image.shape)


def natural(rng: np.random.Generator, side: int = 64, steepness: float = 1.0) -> np.ndarray:
    """Return uint8 (h, w, 3): a picture whose power falls as 1 / f² does, as that of photographs."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    amplitude = np.maximum(frequency, 1 / side) ** -steepness
    gray = np.fft.irfft2(amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape)), (side, side))
    return np.repeat(np.clip(127 + 40 * gray / gray.std(), 0, 255).astype(np.uint8)[..., None], 3, 2)


def enlarged(image: np.ndarray, times: int = 4, method: str = "BICUBIC") -> np.ndarray:
    """Return an image that was made as many times smaller and enlarged again."""
    (height, width), picture = image.shape[:2], Image.fromarray(image)
    small = picture.resize((width // times, height // times), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), getattr(Image.Resampling, method)))


def plain(image: np.ndarray) -> np.ndarray:
    return np.full_like(image, 90)


def written(image: np.ndarray, path: Path, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image if image.shape[2] == 3 else image[..., 0]).save(path, **options)
    return path


def looks_of(images: np.ndarray, **more: np.ndarray) -> Appearance:
    """Return how arrays uint8 (n, h, w, c) look; `more` replaces heights, widths, channels or formats."""
    count, height, width, channels = images.shape
    told = {"heights": height, "widths": width, "channels": channels, "formats": "array"}
    columns = {name: np.full(count, value) for name, value in told.items()} | more
    return Appearance(look_at_pixels(images), **columns)


def examined_of(
    images: np.ndarray, labels: np.ndarray | None = None, splits: np.ndarray | None = None, **more: np.ndarray
) -> Examined:
    """Return arrays uint8 (n, h, w, c) as what the checks look at; `more`: groups, or columns of the appearance."""
    count = len(images)
    labels = np.zeros(count, np.int64) if labels is None else labels
    splits = np.full(count, "", "U5") if splits is None else splits
    names = [f"{i:05}" for i in range(count)]
    classes = tuple("abcdefgh"[: max(1, int(labels.max()) + 1)])
    groups = more.pop("groups", None)
    catalog = Catalog("memory", "arrays", names, images, labels, classes, splits)
    own = ImageSet(images, np.arange(count), labels, classes, names, np.arange(count, dtype=np.uint64), splits,
                   groups=groups)  # fmt: skip
    return Examined(catalog, own, looks_of(images, **more))
