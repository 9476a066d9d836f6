"""Test-time augmentation: what a net is shown of an image when it predicts.

The image alone, or its mirror image and shifted or turned copies as well; the logits are averaged, or features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, get_args

import torch

from striate.augmentation.moving import shift
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.preprocessing import Preprocessing
from striate.errors import ArgumentError, unknown


def check_views(name: str) -> Views:
    """Return `name` if it is one of the ways to look at an image; else raise an ArgumentError that lists them."""
    if name not in get_args(Views):
        raise ArgumentError(unknown("views", str(name), get_args(Views)))
    return name  # pyright: ignore[reportReturnType]


def view_count(views: Views) -> int:
    """Return how many views of each image there are.

    >>> [view_count(views) for views in ("none", "mirror", "mirror-shift", "turns")]
    [1, 2, 6, 4]
    """
    return {"none": 1, "mirror": 2, "mirror-shift": 6, "turns": 4}[views]


def check_square(views: Views, size: tuple[int, int]) -> None:
    """Raise an ArgumentError where images of a size (h, w) cannot be looked at so: turned, they must be square."""
    if views == "turns" and size[0] != size[1]:
        raise ArgumentError(f"views turns needs square images; the net sees {size[0]}×{size[1]}. Choose a square size")


def turned_back(maps: torch.Tensor, views: Views, view: int) -> torch.Tensor:
    """Return maps (…, h, w) that belong to a view, by its number, as they lie on the image itself."""
    if views == "turns":
        return maps.rot90(-view, (-2, -1))
    return maps.flip(-1) if view % 2 else maps  # every second view is a mirror image


def logits_over_views(
    module: torch.nn.Module,
    pixels: torch.Tensor,
    preprocessing: Preprocessing,
    views: Views,
    see: Callable[[torch.Tensor], Seen] | None = None,
) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Return the logits of images averaged over their views, those of the images alone, and what was seen of these.

    "mirror" takes the image and its mirror image. "mirror-shift" gives half of the weight to the same of two copies,
    shifted by a pixel to either corner and reflected at the edge. "turns" takes the image turned by none, one,
    two and three quarters. Logits are averaged, not probabilities; of a head on a net's features these features, which
    is what the ladder fitted the head to.

    Arguments:
        module: float (n, c, h, w) → logits (n, k), in evaluation mode.
        pixels: uint8 (n, c, h, w), channels-last in memory.
        see: gives the logits of the images alone and what is seen of them, from `seeing`; None: nobody asks.

    Returns:
        float32 (n, k) twice, and what `see` saw.

    Source: Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU": its evaluation, here before normalising.
    """
    check_square(views, (pixels.shape[2], pixels.shape[3]))
    (weight, image), *others = ((share, preprocessing.normalise(view)) for share, view in views_of(pixels, views))
    if isinstance(module, FittedModule) and module.averages and others:
        alone, seen = see(image) if see else (None, {"last": module.selected(image)})
        selected = weight * seen["last"] + sum(share * module.selected(view) for share, view in others)
        alone = module.classify(seen["last"]) if alone is None else alone
        return module.classify(selected).float(), alone.float(), seen if see else {}
    alone, seen = see(image) if see else (module(image), {})
    total = [weight * alone.float(), *(share * module(view).float() for share, view in others)]
    return torch.stack(total).sum(0), alone.float(), seen


def views_of(pixels: torch.Tensor, views: Views) -> Iterator[tuple[float, torch.Tensor]]:
    """Yield the views of uint8 pixels (n, c, h, w) with their weights, first the image itself."""
    if views == "turns":
        for quarters in range(4):
            yield 1 / 4, pixels.rot90(quarters, (2, 3)).contiguous(memory_format=torch.channels_last)
        return
    plain, each_shifted = {"none": (1.0, 0.0), "mirror": (0.5, 0.0), "mirror-shift": (0.25, 0.125)}[views]
    yield plain, pixels
    if views == "none":
        return
    yield plain, pixels.flip(3)
    for by in (-1, 1) if each_shifted else ():
        shifted = _shifted(pixels, by)
        yield each_shifted, shifted
        yield each_shifted, shifted.flip(3)


def _shifted(pixels: torch.Tensor, by: int) -> torch.Tensor:
    """Return the images read `by` = ±1 pixel further down and to the right, reflected at the edge."""
    down, right = (by * min(1, side - 1) for side in pixels.shape[2:])  # a side of one pixel has nothing to reflect
    ones = torch.ones(len(pixels), dtype=torch.long, device=pixels.device)
    return shift(pixels, down * ones, right * ones, abs(right), "reflect")


Views = Literal["none", "mirror", "mirror-shift", "turns"]
Seen = tuple[torch.Tensor, dict[str, torch.Tensor]]
