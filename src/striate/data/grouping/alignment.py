"""How much of one image another explains, once it may be shifted, zoomed, lit and faded a little."""

from __future__ import annotations

import numpy as np

from striate.data.grouping.sketches import averaged

SIDE_PX = 32
# The rim of each image, as a share of its side, is not compared: zooms and shifts bring new things in there.
RIM = 1 / 6
_BLUR, _NOISE, _RIDGE = 0.7, 2.0, 1e-3


def grays(images: np.ndarray) -> np.ndarray:
    """Return uint8 (n, h, w) of at most 32 × 32 pixels, slightly blurred, of uint8 images (n, h, w, c)."""
    from scipy.ndimage import gaussian_filter

    size = (min(images.shape[1], SIDE_PX), min(images.shape[2], SIDE_PX))
    return np.rint(gaussian_filter(averaged(images, size).mean(3), (0, _BLUR, _BLUR))).astype(np.uint8)


def unexplained(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return float32 (n,), the share of each image's contrast that the other does not explain, of both the larger.

    What a small shift, zoom (across and down), fading and lighting make of an image is linear in their amounts; the
    best amounts are least squares. 0: the same; 1: nothing in common.

    Arguments:
        first, second: float32 (n, h, w), as `grays` makes them.

    Source: tangent distance (Simard, LeCun and Denker 1993), without rotation and shear.
    """
    return np.maximum(_residual(first, second), _residual(second, first))


def _residual(image: np.ndarray, target: np.ndarray) -> np.ndarray:
    n, h, w = image.shape
    down, across = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
    grad_y, grad_x = np.gradient(image, axis=(1, 2))
    changes = np.stack([image, grad_x, grad_y, across * grad_x, down * grad_y], 1, dtype=np.float32)
    rim_y, rim_x = int(h * RIM), int(w * RIM)
    changes = changes[:, :, rim_y : h - rim_y, rim_x : w - rim_x].reshape(n, 5, -1)
    wanted = target[:, rim_y : h - rim_y, rim_x : w - rim_x].reshape(n, -1, 1)
    changes, wanted = changes - changes.mean(2, keepdims=True), wanted - wanted.mean(1, keepdims=True)
    changes /= np.sqrt((changes**2).sum(2, keepdims=True)) + 1e-3
    normal = changes @ changes.transpose(0, 2, 1) + _RIDGE * np.eye(5, dtype=np.float32)
    amounts = np.linalg.solve(normal, changes @ wanted)
    rest = wanted - changes.transpose(0, 2, 1) @ amounts
    return ((rest**2).sum((1, 2)) / ((wanted**2).sum((1, 2)) + _NOISE * wanted.shape[1])).astype(np.float32)
