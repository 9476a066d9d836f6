"""RandAugment: a few operations for each image, drawn from fourteen, all of one strength."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import torch

from striate.augmentation.arguments import Between
from striate.augmentation.batch import channels_first, channels_last
from striate.augmentation.colour import brighten, saturate, stretch
from striate.augmentation.tones import autocontrast, equalize, posterize, sharpen, solarize
from striate.augmentation.warping import turn, warp

# Takes uint8 (m, c, h, w) and a strength (m,) between −1 and 1.
Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# The ranges are torchvision's.
OPERATIONS: dict[str, Operation] = {
    "identity": lambda batch, strength: batch,
    "shear_x": lambda batch, strength: warp(batch, 1, 0.3 * strength, 0, 0, 1, 0),
    "shear_y": lambda batch, strength: warp(batch, 1, 0, 0, 0.3 * strength, 1, 0),
    "translate_x": lambda batch, strength: warp(batch, 1, 0, 0.45 * batch.shape[3] * strength, 0, 1, 0),
    "translate_y": lambda batch, strength: warp(batch, 1, 0, 0, 0, 1, 0.45 * batch.shape[2] * strength),
    "rotate": lambda batch, strength: turn(batch, 30 * strength),
    "brightness": lambda batch, strength: brighten(batch, 1 + 0.9 * strength),
    "saturation": lambda batch, strength: saturate(batch, 1 + 0.9 * strength),
    "contrast": lambda batch, strength: stretch(batch, 1 + 0.9 * strength),
    "sharpness": lambda batch, strength: sharpen(batch, 1 + 0.9 * strength),
    "posterize": lambda batch, strength: posterize(batch, 8 - (4 * strength.abs()).round().long()),
    "solarize": lambda batch, strength: solarize(batch, 256 - (255 * strength.abs()).round().long()),
    "autocontrast": lambda batch, strength: autocontrast(batch),
    "equalize": lambda batch, strength: equalize(batch),
}


def randaugment(
    batch: torch.Tensor,
    generator: torch.Generator,
    n: Annotated[int, Between(1, 10, "operations for each image, one after the other")] = 2,
    magnitude: Annotated[float, Between(0, 30, "their strength, 30 the strongest")] = 9,
) -> torch.Tensor:
    """Apply `n` operations to each image, drawn for each from fourteen, with a random sign and one strength.

    The operations: identity, shear and translate (each way), rotate, brightness, saturation, contrast, sharpness,
    posterize, solarize, autocontrast, equalize. No flips. What lies outside is the edge pixel.

    Source: Cubuk 2019, "RandAugment: Practical automated data augmentation with a reduced search space"; the ranges are
    those of torchvision.
    """
    count, device = len(batch), generator.device
    for _ in range(n):
        drawn = torch.randint(len(OPERATIONS), (count,), generator=generator, device=device)
        sign = torch.randint(2, (count,), generator=generator, device=device) * 2 - 1
        batch = apply_each(batch, list(OPERATIONS.values()), drawn, sign * (magnitude / 30))
    return batch


def apply_each(
    batch: torch.Tensor, operations: Sequence[Operation], drawn: torch.Tensor, strength: torch.Tensor
) -> torch.Tensor:
    """Apply to each image the operation that it drew; images of one operation are taken together.

    Arguments:
        drawn: int64 (n,), indices into `operations`.
        strength: (n,), between −1 and 1.
    """
    pixels, order = channels_last(batch), drawn.argsort(stable=True)
    parts, start = [], 0
    for operation, size in zip(operations, torch.bincount(drawn, minlength=len(operations)).tolist(), strict=True):
        chosen = order[start : start + size]
        if size:
            parts.append(channels_last(operation(channels_first(pixels.index_select(0, chosen)), strength[chosen])))
        start += size
    return channels_first(torch.cat(parts).index_select(0, order.argsort()))
