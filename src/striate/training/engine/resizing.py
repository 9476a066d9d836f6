"""Progressive resizing: the first part of a run sees smaller images, whose steps take less time.

A net whose last pool spans all positions learns on images of any size, and its first filters learn about as much from
small ones. The rest of the run is on the whole size, as is every validation: statistics and scale are learned there.
Source: J. Howard's CIFAR-10 and ImageNet runs of DAWNBench, 2018.
"""

from __future__ import annotations

from functools import lru_cache

import torch

from striate.errors import ArgumentError, ShapeError
from striate.nets.modules.own import AnyNet, build
from striate.training.recipe import Recipe


def size_at(recipe: Recipe, size: tuple[int, int], done: float) -> tuple[int, int]:
    """Return the size (h, w) on which a step trains after a share `done` of the run, where `size` is the whole.

    >>> recipe = Recipe(small_until=0.6, small_side=0.625)
    >>> [size_at(recipe, (32, 48), done) for done in (0, 0.59, 0.6)]
    [(20, 30), (20, 30), (32, 48)]
    """
    return size if done >= recipe.small_until else small_size(recipe, size)


def small_size(recipe: Recipe, size: tuple[int, int]) -> tuple[int, int]:
    """Return the size (h, w) of the recipe's small images, where `size` is the whole."""
    return max(1, round(size[0] * recipe.small_side)), max(1, round(size[1] * recipe.small_side))


def shrink(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return float images (n, c, h, w) at a smaller size (h, w); each pixel is the mean of the area that it covers.

    >>> shrink(torch.arange(9.0).reshape(1, 1, 3, 3), (3, 1)).flatten()
    tensor([1., 4., 7.])
    """
    if tuple(images.shape[2:]) == size:
        return images
    down, across = (_areas(whole, part).to(images) for whole, part in zip(images.shape[2:], size, strict=True))
    return (down @ images @ across.T).contiguous(memory_format=torch.channels_last)


def check_small(net: AnyNet, recipe: Recipe, input_shape: tuple[int, int, int]) -> None:
    """Refuse a net that cannot be trained on the recipe's small images.

    Raises:
        ArgumentError: the net takes images of one size only, or the small ones are too small for it.
    """
    if not recipe.small_until and recipe.hard_share == 1:
        return
    channels, *whole = input_shape
    size = small_size(recipe, (whole[0], whole[1]))
    module = build(net, input_shape).eval()
    try:
        with torch.inference_mode():
            module(torch.zeros(2, channels, *size))
    except (RuntimeError, ValueError, AssertionError, ShapeError) as error:
        what, when, way_out = f"hard_share = {recipe.hard_share} looks at", "", "hard_share = 1"
        if recipe.small_until:
            what, when, way_out = f"small_until = {recipe.small_until} trains on", " at first", "small_until = 0"
        raise ArgumentError(
            f"{what} images of {size[0]}×{size[1]} pixels{when}, which this "
            f"net cannot take beside those of {whole[0]}×{whole[1]} ({str(error).splitlines()[0]}). "
            f"End the net's features in globalmax or globalavg, choose a larger small_side, or set {way_out}"
        ) from None


@lru_cache(maxsize=16)
def _areas(whole: int, part: int) -> torch.Tensor:
    """Return float32 (part, whole): which share of each of `part` equal stretches each of `whole` pixels covers."""
    edges = torch.arange(part + 1, dtype=torch.float64) * whole / part
    pixels = torch.arange(whole, dtype=torch.float64)
    covered = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (covered.clamp(min=0) * part / whole).float()
