"""The augmentation that makes robust: images are mixed with pictures of nothing and with what they look like otherwise.

What a net goes by in an image is spoilt a little, another thing each time, so that it learns to go by several.
"""

from __future__ import annotations

from typing import Annotated

import torch

from striate.augmentation.arguments import Between
from striate.augmentation.batch import channels_first, channels_last, per_image, to_pixels, uniform
from striate.augmentation.pictures import mixing_pictures
from striate.augmentation.randaugment import OPERATIONS, apply_each

# What an image may look like otherwise. As in AugMix what changes brightness, contrast, saturation or sharpness is left
# out, and there is no noise, blur, JPEG or glare: what a net is measured by later is not learned by heart. Turning,
# slanting and moving are here as there, weaker than there; solarising and equalising are a change of light, too.
CHANGES = tuple(
    OPERATIONS[name]
    for name in ("autocontrast", "equalize", "posterize", "solarize", "rotate", "shear_x", "shear_y",
                 "translate_x", "translate_y")
)  # fmt: skip
MAGNITUDE = 9 / 30  # of the changes at most, as RandAugment counts: rotation by 9°, a shift by an eighth of the side
# Mixed in at most so often, each time with weights from Beta(1, β) and Beta(β, 1): mostly little.
MIXES, BETA = 4, 3.0


def robust(
    batch: torch.Tensor,
    generator: torch.Generator,
    p: Annotated[float, Between(0, 1, "share of the images that are mixed", above=True)] = 0.5,
    mixes: Annotated[int, Between(1, 10, "pictures that are mixed into an image, at most")] = MIXES,
) -> torch.Tensor:
    """Mix a share `p` of the images up to `mixes` times with a picture, or with itself changed, by sum or by product.

    The pictures are Julia sets, waves, discs and noise, drawn from formulas. The label stays. It comes on top of a
    recipe's own words where it is the only one that is asked for.

    Source: Hendrycks 2022, "PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures", with its operations
    and weights (k 4, β 3); the changes are those of AugMix (Hendrycks 2020). Ours mixes a share of the images, where
    PixMix mixes all: in short runs that costs less accuracy on clean images.
    """
    n, c, h, w = batch.shape
    pictures = mixing_pictures(c, h, w, str(batch.device))
    times = torch.randint(mixes + 1, (n,), generator=generator, device=generator.device)
    mixed = uniform(n, generator) < p
    changed = (mixed & (uniform(n, generator) < 0.5)).nonzero()[:, 0]
    pixels = channels_last(batch).float()
    pixels[changed] = channels_last(_changed(batch.index_select(0, changed), generator)).float()
    for number in range(mixes):
        if len(rows := (mixed & (times > number)).nonzero()[:, 0]):
            others = _others(batch.index_select(0, rows), pictures, generator)
            pixels[rows] = _mix(pixels.index_select(0, rows), others, generator)
    return channels_first(to_pixels(pixels))


def _others(batch: torch.Tensor, pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return what is mixed in, float (n, h, w, c) in 0…255: half of the images themselves, changed; half pictures."""
    n = len(batch)
    drawn = torch.randint(len(pictures), (n,), generator=generator, device=generator.device)
    others = channels_last(pictures.index_select(0, drawn)).float()
    own = (uniform(n, generator) < 0.5).nonzero()[:, 0]
    others[own] = channels_last(_changed(batch.index_select(0, own), generator)).float()
    return others


def _changed(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return each image after one of the changes, drawn for each, with a strength of its own."""
    count = len(batch)
    if not count:
        return batch
    drawn = torch.randint(len(CHANGES), (count,), generator=generator, device=generator.device)
    return apply_each(batch, CHANGES, drawn, uniform(count, generator, -MAGNITUDE, MAGNITUDE))


def _mix(pixels: torch.Tensor, others: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return float (n, h, w, c) in 0…255: with x and y in −1…1 a x + b y, or with x and y in 0…2 x^a y^b.

    The weights are a near 1 and b near 0, or a above 1 and b as far below 0, which sharpens against the other.
    """
    n = len(pixels)
    by_sum, within = (uniform(n, generator) < 0.5 for _ in range(2))
    little = 1 - uniform(n, generator) ** (1 / BETA)  # Beta(1, β)
    much = uniform(n, generator) ** (1 / BETA)  # Beta(β, 1)
    a, b = per_image(torch.where(within, much, 1 + little)), per_image(torch.where(within, little, -little))
    sums, products, mixed = by_sum.nonzero()[:, 0], (~by_sum).nonzero()[:, 0], torch.empty_like(pixels)
    mixed[sums] = pixels[sums] * a[sums] + others[sums] * b[sums] + (1 - a[sums] - b[sums]) * 127.5
    # Zero to a power below zero is infinite: the least is taken for a tenth of a grey value.
    x, y = (part[products].clamp_(min=0.1).mul_(1 / 127.5).log_() for part in (pixels, others))
    mixed[products] = (x.mul_(a[products]) + y.mul_(b[products])).exp_().mul_(127.5)
    return mixed.clamp_(0, 255)
