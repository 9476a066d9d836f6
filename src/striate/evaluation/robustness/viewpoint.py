"""The same thing from another place: shift, rotation, zoom, shear, mirror, perspective, and the smear of a motion.

Each takes uint8 (n, h, w, c) and an amount, and returns the same shape. Coordinates are counted from the centre, in
halves of the shorter side. Bilinear; what lies outside is the reflection, so that no black border gives the change
away. Each image has a direction or a sign of its own, the same at every amount.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from striate.evaluation.robustness.draws import angles, signs

MOTION_LOOKS = 9


def shifted(images: np.ndarray, share: float) -> np.ndarray:
    """Move by `share` of the shorter side, in any direction."""
    angle = angles("shift", len(images))
    offset = 2 * share * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _seen(images, _matrices(len(images)), offset)


def turned(images: np.ndarray, degrees: float) -> np.ndarray:
    """Turn about the centre by `degrees`, to the left or to the right."""
    angle = np.radians(degrees) * signs("rotation", len(images))
    cos, sin = np.cos(angle), np.sin(angle)
    return _seen(images, _matrices(len(images), cos, -sin, sin, cos))


def zoomed(images: np.ndarray, factor: float) -> np.ndarray:
    """Make larger by `factor`, or smaller by it."""
    scale = factor ** signs("zoom", len(images))
    return _seen(images, _matrices(len(images), scale, 0, 0, scale))


def sheared(images: np.ndarray, slant: float) -> np.ndarray:
    """Slant by `slant` pixels to the side for each pixel down, to the left or to the right."""
    return _seen(images, _matrices(len(images), 1, slant * signs("shear", len(images)), 0, 1))


def reflected(images: np.ndarray, amount: float) -> np.ndarray:
    """Turn left to right; there is no more or less of it."""
    return np.ascontiguousarray(images[:, :, ::-1])


def tilted(images: np.ndarray, depth: float) -> np.ndarray:
    """Look from aside: the place (u, v) is read at (u, v) / (1 + depth · (u cos a + v sin a) / r), a any angle.

    r is the distance of a corner from the centre, so that depth below 1 keeps all in front of the eye. On the line
    through the centre the near end appears (1 + depth / r) / (1 − depth / r) times as large as the far one.
    """
    angle = angles("perspective", len(images))
    h, w = images.shape[1:3]
    slope = depth * min(h, w) / np.hypot(h, w)
    return _seen(images, _matrices(len(images)), depth=slope * np.stack([np.cos(angle), np.sin(angle)], 1))


def smeared(images: np.ndarray, share: float) -> np.ndarray:
    """Take the mean of nine looks along a line of `share` of the shorter side, in any direction."""
    angle = angles("motion", len(images))
    line = 2 * share * np.stack([np.cos(angle), np.sin(angle)], 1)
    total = np.zeros(images.shape, np.float32)
    for place in np.linspace(-0.5, 0.5, MOTION_LOOKS):
        total += _seen(images, _matrices(len(images)), place * line)
    return (total / MOTION_LOOKS + 0.5).astype(np.uint8)


def _matrices(
    n: int,
    a: float | np.ndarray = 1.0,
    b: float | np.ndarray = 0.0,
    c: float | np.ndarray = 0.0,
    d: float | np.ndarray = 1.0,
) -> np.ndarray:
    """Return float32 (n, 2, 2), [[a, b], [c, d]]: where a place is read."""
    return np.stack([np.broadcast_to(np.asarray(one, np.float32), n) for one in (a, b, c, d)], 1).reshape(n, 2, 2)


def _seen(
    images: np.ndarray, matrices: np.ndarray, offset: np.ndarray | float = 0.0, depth: np.ndarray | None = None
) -> np.ndarray:
    """Return images whose place (u, v) is read at matrix · (u, v) + offset, divided by 1 + depth · (u, v)."""
    n, h, w, c = images.shape
    unit = min(h, w) / 2
    across, down = ((np.arange(side, dtype=np.float32) - (side - 1) / 2) / unit for side in (w, h))
    places = np.stack(np.broadcast_arrays(across[None, :], down[:, None]), -1).reshape(-1, 2)
    result = np.empty_like(images)
    block = max(1, (1 << 22) // (h * w * c))
    for start in range(0, n, block):
        part = slice(start, start + block)
        shift = np.broadcast_to(np.asarray(offset, np.float32), (n, 2))[part]
        read = places @ matrices[part].transpose(0, 2, 1) + shift[:, None, :]
        if depth is not None:
            read = read / (1 + places @ depth[part, :, None].astype(np.float32))
        # grid_sample counts from −1 at the left edge to 1 at the right one.
        grid = torch.from_numpy(read * np.array([2 * unit / w, 2 * unit / h], np.float32)).view(-1, h, w, 2)
        pixels = torch.from_numpy(np.ascontiguousarray(images[part].transpose(0, 3, 1, 2))).float()
        found = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
        result[part] = found.add_(0.5).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return result
