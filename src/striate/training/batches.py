"""The order of images and the seeds of every step: pure functions of (seed, epoch, step)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from striate.data.imageset import ImageSet
from striate.training.processes import ALONE, Processes
from striate.training.recipe import Recipe


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


def to_batch(pixels: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return uint8 (n, c, h, w) on `device` from uint8 (n, h, w, c); the memory stays channels-last."""
    array = np.ascontiguousarray(pixels)
    if not array.flags.writeable:  # torch wants memory that it could write to
        array = array.copy()
    return torch.from_numpy(array).to(device).permute(0, 3, 1, 2)


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
    images: ImageSet, recipe: Recipe, epoch: int, first_step: int, device: torch.device, processes: Processes = ALONE
) -> Iterator[Batch]:
    """Yield the batches of an epoch from `first_step` on, dealt out to the processes."""
    batches = epoch_order(len(images), recipe.batch_size * recipe.accumulate, recipe.seed, epoch)
    for step in range(first_step, len(batches)):
        # Sorted rows read a memory map from front to back; the order within a batch does not matter.
        chosen = np.sort(batches[step])[processes.rank :: processes.count]
        yield Batch(
            step,
            to_batch(images.pixels[images.rows[chosen]], device),
            torch.from_numpy(images.labels[chosen]).to(device),
            torch.from_numpy(chosen).to(device),
            len(batches[step]),
        )
