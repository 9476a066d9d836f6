"""The augmentation that makes robust: images are mixed with what they look like otherwise, and pictures of nothing.

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
CHAINS, LONGEST = 2, 3
BETA = 3.0  # the weight of a picture is from Beta(1, β): mostly little


def robust(
    batch: torch.Tensor,
    generator: torch.Generator,
    p: Annotated[float, Between(0, 1, "share of the images that are mixed", above=True)] = 1,
    pictures: Annotated[float, Between(0, 1, "share of these that get a picture, too; 0 is AugMix alone")] = 0.5,
) -> torch.Tensor:
    """Mix a share `p` of the images with two chains of changes of themselves, and half of these with a picture, too.

    A chain is of one to three changes, drawn from nine; image, first and second chain have weights that are even over
    all that sum to 1 but for the image's, which is even from 0 to 1. The pictures are Julia sets, waves, discs and
    noise, drawn from formulas. Labels stay. Asked for alone, it comes on top of a recipe's own words.

    Source: Hendrycks 2020, "AugMix: A Simple Data Processing Method to Improve Robustness and Uncertainty" (with two
    chains for three, and no consistency loss, which would treble each step), and the sums of Hendrycks 2022, "PixMix:
    Dreamlike Pictures Comprehensively Improve Safety Measures" (β 3). bench/robustness.py measures them.
    """
    n, rows = len(batch), channels_last(batch).float()
    shares = -torch.log(uniform(CHAINS * n, generator).clamp(min=1e-12)).view(CHAINS, n)
    shares = shares / shares.sum(0) * (uniform(n, generator) * (uniform(n, generator) < p))  # Dirichlet's (1, 1)
    mixed = rows * per_image(1 - shares.sum(0))
    for share in shares:
        mixed += channels_last(_chain(batch, generator)).float() * per_image(share)
    return channels_first(to_pixels(_pictured(mixed, generator, pictures * p)))


def _chain(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return each image after one to three changes, each drawn for it, with a strength of its own."""
    pixels = channels_last(batch)
    length = torch.randint(1, LONGEST + 1, (len(batch),), generator=generator, device=generator.device)
    for number in range(LONGEST):
        rows = (length > number).nonzero()[:, 0]
        if not len(rows):
            break
        drawn = torch.randint(len(CHANGES), (len(rows),), generator=generator, device=generator.device)
        strength = uniform(len(rows), generator, -MAGNITUDE, MAGNITUDE)
        changed = apply_each(channels_first(pixels.index_select(0, rows)), CHANGES, drawn, strength)
        pixels = pixels.index_copy(0, rows, channels_last(changed))
    return channels_first(pixels)


def _pictured(pixels: torch.Tensor, generator: torch.Generator, share: float) -> torch.Tensor:
    """Return float (n, h, w, c) in 0…255, overwritten: in a share of them x and a picture y are a x + b y, about gray.

    a is 1 − b, or 1 + b for −b, which sharpens the image against the picture.
    """
    n, h, w, c = pixels.shape
    rows = (uniform(n, generator) < share).nonzero()[:, 0]
    pictures = mixing_pictures(c, h, w, str(pixels.device))
    drawn = torch.randint(len(pictures), (len(rows),), generator=generator, device=generator.device)
    b = per_image(1 - uniform(len(rows), generator) ** (1 / BETA))
    b = torch.where(per_image(uniform(len(rows), generator)) < 0.5, b, -b)
    chosen = pixels.index_select(0, rows)
    pixels[rows] = torch.lerp(chosen, channels_last(pictures.index_select(0, drawn)).float(), b)
    return pixels
