"""Augmentations that mix pairs of images and their labels: mixup, cutmix.

They take and return targets, float (n, k): the share of each class in each image.
"""

from __future__ import annotations

import math
from typing import Annotated

import torch

from striate.augmentation.arguments import Between
from striate.augmentation.batch import as_rows, boxes, choose, from_rows, to_pixels, uniform

Mixed = tuple[torch.Tensor, torch.Tensor]

_ALPHA = Between(0, 100, "of the Beta(α, α) distribution of λ: near 0 hardly mixes, 1 is uniform", above=True)
_P = Between(0, 1, "share of the images that are mixed", above=True)


def mixup(
    batch: torch.Tensor,
    generator: torch.Generator,
    alpha: Annotated[float, _ALPHA] = 0.2,
    p: Annotated[float, _P] = 1,
    *,
    targets: torch.Tensor,
) -> Mixed:
    """Blend each image with another of the batch, λ : 1 − λ, and their labels alike; λ from Beta(α, α).

    Source: Zhang 2017, "mixup: Beyond Empirical Risk Minimization". Each image has its own λ, where the authors'
    program draws one for the batch.
    """
    n = len(batch)
    partner = torch.randperm(n, generator=generator, device=generator.device)
    weight = _kept(n, generator, alpha, p)
    rows = as_rows(batch)
    mixed = rows.index_select(0, partner).float().lerp_(rows.float(), weight[:, None, None])
    return from_rows(to_pixels(mixed), batch.shape[1]), blend(targets, partner, weight)


def cutmix(
    batch: torch.Tensor,
    generator: torch.Generator,
    alpha: Annotated[float, _ALPHA] = 1,
    p: Annotated[float, _P] = 1,
    *,
    targets: torch.Tensor,
) -> Mixed:
    """Paste a rectangle from another image of the batch; the labels are weighted by the areas that are seen.

    The rectangle has the image's proportions, the area 1 − λ and any pixel as its centre; what reaches outside is cut
    off. λ comes from Beta(α, α).

    Source: Yun 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features" (p 0.5 for
    CIFAR). Each image has its own λ, where the authors' program draws one for the batch.
    """
    n, c, h, w = batch.shape
    partner = torch.randperm(n, generator=generator, device=generator.device)
    share = (1 - _kept(n, generator, alpha, p)).sqrt()
    height, width = (share * h).long(), (share * w).long()
    top = torch.randint(h, (n,), generator=generator, device=generator.device) - height // 2
    left = torch.randint(w, (n,), generator=generator, device=generator.device) - width // 2
    pasted = boxes(top, left, height, width, batch.shape)
    rows = as_rows(batch)
    mixed = choose(pasted, rows.index_select(0, partner), rows)
    seen_down = (top + height).clamp(max=h) - top.clamp(min=0)
    seen_across = (left + width).clamp(max=w) - left.clamp(min=0)
    weight = 1 - seen_down * seen_across / (h * w)
    return from_rows(mixed, c), blend(targets, partner, weight)


def blend(targets: torch.Tensor, partner: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return weight × own target + (1 − weight) × the partner's, float32 (n, k)."""
    return targets * weight[:, None] + targets.index_select(0, partner) * (1 - weight)[:, None]


def symmetric_beta(count: int, generator: torch.Generator, alpha: float) -> torch.Tensor:
    """Return draws from Beta(α, α), float32 (count,), without rejection, so that every call draws as much.

    Source: Devroye 1996, "Random variate generation in one line of code", section 5 (after Ulrich and Bailey):
    ½ (1 ± 1 / √(1 + 1 / ((U^(−1/α) − 1) cos² 2πV))).
    """
    u, angle, side = (uniform(count, generator) for _ in range(3))
    # A small α takes this beyond float32, where 1 / ∞ is what is wanted; only ∞ · 0 must not come up.
    spread = torch.expm1(-torch.log(u) / alpha).clamp(max=1e38) * torch.cos(2 * math.pi * angle) ** 2
    return 0.5 * (1 + torch.where(side < 0.5, -1.0, 1.0) / torch.sqrt(1 + 1 / spread))


def _kept(n: int, generator: torch.Generator, alpha: float, p: float) -> torch.Tensor:
    """Return each image's λ; 1 for those that are not mixed."""
    weight = symmetric_beta(n, generator, alpha)
    return torch.where(uniform(n, generator) < p, weight, torch.ones_like(weight))
