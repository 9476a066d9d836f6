"""Training on the hard images of each draw: those that the net itself, looking at small copies, is most wrong about.

A forward pass over images of half the side takes a twelfth of a training step on whole ones, and most of what a net
meets late in a run it knows. So it draws more images than it trains on and leaves out the easy ones (bench/growing.py).
Wrong labels are hard, too: where there are many of them this learns the mistakes.

Sources: A. Jiang et al., "Accelerating Deep Learning by Focusing on the Biggest Losers", 2019; K. Jordan,
cifar10-airbench, 2024, where a smaller net chooses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.modules.batchnorm import _BatchNorm

from striate.training.engine.learner import Learner
from striate.training.engine.resizing import shrink, small_size
from striate.training.recipe import Recipe


def images_kept(recipe: Recipe, drawn: int, processes: int = 1) -> list[int]:
    """Return how many of the images of a step each process trains on."""
    shares = [len(range(rank, drawn, processes)) for rank in range(processes)]
    return [max(1, round(recipe.hard_share * share)) for share in shares]


def hard_ones(
    learner: Learner, recipe: Recipe, images: torch.Tensor, labels: torch.Tensor, kept: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the `kept` images with the largest loss, in their order, and their labels.

    Arguments:
        images: float (n, c, h, w), as the net is given them.
        labels: int64 (n,), or float (n, k) where images are mixed.
    """
    small = shrink(images, small_size(recipe, (images.shape[2], images.shape[3])))
    with torch.no_grad(), _statistics_untouched(learner.module):
        losses = F.cross_entropy(learner.computed(small).float(), labels, reduction="none")
    chosen = losses.topk(kept).indices.sort().values
    return images[chosen].contiguous(memory_format=torch.channels_last), labels[chosen]


@contextmanager
def _statistics_untouched(module: torch.nn.Module) -> Iterator[None]:
    """Let batch norms use a batch's statistics, for the time of a `with` block, without keeping them."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
