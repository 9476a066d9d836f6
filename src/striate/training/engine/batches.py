"""The order of images and the seeds of every step: pure functions of (seed, epoch, step); where the pixels lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from striate.data.balancing import draw_evenly
from striate.data.tensors import Pixels
from striate.system.processes import ALONE, Processes
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


def takes_hard_ones(recipe: Recipe, epoch: int) -> bool:
    """Return whether the steps of an epoch, counted from 0, train on hard images alone."""
    return recipe.hard_share < 1 and epoch >= recipe.hard_from * recipe.epochs


def images_drawn(recipe: Recipe, epoch: int) -> int:
    """Return how many images are drawn for one step, at most.

    >>> [images_drawn(Recipe(epochs=4, batch_size=100, hard_share=0.4, hard_from=0.5), epoch) for epoch in (1, 2)]
    [100, 250]
    """
    size = recipe.batch_size * recipe.accumulate
    return round(size / recipe.hard_share) if takes_hard_ones(recipe, epoch) else size


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
    """Yield the batches of an epoch from `first_step` on, dealt out to the processes.

    Where the recipe draws classes evenly, each epoch has as many images of every class.
    """
    images, device = pixels.images, pixels.device
    batches = epoch_order(len(images), images_drawn(recipe, epoch), recipe.seed, epoch)
    if recipe.balance == "draw":
        drawn = draw_evenly(images.labels, recipe.seed, epoch)
        batches = [drawn[batch] for batch in batches]
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
