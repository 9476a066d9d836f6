"""Augmentations that resample: crop, rotate, zoom, shear. Bilinear, without antialiasing."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F  # noqa: N812

from striate.augmentation.arguments import Between
from striate.augmentation.batch import channels_first, to_pixels, uniform

Fill = Literal["edge", "reflect", "zero"]
_PADDING = {"edge": "border", "reflect": "reflection", "zero": "zeros"}


def crop(
    batch: torch.Tensor,
    generator: torch.Generator,
    scale: Annotated[tuple[float, float], Between(0, 1, "share of the area that is kept", above=True)] = (0.25, 1),
    ratio: Annotated[tuple[float, float], Between(0.1, 10, "width : height of what is kept, on a square image")] = (
        3 / 4,
        4 / 3,
    ),
) -> torch.Tensor:
    """Cut a random part out of each image and enlarge it to the whole size ("random resized crop").

    Source: Szegedy 2014, "Going Deeper with Convolutions", with scale (0.08, 1); our default keeps more, for small
    images. A side that would leave the image is cut to it, where others draw again.
    """
    n, _, h, w = batch.shape
    area = uniform(n, generator, *scale)
    shape = torch.exp(uniform(n, generator, math.log(ratio[0]), math.log(ratio[1])))
    across, along = ((area * shape).sqrt().clamp(max=1), (area / shape).sqrt().clamp(max=1))
    x = uniform(n, generator, -0.5, 0.5) * (1 - across) * w
    y = uniform(n, generator, -0.5, 0.5) * (1 - along) * h
    return warp(batch, across, 0, x, 0, along, y)


def rotate(
    batch: torch.Tensor,
    generator: torch.Generator,
    degrees: Annotated[float, Between(0, 180)] = 10,
    fill: Fill = "edge",
) -> torch.Tensor:
    """Turn each image about its centre by up to ± `degrees`; outside lies the edge pixel, the reflection or black."""
    angle = uniform(len(batch), generator, -degrees, degrees)
    return turn(batch, angle, fill)


def zoom(
    batch: torch.Tensor,
    generator: torch.Generator,
    by: Annotated[float, Between(0, 10, "0.1 is up to a tenth larger")] = 0.1,
    fill: Fill = "edge",
) -> torch.Tensor:
    """Enlarge or shrink each image about its centre by a factor between 1 / (1 + by) and 1 + by."""
    shrink = torch.exp(uniform(len(batch), generator, -1, 1) * math.log1p(by))
    return warp(batch, shrink, 0, 0, 0, shrink, 0, fill)


def shear(
    batch: torch.Tensor,
    generator: torch.Generator,
    by: Annotated[float, Between(0, 2, "pixels to the side for each pixel up")] = 0.1,
    fill: Fill = "edge",
) -> torch.Tensor:
    """Slant each image to the left or right by up to ± `by`, as italic type is slanted."""
    slant = uniform(len(batch), generator, -by, by)
    return warp(batch, 1, slant, 0, 0, 1, 0, fill)


def turn(batch: torch.Tensor, degrees: torch.Tensor, fill: str = "edge") -> torch.Tensor:
    """Return each image turned counter-clockwise by `degrees` (n,)."""
    angle = degrees * (math.pi / 180)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return warp(batch, cos, -sin, 0, sin, cos, 0, fill)


def warp(
    batch: torch.Tensor,
    a: torch.Tensor | float,
    b: torch.Tensor | float,
    x: torch.Tensor | float,
    d: torch.Tensor | float,
    e: torch.Tensor | float,
    y: torch.Tensor | float,
    fill: str = "edge",
) -> torch.Tensor:
    """Return each image resampled: the pixel at (u, v) from the centre is read at (a u + b v + x, d u + e v + y).

    Arguments:
        batch: uint8 (n, c, h, w).
        a, b, x, d, e, y: a number, or (n,) for each image its own; in pixels, u to the right, v downwards.
        fill: edge, reflect (about the border between pixels) or zero, for what lies outside.
    """
    n, _, h, w = batch.shape
    u, v = (torch.arange(side, device=batch.device) - (side - 1) / 2 for side in (w, h))
    grid = torch.empty(n, h, w, 2, device=batch.device)
    # grid_sample's coordinates run from −1 at the left edge to 1 at the right one.
    for axis, (along, across, offset, side) in enumerate([(a, b, x, w), (d, e, y, h)]):
        along, across, offset = (_column(part, n, batch.device) * (2 / side) for part in (along, across, offset))
        torch.add((along * u)[:, None, :], (across * v + offset)[:, :, None], out=grid[..., axis])
    pixels = batch.to(torch.float32, memory_format=torch.contiguous_format)
    warped = F.grid_sample(pixels, grid, padding_mode=_PADDING[fill], align_corners=False)
    # Stacking the channels is the fastest way back to channels-last.
    return channels_first(torch.stack(to_pixels(warped).unbind(1), 3))


def _column(value: torch.Tensor | float, n: int, device: torch.device) -> torch.Tensor:
    return torch.as_tensor(value, dtype=torch.float32, device=device).expand(n).view(n, 1)
