"""A few dozen numbers for each image, near for images that look alike: low frequencies of its brightness, and colour.

Two views are sketched, the whole image and its centre, so that a frame around an image or what enters at its edge does
not hide a copy; and for finding crops what is left when a tenth is cut at each edge. The sketch of a mirrored or turned
image is had from the same numbers.
"""

from __future__ import annotations

import numpy as np

CANVAS_PX = 16
# A view leaves out this share of each side at every edge.
VIEWS, INNER = (0.0, 1 / 6), 0.1
FREQUENCIES, COLOUR_FREQUENCIES = 8, 3
# Contrast below this many of 255 levels is more noise than image.
NOISE = 4.0
# Larger images are thinned to at least so many pixels a side before they are averaged.
THINNED_PX = 96
BLOCK = 1024
_GRAY = [(i, j) for i in range(FREQUENCIES) for j in range(FREQUENCIES) if 0 < i + j < FREQUENCIES]
_COLOUR = [(i, j) for i in range(COLOUR_FREQUENCIES) for j in range(COLOUR_FREQUENCIES) if i + j < COLOUR_FREQUENCIES]


def averaging(size: int, to: int) -> np.ndarray:
    """Return the float32 (to, size) matrix that averages `size` pixels over `to` equal stretches.

    >>> averaging(4, 2).tolist()
    [[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]
    """
    edges = np.linspace(0, size, to + 1)
    low, high = edges[:-1, None], edges[1:, None]
    cover = np.minimum(high, np.arange(1, size + 1)) - np.maximum(low, np.arange(size))
    return (np.clip(cover, 0, 1) / (high - low)).astype(np.float32)


def averaged(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return float32 (n, *size, c), uint8 images (n, h, w, c) averaged to (h, w) = size."""
    step = [max(1, side // max(THINNED_PX, 2 * to)) for side, to in zip(images.shape[1:3], size, strict=True)]
    images = images[:, :: step[0], :: step[1]].astype(np.float32)
    n, h, w, c = images.shape
    if (h, w) == size:
        return images
    # Each direction is one matrix product over all images: averages across, then down.
    across = images.reshape(n * h, w * c) @ np.kron(averaging(w, size[1]), np.eye(c, dtype=np.float32)).T
    down = across.reshape(n, h, size[1] * c).transpose(0, 2, 1).reshape(-1, h) @ averaging(h, size[0]).T
    return down.reshape(n, size[1], c, size[0]).transpose(0, 3, 1, 2)


def sketch_images(images: np.ndarray, view: float = 0.0) -> np.ndarray:
    """Return the sketches, float32 (n, d), of uint8 images (n, h, w, 1 or 3); near where they look alike.

    Arguments:
        view: what is left out at each edge, a share of the side.

    Source: the discrete cosine transform of a small normalised image, as in perceptual hashes (Zauner 2010), kept as
    numbers and not as signs.
    """
    from scipy.fft import dctn

    h, w = (int(side * view) for side in images.shape[1:3])
    small = averaged(images[:, h : images.shape[1] - h, w : images.shape[2] - w], (CANVAS_PX, CANVAS_PX))
    gray = small.mean(3)
    gray -= gray.mean((1, 2), keepdims=True)
    contrast = np.sqrt((gray**2).mean((1, 2), keepdims=True)) + NOISE
    waves = np.asarray(dctn(gray / contrast, axes=(1, 2), norm="ortho"))
    parts = [waves[:, i, j] for i, j in _GRAY]
    if small.shape[3] == 3:
        red, green, blue = np.moveaxis(small, 3, 0)
        for colour in (red - green, (red + green) / 2 - blue):
            # The mean colour is left out: light changes it.
            waves = np.asarray(dctn(colour / contrast, axes=(1, 2), norm="ortho"))
            parts += [0.7 * waves[:, i, j] for i, j in _COLOUR if i + j]
    return np.stack(parts, 1)


def sketch_waves(d: int) -> list[list[tuple[int, int]]]:
    """Return which wave (down, across) each of the d numbers of a sketch is, a list for each plane: gray, colours."""
    return [_GRAY] if d == len(_GRAY) else [_GRAY, _COLOUR[1:], _COLOUR[1:]]


def blocks(total: int, size: int = BLOCK) -> list[slice]:
    """Return the slices in which images are looked at, so that floats of a few only are in memory."""
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
