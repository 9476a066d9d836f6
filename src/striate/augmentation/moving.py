"""Augmentations that move whole pixels: flip, turns, translate. No pixel's value is computed anew."""

from __future__ import annotations

from typing import Annotated, Literal

import torch

from striate.augmentation.arguments import Between
from striate.augmentation.batch import channels_first, channels_last, from_rows, uniform, whole_pixels


def flip(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image left to right with probability 1/2."""
    return mirror(batch, uniform(len(batch), generator) < 0.5)


def alternating_flip(
    batch: torch.Tensor, generator: torch.Generator, *, indices: torch.Tensor, epoch: int, seed: int
) -> torch.Tensor:
    """Mirror half of the images in the first epoch, the other half in the second, and so on in turn.

    Every two epochs show each image both ways, where `flip` shows a quarter of the images twice the same way. Which
    half an image belongs to follows from a hash of its index and the recipe's seed, so nothing is drawn.

    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", listing 2.
    """
    return mirror(batch, (parity(indices.to(batch.device), seed) + epoch) % 2 == 1)


def turns(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Turn each image by none, one, two or three quarters, by chance; by none or two where it is no square.

    For what has no top: pictures from above, tissue, parts on a belt.
    """
    step = 1 if batch.shape[2] == batch.shape[3] else 2
    drawn = torch.randint(4 // step, (len(batch),), generator=generator, device=generator.device).to(batch.device)
    made = batch.clone(memory_format=torch.preserve_format)
    for turn in range(1, 4 // step):
        rows = (drawn == turn).nonzero()[:, 0]
        made[rows] = batch[rows].rot90(turn * step, (2, 3))
    return made


def translate(
    batch: torch.Tensor,
    generator: torch.Generator,
    by: Annotated[float, Between(0, 16384, "a share of the side below 1, else pixels")] = 0.1,
    fill: Literal["reflect", "zero"] = "reflect",
) -> torch.Tensor:
    """Shift each image by up to `by` in each direction, by whole pixels; what comes in is reflected, or black.

    Reflection goes about the edge pixel, as in `numpy.pad`; a shift is at most the side less one pixel.

    Source: Krizhevsky 2012 and He 2015 (zero), Jordan 2024 (reflect).
    """
    n, _, h, w = batch.shape
    most = [min(whole_pixels(by, side), side - 1) for side in (h, w)]
    down, right = (torch.randint(-m, m + 1, (n,), generator=generator, device=generator.device) for m in most)
    return shift(batch, down, right, most[1], fill)


def mirror(batch: torch.Tensor, mirrored: torch.Tensor) -> torch.Tensor:
    """Return the batch with the images of `mirrored` (bool (n,)) turned left to right."""
    pixels, n = channels_last(batch), len(batch)
    both = torch.cat([pixels, pixels.flip(2)])
    return channels_first(both.index_select(0, torch.arange(n, device=batch.device) + n * mirrored))


def shift(batch: torch.Tensor, down: torch.Tensor, right: torch.Tensor, most: int, fill: str) -> torch.Tensor:
    """Return each image read `down` and `right` (int (n,)) pixels further; `right` goes to ± `most`."""
    n, c, h, w = batch.shape
    pixels = channels_last(batch)
    before, after = pixels[:, :, 1 : most + 1].flip(2), pixels[:, :, w - 1 - most : w - 1].flip(2)
    if fill == "zero":
        before, after = torch.zeros_like(before), torch.zeros_like(after)
    wide = torch.cat([before, pixels, after], 2)
    row = torch.arange(h, device=batch.device) + down[:, None]
    reflected = torch.where(row >= h, 2 * (h - 1) - row, row.abs())
    # Any w·c bytes in a row are a row of a shifted image, so the padded batch is read as overlapping rows.
    start = (
        (torch.arange(n, device=batch.device)[:, None] * h + reflected) * (w + 2 * most) + most + right[:, None]
    ) * c
    overlapping = wide.as_strided((wide.numel() - w * c + 1, w * c), (1, 1))
    moved = overlapping.index_select(0, start.flatten()).view(n, h, w * c)
    if fill == "zero":
        moved *= ((row >= 0) & (row < h))[:, :, None]
    return from_rows(moved, c)


def parity(indices: torch.Tensor, seed: int) -> torch.Tensor:
    """Return 0 or 1 for each index (int64 (n,)), evenly and without a pattern: the last bit of SplitMix64."""
    z = (indices + seed * 0x1000003 % 2**62) * -0x61C8864680B583EB
    for step, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        z = (z ^ _shifted(z, step)) * factor
    return (z ^ _shifted(z, 31)) & 1


def _shifted(z: torch.Tensor, by: int) -> torch.Tensor:
    # int64 shifts bring the sign in from the left; SplitMix64 wants zeros.
    return (z >> by) & ((1 << (64 - by)) - 1)
