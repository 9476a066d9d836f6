"""The same picture from a worse camera: noise, specks, blur, JPEG.

Each takes uint8 (n, h, w, c) and an amount, and returns the same shape.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from striate.evaluation.robustness.draws import draws, normal_draws, to_bytes


def noisy(images: np.ndarray, grays: float) -> np.ndarray:
    """pixel + normal noise of standard deviation `grays`, in gray values, for each channel its own."""
    noise = normal_draws("noise", len(images), images[0].size).reshape(images.shape)
    return to_bytes(images + np.float32(grays) * noise)


def specked(images: np.ndarray, share: float) -> np.ndarray:
    """Make `share` of the pixels black or white."""
    number = draws("specks", len(images), images[0][..., 0].size).reshape(*images.shape[:3], 1)
    return np.where(number < share / 2, np.uint8(0), np.where(number > 1 - share / 2, np.uint8(255), images))


def blurred(images: np.ndarray, share: float) -> np.ndarray:
    """Smooth by a Gaussian of standard deviation `share` of the shorter side."""
    from scipy.ndimage import gaussian_filter

    sigma = share * min(images.shape[1:3])
    return to_bytes(gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0), mode="reflect", truncate=3))


def compressed(images: np.ndarray, quality: float) -> np.ndarray:
    """Save as JPEG of `quality` and read again, by Pillow; for images of one or three channels."""
    result = np.empty_like(images)
    for i, pixels in enumerate(images):
        content = io.BytesIO()
        Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(content, "JPEG", quality=int(quality))
        result[i] = np.asarray(Image.open(content)).reshape(pixels.shape)
    return result
