"""Features where no net is at hand: how alike the pixels of an image are to those of some images of the set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.data.decoding.pixels import fit_pixels, to_channels
from striate.data.imageset import ImageSet
from striate.observer import Progress, silent

# Images are compared at so many pixels a side, with so many of the set.
SIDE_PX, LANDMARKS = 16, 1_000
_BLOCK = 4_096


@dataclass(frozen=True, eq=False)
class PixelKernel:
    """A Gaussian kernel between small pixels, by a few landmarks.

    Arguments:
        transformer: scikit-learn's Nystroem, fitted.
        channels: of the images that it was fitted to.
    """

    transformer: Any
    channels: int

    def features(self, images: ImageSet, progress: Progress = silent) -> np.ndarray:
        """Return the features float32 (n, d) of images of any size."""
        parts = []
        for start in range(0, len(images), _BLOCK):
            pixels = _small(images, np.arange(start, min(start + _BLOCK, len(images))), self.channels)
            parts.append(self.transformer.transform(pixels).astype(np.float32))
            progress("comparing pixels", start + len(pixels), len(images))
        return np.concatenate(parts)


def fit_kernel(images: ImageSet, seed: int = 0) -> PixelKernel:
    """Return the kernel whose landmarks are images of the set, drawn by the seed.

    Its width is the median distance between landmarks, over √2.

    Source: Williams and Seeger 2001, "Using the Nyström method to speed up kernel machines".
    """
    from sklearn.kernel_approximation import Nystroem
    from sklearn.metrics import euclidean_distances

    channels = images.image_shape[2]
    drawn = np.sort(np.random.default_rng(seed).permutation(len(images))[:LANDMARKS])
    pixels = _small(images, drawn, channels)
    squares = euclidean_distances(pixels, squared=True)
    typical = float(np.median(squares[squares > 0])) if (squares > 0).any() else 1.0
    transformer = Nystroem(gamma=1 / typical, n_components=len(pixels), random_state=seed)
    return PixelKernel(transformer.fit(pixels), channels)


def _small(images: ImageSet, rows: np.ndarray, channels: int) -> np.ndarray:
    """Return pixels float32 (m, d) of images at positions `rows`, 0…1, none with more than `SIDE_PX` a side."""
    size = (SIDE_PX, SIDE_PX)
    fitted = [to_channels(fit_pixels(images.pixels[row], size, "stretch"), channels) for row in images.rows[rows]]
    return np.stack(fitted).reshape(len(fitted), -1).astype(np.float32) / 255
