"""How single images look, in a few figures each: brightness, contrast, detail, sharpness.

All of them come from two histograms, of the gray values and of the steps between neighbouring pixels, and from the
power spectrum, so that fifty thousand small images take seconds and a photograph a few milliseconds.
"""

from __future__ import annotations

import numpy as np

from striate.data.preparing.detail import BANDS, band_powers

# Images are looked at with at most so many pixels along the shorter side: the last pixels of a large photograph are
# soft in every camera, and nobody trains on them.
LOOKED_AT_PX = 512
# Where the detail of an enlarged image may end, in sixteenths of its side.
ENDS = (4, 5, 6, 7, 8, 9)
# Power density, in parts of the pixels, below that of rounding to 8 bits; and of images of one gray value or nearly.
_ROUNDING, _PLAIN = 0.05, 0.02
# The figures of an image, in this order.
FIGURES = (
    "bottom", "shadows", "mean", "highlights", "top", "spread", "activity", "edge", "edge_half",
    *(f"fall_{end}" for end in ENDS),
)  # fmt: skip


def look_at_pixels(images: np.ndarray) -> np.ndarray:
    """Return float32 (n, 15), the `FIGURES` of each image.

    bottom, shadows, highlights, top: the gray values below which 1, 5, 95 and 99 % of the pixels lie; mean: of all;
    spread: the largest standard deviation of a channel;
    activity: bits a pixel that the steps to the next pixels carry; edge, edge_half: the step that 1 % of the pixels
    exceed, in the image and in the same at half its size; fall_4 … fall_9: by how many bits power falls from the
    frequencies below so many sixteenths of the highest to those above; 0 of plain images and of less than 32 pixels a
    side.

    Arguments:
        images: uint8 (n, h, w, c) of one size.
    """
    gray = _gray(images)
    values = _histogram(gray)
    steps = _histogram(_steps(gray))
    halved = _histogram(_steps(_halved(gray)))
    each = [values] if images.shape[3] == 1 else [_histogram(images[..., k]) for k in range(images.shape[3])]
    levels = np.arange(256)
    return np.stack(
        [
            _quantile(values, 0.01),
            _quantile(values, 0.05),
            values @ levels / values.sum(1),
            _quantile(values, 0.95),
            _quantile(values, 0.99),
            np.max([_deviation(one) for one in each], axis=0),
            _entropy(steps),
            _quantile(steps, 0.99),
            _quantile(halved, 0.99),
            *_falls(gray).T,
        ],
        1,
    ).astype(np.float32)


def _gray(images: np.ndarray) -> np.ndarray:
    """Return uint8 (n, h, w): luma of RGB (ITU-R 601, in 8 bits), the mean of other bands."""
    if images.shape[3] == 1:
        return images[..., 0]
    if images.shape[3] != 3:
        return images.mean(3).astype(np.uint8)
    red, green, blue = (images[..., k].astype(np.uint16) for k in range(3))
    return ((77 * red + 150 * green + 29 * blue) >> 8).astype(np.uint8)


def _steps(gray: np.ndarray) -> np.ndarray:
    """Return uint8 (n, h − 1, w − 1): the larger of the steps to the right and downwards."""
    if min(gray.shape[1:]) < 2:
        return np.zeros((len(gray), 1, 1), np.uint8)
    signed = gray.astype(np.int16)
    right = np.abs(signed[:, :-1, 1:] - signed[:, :-1, :-1])
    down = np.abs(signed[:, 1:, :-1] - signed[:, :-1, :-1])
    return np.maximum(right, down).astype(np.uint8)


def _halved(gray: np.ndarray) -> np.ndarray:
    """Return uint8 (n, h / 2, w / 2), each pixel the mean of four."""
    height, width = gray.shape[1] // 2 * 2, gray.shape[2] // 2 * 2
    if not height * width:
        return gray
    four = gray[:, :height, :width].reshape(len(gray), height // 2, 2, width // 2, 2).astype(np.uint16)
    return ((four.sum((2, 4)) + 2) >> 2).astype(np.uint8)


def _falls(gray: np.ndarray) -> np.ndarray:
    """Return float (n, 6): log2 of the power density below each of `ENDS`, down to its half, over that above it.

    Where pixels were interpolated there is next to none above; in photographs it falls as 1 / f², without a step.
    """
    if min(gray.shape[1:]) < 2 * BANDS:
        return np.zeros((len(gray), len(ENDS)))
    power, area = band_powers(gray), min(gray.shape[1:]) ** 2
    density = np.log2(power / np.diff(np.arange(BANDS + 1) ** 2) + _ROUNDING * area)
    falls = [density[:, end // 2 : end].mean(1) - density[:, end + 1 : 2 * end].mean(1) for end in ENDS]
    plain = power.sum(1) < _PLAIN * area**2
    return np.where(plain[:, None], 0.0, np.stack(falls, 1))


def _histogram(values: np.ndarray) -> np.ndarray:
    """Return int64 (n, 256): how often each value occurs in each image uint8 (n, h, w)."""
    count = len(values)
    places = values.reshape(count, -1) + (256 * np.arange(count))[:, None]
    return np.bincount(places.ravel(), minlength=256 * count).reshape(count, 256)


def _deviation(histogram: np.ndarray) -> np.ndarray:
    """Return the standard deviation (n,) of the values."""
    levels, count = np.arange(256), histogram.sum(1)
    mean = histogram @ levels / count
    return np.sqrt(np.maximum(0, histogram @ levels**2 / count - mean**2))


def _quantile(histogram: np.ndarray, share: float) -> np.ndarray:
    """Return (n,), the smallest value that at least this share of the pixels do not exceed."""
    upto = histogram.cumsum(1)
    return (upto < share * upto[:, -1:]).sum(1)


def _entropy(histogram: np.ndarray) -> np.ndarray:
    """Return the bits (n,) that a value carries."""
    shares = histogram / histogram.sum(1, keepdims=True)
    return -(shares * np.log2(np.maximum(shares, 1e-12))).sum(1)
