"""Augmentations that make robust: images mixed with what they look like otherwise, or with pictures of nothing."""

from __future__ import annotations

from typing import Annotated

import torch

from striate.augmentation.arguments import Between
from striate.augmentation.batch import channels_first, channels_last, per_image, to_pixels, uniform
from striate.augmentation.mixing import symmetric_beta
from striate.augmentation.pictures import mixing_pictures
from striate.augmentation.randaugment import OPERATIONS, apply_each

# The words of AugMix: what changes brightness, contrast, saturation or sharpness is left out there, so that robustness
# to light is not learned by heart.
CHANGES = [
    OPERATIONS[name]
    for name in ("autocontrast", "equalize", "posterize", "solarize", "rotate", "shear_x", "shear_y",
                 "translate_x", "translate_y")
]  # fmt: skip


def augmix(
    batch: torch.Tensor,
    generator: torch.Generator,
    p: Annotated[float, Between(0, 1, "share of the images", above=True)] = 1,
    magnitude: Annotated[float, Between(0, 30)] = 9,
    width: Annotated[int, Between(1, 10)] = 3,
) -> torch.Tensor:
    n = len(batch)
    weights = -torch.log(uniform(width * n, generator).view(width, n).clamp(min=1e-12))
    weights = weights / weights.sum(0)
    m = symmetric_beta(n, generator, 1.0) * (uniform(n, generator) < p)
    rows = channels_last(batch).float()
    total = rows * per_image(1 - m)
    for k in range(width):
        chain = batch
        depth = torch.randint(1, 4, (n,), generator=generator, device=generator.device)
        for step in range(3):
            changed = _changed(chain, generator, magnitude)
            chain = torch.where(per_image(depth > step), changed, chain)
        total += channels_last(chain).float() * per_image(m * weights[k])
    return channels_first(to_pixels(total))


def pixmix(
    batch: torch.Tensor,
    generator: torch.Generator,
    p: Annotated[float, Between(0, 1, "share of the images", above=True)] = 1,
    rounds: Annotated[int, Between(1, 10)] = 4,
    beta: Annotated[float, Between(1, 10)] = 3,
    magnitude: Annotated[float, Between(0, 30)] = 9,
) -> torch.Tensor:
    n, c, h, w = batch.shape
    pool = mixing_pictures(c, h, w, str(batch.device))
    rounds_of = torch.randint(rounds + 1, (n,), generator=generator, device=generator.device)
    chosen = uniform(n, generator) < p
    begins = (chosen & (uniform(n, generator) < 0.5)).nonzero()[:, 0]
    result = channels_last(batch).float()
    result[begins] = channels_last(_changed(batch.index_select(0, begins), generator, magnitude)).float()
    for step in range(rounds):
        active = (chosen & (rounds_of > step)).nonzero()[:, 0]
        if len(active):
            other = _others(batch.index_select(0, active), pool, generator, magnitude)
            result[active] = _mix(result.index_select(0, active), other, generator, beta)
    return channels_first(to_pixels(result))


def _others(batch: torch.Tensor, pool: torch.Tensor, generator: torch.Generator, magnitude: float) -> torch.Tensor:
    """Return what to mix in, float (m, h, w, c) in 0…255: half of the images themselves, changed, half pictures."""
    m = len(batch)
    drawn = torch.randint(len(pool), (m,), generator=generator, device=generator.device)
    other = channels_last(pool.index_select(0, drawn))
    own = (uniform(m, generator) < 0.5).nonzero()[:, 0]
    if len(own):
        other[own] = channels_last(_changed(batch.index_select(0, own), generator, magnitude))
    return other.float()


def _mix(pixels: torch.Tensor, other: torch.Tensor, generator: torch.Generator, beta: float) -> torch.Tensor:
    m = len(pixels)
    adds = uniform(m, generator) < 0.5
    inside = uniform(m, generator) < 0.5
    small = 1 - uniform(m, generator) ** (1 / beta)  # Beta(1, β), mostly near 0
    large = uniform(m, generator) ** (1 / beta)  # Beta(β, 1), mostly near 1
    a, b = per_image(torch.where(inside, large, 1 + small)), per_image(torch.where(inside, small, -small))
    sums, products = adds.nonzero()[:, 0], (~adds).nonzero()[:, 0]
    mixed = torch.empty_like(pixels)
    offset = (1 - a[sums] - b[sums]) * 127.5
    mixed[sums] = pixels[sums] * a[sums] + other[sums] * b[sums] + offset
    first, second = (part[products].mul_(1 / 127.5).clamp_(min=1e-6).log_() for part in (pixels, other))
    mixed[products] = (first * a[products] + second * b[products]).exp_().mul_(127.5)
    return mixed.clamp_(0, 255)


def _changed(batch: torch.Tensor, generator: torch.Generator, magnitude: float) -> torch.Tensor:
    """Return each image after one change, drawn for each, its strength up to `magnitude`."""
    count, device = len(batch), generator.device
    drawn = torch.randint(len(CHANGES), (count,), generator=generator, device=device)
    return apply_each(batch, CHANGES, drawn, uniform(count, generator, -1, 1) * (magnitude / 30))
