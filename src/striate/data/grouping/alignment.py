"""How much of the detail of one image another lacks, once it is laid over it as well as it can be.

A copy that was cropped, enlarged or rotated a little agrees with its original in every edge as soon as the two are laid
over each other; things that only resemble each other (cars from the same side, aeroplanes before the same sky) agree in
what is coarse and differ in detail. So detail alone is compared, after the best shift, zoom, rotation and shear.
"""

from __future__ import annotations

import numpy as np

from striate.data.grouping.sketches import averaged

SIDE_PX = 64
# The rim of each image, as a share of its side, is not compared: frames lie there, and what a zoom brings in.
RIM = 1 / 8
# Detail is what a Gaussian of this width takes away, less for small images; noise of this variance is no detail.
COARSE_PX, NOISE = 1.5, 0.5
# How far places move in a step if nothing but noise speaks for it, in half sides; steps at the smallest size, and at
# each of the others; the smallest side.
_USUAL_STEP, _NOISE_STD, _STEPS, _SMALLEST_PX = 0.15, 3.0, (3, 2), 16
# Where images are larger than this, pairs that lack so much of each other's detail at half their size are given up.
_ROUGH_PX, _UNLIKE = 48, 0.65
# How far copies are rotated, stretched (radians, shares), moved (half sides) and zoomed at most.
_BENT, _MOVED, _ZOOMED = 0.2, 0.2, 1.35
# Below this share of common places nothing is said.
_COMMON = 0.5
_BLUR = 0.7


def grays(images: np.ndarray) -> np.ndarray:
    """Return uint8 (n, h, w) of at most 64 × 64 pixels, slightly blurred, of uint8 images (n, h, w, c)."""
    return np.rint(_blurred(averaged(images, _small(images)).mean(3))).astype(np.uint8)


def colour_planes(images: np.ndarray) -> np.ndarray:
    """Return float32 (n, c, h, w) of at most 64 × 64 pixels, slightly blurred, of uint8 images (n, h, w, c)."""
    planes = averaged(images, _small(images)).transpose(0, 3, 1, 2)
    return _blurred(planes.reshape(-1, *planes.shape[2:])).reshape(planes.shape)


def _small(images: np.ndarray) -> tuple[int, int]:
    return min(images.shape[1], SIDE_PX), min(images.shape[2], SIDE_PX)


def _blurred(planes: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(planes, (0, _BLUR, _BLUR))


def lack_between(first: np.ndarray, second: np.ndarray, zoom: np.ndarray, enough: np.ndarray) -> np.ndarray:
    """Return float32 (m,), the share of detail that two images lack of each other at best, or so little as is enough.

    They are first laid over each other at half their size: large ones are compared no further where they have little
    in common there, and none where they lack no more than `enough` (m,) already.

    Arguments: as of `align`.
    """
    if min(first.shape[1:]) < 2 * _SMALLEST_PX:
        return lacking_detail(first, second, align(first, second, zoom))
    halves = _halved(first), _halved(second)
    warp, todo = align(*halves, zoom), np.arange(len(first))
    lack = np.ones(len(first), np.float32)
    if min(first.shape[1:]) > _ROUGH_PX:
        lack = lacking_detail(*halves, warp)
        todo = np.flatnonzero(lack < _UNLIKE)
    for steps in (0, _STEPS[1]):
        if len(todo):
            one, other = first[todo], second[todo]
            warp[todo] = _refined(one, other, warp[todo], steps)
            lack[todo] = lacking_detail(one, other, warp[todo])
            todo = todo[lack[todo] > enough[todo]]
    return lack


def align(first: np.ndarray, second: np.ndarray, zoom: np.ndarray) -> np.ndarray:
    """Return float32 (m, 2, 3), the warps from places in each first image to those in the second that show the same.

    Arguments:
        first, second: float32 (m, h, w), as `grays` makes them.
        zoom: float32 (m,), where to begin: a place x of the first lies near zoom · x of the second.

    Source: iterated least squares from coarse to fine (Lucas and Kanade 1981; Baker and Matthews 2004), with gain and
    offset for the light; places run from −1 to 1, across and down.
    """
    warp = np.zeros((len(first), 2, 3), np.float32)
    warp[:, 0, 0] = warp[:, 1, 1] = zoom
    sizes = [(first, second)]
    while min(sizes[-1][0].shape[1:]) >= 2 * _SMALLEST_PX:
        sizes.append((_halved(sizes[-1][0]), _halved(sizes[-1][1])))
    for level, (one, other) in enumerate(reversed(sizes)):
        warp = _refined(one, other, warp, _STEPS[level > 0])
    return warp


def _refined(first: np.ndarray, second: np.ndarray, warp: np.ndarray, steps: int) -> np.ndarray:
    for _ in range(steps):
        warp = _step(first, second, warp)
    return warp


def _halved(images: np.ndarray) -> np.ndarray:
    return averaged(images[..., None], (images.shape[1] // 2, images.shape[2] // 2))[..., 0]


def lacking_detail(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Return float32 (m,), the share of the first image's detail that the second, laid over it, does not explain.

    0: the same; 1: nothing in common, or too little of it seen.
    """
    from scipy.ndimage import gaussian_filter

    m, h, w = first.shape
    laid, inside = laid_over(second, warp)
    width = COARSE_PX * min(1, min(h, w) / 32)
    rim_y, rim_x = rims(h, w)
    one = first[:, rim_y : h - rim_y, rim_x : w - rim_x]
    detail = [side - gaussian_filter(side, (0, width, width)) for side in (one, laid)]
    a, b = ((side * inside).reshape(m, -1) for side in detail)
    seen = inside.reshape(m, -1).sum(1)
    noise = NOISE * seen
    common = (a * b).sum(1) ** 2 / (((a**2).sum(1) + noise) * ((b**2).sum(1) + noise) + 1e-6)
    # Detail turned into its negative is no copy.
    common[(a * b).sum(1) < 0] = 0
    told = (seen >= _COMMON * a.shape[1]) & _likely(warp)
    return np.where(told, 1 - common, 1).astype(np.float32)


def _likely(warp: np.ndarray) -> np.ndarray:
    """Return bool (m,), whether a copy may lie so; a simple shape can be laid over any other if it is moved enough."""
    size = np.linalg.det(warp[:, :, :2])
    shape = warp[:, :, :2] / np.sqrt(np.maximum(size, 1e-3))[:, None, None]
    bent = np.abs(shape - np.eye(2, dtype=np.float32)).max((1, 2))
    moved = np.abs(warp[:, :, 2]).max(1)
    return (bent < _BENT) & (moved < _MOVED) & (size > 1 / _ZOOMED**2) & (size < _ZOOMED**2)


def light_between(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 (m,) twice: the second's contrast in those of the first, and the levels it is lighter by."""
    _, h, w = first.shape
    laid, inside = laid_over(second, warp)
    rim_y, rim_x = rims(h, w)
    one = first[:, rim_y : h - rim_y, rim_x : w - rim_x]
    means, spreads = [], []
    for side in (one, laid):
        mean = np.where(inside, side, 0).sum((1, 2)) / np.maximum(inside.sum((1, 2)), 1)
        spread = np.where(inside, side - mean[:, None, None], 0).std((1, 2))
        means.append(mean)
        spreads.append(spread + 0.5)
    return spreads[1] / spreads[0], means[1] - means[0]


def rims(h: int, w: int) -> tuple[int, int]:
    """Return how many pixels at the upper and lower, and at the left and right edges are not compared."""
    return int(h * RIM), int(w * RIM)


def _places(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """Return across and down, float32 (p,), of the pixels within the rim, −1…1 over the whole image."""
    rim_y, rim_x = rims(h, w)
    down, across = (np.linspace(-1, 1, side, dtype=np.float32) for side in (h, w))
    down, across = np.meshgrid(down[rim_y : h - rim_y], across[rim_x : w - rim_x], indexing="ij")
    return across.ravel(), down.ravel()


def laid_over(second: np.ndarray, warp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what the images show at the warped places within the rim, float32 (m, h', w'), and which they hold.

    Arguments:
        second: float32 (m, h, w).
        warp: float32 (m, 2, 3), from `align`.
    """
    m, h, w = second.shape
    x, y = _places(h, w)
    rim_y, rim_x = rims(h, w)
    across, down = (
        (warp[:, i, :1] * x + warp[:, i, 1:2] * y + warp[:, i, 2:] + 1) * ((side - 1) / 2)
        for i, side in enumerate((w, h))
    )
    inside = (across > -0.5) & (across < w - 0.5) & (down > -0.5) & (down < h - 0.5)
    across, down = np.clip(across, 0, w - 1.001), np.clip(down, 0, h - 1.001)
    left, top = across.astype(np.int32), down.astype(np.int32)
    right, below = across - left, down - top
    flat, at = second.reshape(-1), top * w + left + (np.arange(m, dtype=np.int32) * (h * w))[:, None]
    upper = flat[at] * (1 - right) + flat[at + 1] * right
    at += w
    lower = flat[at] * (1 - right) + flat[at + 1] * right
    shape = (m, h - 2 * rim_y, w - 2 * rim_x)
    return (upper * (1 - below) + lower * below).reshape(shape), inside.reshape(shape)


def _step(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> np.ndarray:
    """Return the warps after one step of least squares."""
    m, h, w = first.shape
    laid, inside = laid_over(second, warp)
    x, y = _places(h, w)
    rim_y, rim_x = rims(h, w)
    grad_y, grad_x = np.gradient(laid, 2 / (h - 1), 2 / (w - 1), axis=(1, 2))
    grad_x, grad_y = grad_x.reshape(m, -1), grad_y.reshape(m, -1)
    values = laid.reshape(m, -1) - laid.mean((1, 2))[:, None]
    moves = [grad_x * x, grad_x * y, grad_x, grad_y * x, grad_y * y, grad_y]
    changes = np.stack([values, np.ones_like(values), *moves], 1, dtype=np.float32)
    changes *= inside.reshape(m, 1, -1)
    normal = (changes @ changes.transpose(0, 2, 1)).astype(np.float64)
    normal += np.diag([1e-3, 1e-3] + [(_NOISE_STD / _USUAL_STEP) ** 2] * 6)
    wanted = first[:, rim_y : h - rim_y, rim_x : w - rim_x].reshape(m, -1, 1)
    amounts = np.linalg.solve(normal, changes @ wanted)[..., 0]
    gain = np.where(np.abs(amounts[:, :1]) < 0.05, 0.05, amounts[:, :1])
    move = np.zeros((m, 3, 3), np.float32)
    move[:, :2] = np.clip(amounts[:, 2:] / gain, -0.25, 0.25).reshape(m, 2, 3) + np.eye(2, 3)
    move[:, 2, 2] = 1
    # The step was found at the places of the first image: it is taken before the warp so far.
    whole = np.concatenate([warp, np.broadcast_to(np.array([[[0, 0, 1]]], np.float32), (m, 1, 3))], 1)
    return (whole @ move)[:, :2]
