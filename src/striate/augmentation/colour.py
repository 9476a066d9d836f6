"""Augmentations of colour: brightness, contrast, saturation, hue. Each image has one factor for all its pixels."""

from __future__ import annotations

import math
from typing import Annotated

import torch

from striate.augmentation.arguments import Between
from striate.augmentation.batch import channels_first, channels_last, per_image, to_pixels, uniform

_SHARE = Between(0, 1, "the factor goes from 1 − by to 1 + by")

# Red, green and blue → luma (ITU-R BT.601, as in Pillow's "L"), and the two colour axes of YIQ.
LUMA = (0.299, 0.587, 0.114)
YIQ = (LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def brightness(batch: torch.Tensor, generator: torch.Generator, by: Annotated[float, _SHARE] = 0.2) -> torch.Tensor:
    """Multiply each image's pixels by a factor between 1 − by and 1 + by."""
    return brighten(batch, uniform(len(batch), generator, 1 - by, 1 + by))


def contrast(batch: torch.Tensor, generator: torch.Generator, by: Annotated[float, _SHARE] = 0.2) -> torch.Tensor:
    """Move each image's pixels away from its mean luma, or towards it, by a factor between 1 − by and 1 + by."""
    return stretch(batch, uniform(len(batch), generator, 1 - by, 1 + by))


def saturation(batch: torch.Tensor, generator: torch.Generator, by: Annotated[float, _SHARE] = 0.2) -> torch.Tensor:
    """Move each pixel away from its own gray, or towards it, by a factor between 1 − by and 1 + by; gray stays."""
    return saturate(batch, uniform(len(batch), generator, 1 - by, 1 + by))


def hue(
    batch: torch.Tensor,
    generator: torch.Generator,
    by: Annotated[float, Between(0, 0.5, "share of the colour circle")] = 0.05,
) -> torch.Tensor:
    """Turn each image's colours about the gray axis by up to ± `by` of the colour circle; gray stays.

    The turn is the linear one in YIQ, as SVG's hueRotate: luma stays, which it does not in HSV.
    """
    return turn_hue(batch, uniform(len(batch), generator, -by, by))


def brighten(batch: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return pixels × factor (n,), as Pillow's `ImageEnhance.Brightness`."""
    return to_pixels(batch.float().mul_(per_image(factor)))


def stretch(batch: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return mean luma + (pixels − mean luma) × factor (n,), as Pillow's `ImageEnhance.Contrast`."""
    pixels = batch.float()
    mean = pixels.mean((2, 3))
    mean = mean @ mean.new_tensor(LUMA) if batch.shape[1] == 3 else mean.mean(1)
    return to_pixels(pixels.mul_(per_image(factor)).add_(per_image(mean * (1 - factor))))


def saturate(batch: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return luma + (pixels − luma) × factor (n,), as Pillow's `ImageEnhance.Color`."""
    identity = torch.eye(3, device=batch.device)
    gray = identity.new_tensor(LUMA).expand(3, 3)
    return mix_channels(batch, gray + (identity - gray) * factor.view(-1, 1, 1))


def turn_hue(batch: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Return the colours turned by `turns` (n,) of the circle in YIQ, from red towards yellow."""
    angle = turns * (2 * math.pi)
    turned = torch.zeros(len(batch), 3, 3, device=batch.device)
    turned[:, 0, 0] = 1
    turned[:, 1, 1] = turned[:, 2, 2] = torch.cos(angle)
    turned[:, 1, 2], turned[:, 2, 1] = torch.sin(angle), -torch.sin(angle)
    to_yiq = turned.new_tensor(YIQ)
    return mix_channels(batch, to_yiq.inverse() @ turned @ to_yiq)


def mix_channels(batch: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Return each pixel (c,) multiplied by its image's matrix (n, c, c); gray images as they are."""
    if batch.shape[1] != 3:
        return batch
    pixels = channels_last(batch)
    mixed = pixels.flatten(1, 2).float() @ matrices.transpose(1, 2)
    return channels_first(to_pixels(mixed).view(pixels.shape))
