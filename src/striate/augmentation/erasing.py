"""Augmentations that hide a part of each image: cutout, erase."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch

from striate.augmentation.arguments import Between
from striate.augmentation.batch import as_rows, boxes, choose, from_rows, uniform, whole_pixels


def cutout(
    batch: torch.Tensor,
    generator: torch.Generator,
    size: Annotated[float, Between(0, 16384, "a share of the side below 1, else pixels", above=True)] = 0.25,
    fill: Annotated[int, Between(0, 255, "0 is black")] = 0,
) -> torch.Tensor:
    """Blank a square of side `size` whose centre is any pixel of the image; it may reach outside.

    Source: DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout". They blank
    after normalising, so with the mean colour.
    """
    n, c, h, w = batch.shape
    height, width = (torch.full((n,), max(1, whole_pixels(size, side)), device=batch.device) for side in (h, w))
    top = torch.randint(h, (n,), generator=generator, device=generator.device) - height // 2
    left = torch.randint(w, (n,), generator=generator, device=generator.device) - width // 2
    return from_rows(choose(boxes(top, left, height, width, batch.shape), fill, as_rows(batch)), c)


def erase(
    batch: torch.Tensor,
    generator: torch.Generator,
    p: Annotated[float, Between(0, 1, "probability", above=True)] = 0.5,
    area: Annotated[tuple[float, float], Between(0, 1, "share of the image", above=True)] = (0.02, 0.4),
    ratio: Annotated[float, Between(1, 10, "3 is from 1 : 3 to 3 : 1")] = 10 / 3,
    fill: Literal["noise", "zero"] = "noise",
) -> torch.Tensor:
    """Fill a rectangle in a share `p` of the images with noise, or black.

    Source: Zhong 2017, "Random Erasing Data Augmentation", with the paper's ranges. A side that would be longer than
    the image's is cut to it, where the paper draws again.
    """
    n, c, h, w = batch.shape
    erased = uniform(n, generator) < p
    pixels = uniform(n, generator, *area) * (h * w)
    shape = torch.exp(uniform(n, generator, -math.log(ratio), math.log(ratio)))
    height = (pixels * shape).sqrt().round().clamp(1, h).long()
    width = (pixels / shape).sqrt().round().clamp(1, w).long()
    top = (uniform(n, generator) * (h - height + 1)).long()
    left = (uniform(n, generator) * (w - width + 1)).long()
    hidden = boxes(top, left, height * erased, width, batch.shape)
    rows = as_rows(batch)
    return from_rows(choose(hidden, 0 if fill == "zero" else _noise(rows.shape, generator), rows), c)


def _noise(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Return uint8 noise; eight bytes come from each draw."""
    count = shape.numel()
    words = torch.empty(-(-count // 8), dtype=torch.int64, device=generator.device)
    return words.random_(-(2**63), None, generator=generator).view(torch.uint8)[:count].view(shape)
