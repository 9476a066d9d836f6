"""Images as torch tensors: a batch on its device, as many at once as are fast."""

from __future__ import annotations

import math

import numpy as np
import torch

from striate.data.imageset import ImageSet

# Of a device's free memory: the net's values need the rest.
MOST_RESIDENT = 1 / 3
_BLOCK = 4096
_MOST_AT_ONCE, _PIXELS_AT_ONCE = 256, 800_000


def images_at_once(height: int, width: int, device: torch.device) -> int:
    """Return how many images of so many pixels a net is best given at once to predict.

    On a CPU more of them are slower, not faster: what they become in between leaves the processor's caches.

    >>> [images_at_once(side, side, torch.device("cpu")) for side in (32, 224)]
    [256, 15]
    """
    pixels = _PIXELS_AT_ONCE if device.type == "cpu" else 8 * _PIXELS_AT_ONCE
    return max(1, min(_MOST_AT_ONCE, pixels // (height * width)))


def to_batch(pixels: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return uint8 (n, c, h, w) on `device` from uint8 (n, h, w, c); the memory stays channels-last."""
    array = np.ascontiguousarray(pixels)
    # torch wants memory that it could write to, and no steps backwards, which an axis of one pixel may keep
    if not array.flags.writeable or min(array.strides, default=0) < 0:
        array = array.copy()
    return torch.from_numpy(array).to(device).permute(0, 3, 1, 2)


class Pixels:
    """The pixels of an image set by batches on a device: resident there where they fit, else brought for each batch.

    Arguments:
        images: in memory or memory-mapped.
        device: where the batches are wanted.
        resident: whether to keep all pixels on the device; None asks whether they fit.
    """

    def __init__(self, images: ImageSet, device: torch.device, resident: bool | None = None):
        self.images, self.device = images, device
        self._resident: torch.Tensor | None = None
        if _fit_on(device, len(images) * math.prod(images.image_shape)) if resident is None else resident:
            self._resident = torch.empty((len(images), *images.image_shape), dtype=torch.uint8, device=device)
            for start in range(0, len(images), _BLOCK):
                block = images.pixels[images.rows[start : start + _BLOCK]]
                self._resident[start : start + len(block)] = to_batch(block, device).permute(0, 2, 3, 1)

    def batch(self, chosen: np.ndarray) -> torch.Tensor:
        """Return uint8 (n, c, h, w) on the device, channels-last in memory, of the images at places `chosen` (n,)."""
        if self._resident is None:
            return to_batch(self.images.pixels[self.images.rows[chosen]], self.device)
        return self._resident[torch.from_numpy(chosen).to(self.device)].permute(0, 3, 1, 2)


def _fit_on(device: torch.device, size: int) -> bool:
    """Return whether a device with memory of its own can keep `size` bytes of images beside the net."""
    return device.type == "cuda" and size < MOST_RESIDENT * torch.cuda.mem_get_info(device)[0]
