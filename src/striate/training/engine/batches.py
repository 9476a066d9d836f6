"""The order of images and the seeds of every step: pure functions of (seed, epoch, step); where the pixels lie."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from striate.data.imageset import ImageSet
from striate.system.processes import ALONE, Processes
from striate.training.recipe import Recipe

# Of a device's free memory: the net's values need the rest.
MOST_RESIDENT = 1 / 3
_BLOCK = 4096
_MOST_AT_ONCE, _PIXELS_AT_ONCE = 256, 2_000_000


def epoch_order(count: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the batches of an epoch as index arrays: every image once, sizes that differ by at most one.

    Even batches rather than a small last one: batch-norm statistics and step lengths stay alike.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return np.array_split(order, steps_per_epoch(count, batch_size))


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return how many batches of at most `batch_size` hold `count` images."""
    return -(-count // batch_size)


def step_seed(seed: int, epoch: int, step: int, rank: int = 0) -> int:
    """Return the seed of one step's random choices (augmentation, dropout) in a process, the same after a resume."""
    return int(
        np.random.SeedSequence([seed, epoch, step, *([rank] if rank else [])]).generate_state(1, np.uint64)[0] >> 1
    )


def images_at_once(height: int, width: int, device: torch.device) -> int:
    """Return how many images of so many pixels a net is best given at once to predict.

    On a CPU more of them are slower, not faster: what they become in between leaves the processor's caches.

    >>> [images_at_once(side, side, torch.device("cpu")) for side in (32, 224)]
    [256, 39]
    """
    pixels = _PIXELS_AT_ONCE if device.type == "cpu" else 8 * _PIXELS_AT_ONCE
    return max(1, min(_MOST_AT_ONCE, pixels // (height * width)))


def to_batch(pixels: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return uint8 (n, c, h, w) on `device` from uint8 (n, h, w, c); the memory stays channels-last."""
    array = np.ascontiguousarray(pixels)
    if not array.flags.writeable:  # torch wants memory that it could write to
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


@dataclass(frozen=True, eq=False)
class Batch:
    """This process's share of the images of one step.

    Arguments:
        step: counted from 0 within the epoch.
        pixels: uint8 (n, c, h, w), channels-last in memory.
        labels: int64 (n,).
        indices: int64 (n,), the images' places in the training set.
        total: how many images the step has in all processes.
    """

    step: int
    pixels: torch.Tensor
    labels: torch.Tensor
    indices: torch.Tensor
    total: int


def training_batches(
    pixels: Pixels, recipe: Recipe, epoch: int, first_step: int, processes: Processes = ALONE
) -> Iterator[Batch]:
    """Yield the batches of an epoch from `first_step` on, dealt out to the processes."""
    images, device = pixels.images, pixels.device
    batches = epoch_order(len(images), recipe.batch_size * recipe.accumulate, recipe.seed, epoch)
    for step in range(first_step, len(batches)):
        # Sorted rows read a memory map from front to back; the order within a batch does not matter.
        chosen = np.sort(batches[step])[processes.rank :: processes.count]
        yield Batch(
            step,
            pixels.batch(chosen),
            torch.from_numpy(images.labels[chosen]).to(device),
            torch.from_numpy(chosen).to(device),
            len(batches[step]),
        )
