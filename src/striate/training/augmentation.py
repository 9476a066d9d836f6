"""Augmentations: pure functions of (batch, generator) on whole batches, named as words in a recipe.

Each takes and returns uint8 (n, c, h, w) of the same shape; what an image shows, and so its label, stays.
All draws come from the generator, so that a step can be repeated to the bit.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812

from striate.errors import ArgumentError, NotationError, unknown
from striate.nets import parse_calls

Augmentation = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def flip(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image left to right with probability 1/2."""
    mirrored = _uniform(len(batch), generator, 0, 1) < 0.5
    return torch.where(mirrored.view(-1, 1, 1, 1), batch.flip(3), batch)


def translate(batch: torch.Tensor, generator: torch.Generator, by: float = 0.1, fill: str = "reflect") -> torch.Tensor:
    """Shift each image by up to `by` (pixels if ≥ 1, else a share of the side); edges are reflected or zero."""
    if fill not in ("reflect", "zero"):
        raise ArgumentError(unknown("fill of translate", fill, ["reflect", "zero"]))
    n, _, h, w = batch.shape
    rows, inside_rows = _shifted(n, h, by, generator)
    columns, inside_columns = _shifted(n, w, by, generator)
    samples = torch.arange(n, device=batch.device).view(n, 1, 1)
    moved = batch.permute(0, 2, 3, 1)[samples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    if fill == "zero":
        moved = moved * (inside_rows[:, None, :, None] & inside_columns[:, None, None, :])
    return moved


def rotate(batch: torch.Tensor, generator: torch.Generator, degrees: float = 10) -> torch.Tensor:
    """Turn each image about its centre by up to ± `degrees`; what comes in from outside is the edge pixel."""
    angle = _uniform(len(batch), generator, -degrees, degrees) * math.pi / 180
    return _affine(batch, angle, torch.ones_like(angle))


def zoom(batch: torch.Tensor, generator: torch.Generator, by: float = 0.1) -> torch.Tensor:
    """Enlarge or shrink each image about its centre by a factor between 1 / (1 + by) and 1 + by."""
    scale = torch.exp(_uniform(len(batch), generator, -1, 1) * math.log1p(by))
    return _affine(batch, torch.zeros_like(scale), scale)


def brightness(batch: torch.Tensor, generator: torch.Generator, by: float = 0.2) -> torch.Tensor:
    """Multiply each image's pixels by a factor between 1 − by and 1 + by."""
    factor = _uniform(len(batch), generator, 1 - by, 1 + by).view(-1, 1, 1, 1)
    return _to_uint8(batch.float() * factor)


def contrast(batch: torch.Tensor, generator: torch.Generator, by: float = 0.2) -> torch.Tensor:
    """Move each image's pixels away from its mean, or towards it, by a factor between 1 − by and 1 + by."""
    factor = _uniform(len(batch), generator, 1 - by, 1 + by).view(-1, 1, 1, 1)
    pixels = batch.float()
    mean = pixels.mean((1, 2, 3), keepdim=True)
    return _to_uint8(mean + (pixels - mean) * factor)


def cutout(batch: torch.Tensor, generator: torch.Generator, size: float = 0.25) -> torch.Tensor:
    """Blank a square of `size` (pixels if ≥ 1, else a share of the side) at a random place (DeVries & Taylor 2017)."""
    n, _, h, w = batch.shape
    hole = torch.ones(n, 1, h, w, dtype=torch.bool, device=batch.device)
    for axis, side in ((2, h), (3, w)):
        centre = _uniform(n, generator, 0, side).view(-1, 1)
        distance = (torch.arange(side, device=batch.device) + 0.5 - centre).abs() * 2
        shape = [n, 1, 1, 1]
        shape[axis] = side
        hole &= (distance <= _pixels(size, side)).view(shape)
    return batch * ~hole


AUGMENTATIONS: dict[str, Callable[..., torch.Tensor]] = {
    function.__name__: function for function in (brightness, contrast, cutout, flip, rotate, translate, zoom)
}


def make_augmentation(words: Sequence[str]) -> Augmentation:
    """Return one function that applies `words` ("flip", "translate(2)") in order.

    Raises:
        ArgumentError: an unknown word or an argument that it does not take.
    """
    steps = [step for word in words for step in _parse(word)]

    def augment(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        for function, args, kwargs in steps:
            batch = function(batch, generator, *args, **kwargs)
        return batch

    return augment


def _parse(word: str) -> list[tuple[Callable[..., torch.Tensor], tuple, dict]]:
    try:
        calls = parse_calls(word)
    except NotationError as error:
        raise ArgumentError(f"augment {word!r}: {error}") from None
    steps = []
    for name, args, kwargs in calls:
        if name not in AUGMENTATIONS:
            raise ArgumentError(unknown("augmentation", name, AUGMENTATIONS))
        function = AUGMENTATIONS[name]
        try:
            inspect.signature(function).bind(None, None, *args, **kwargs)
        except TypeError:
            takes = ", ".join(str(p) for p in list(inspect.signature(function).parameters.values())[2:])
            raise ArgumentError(f"augment {word!r}: {name} takes ({takes.replace(': float', '')})") from None
        steps.append((function, tuple(args), dict(kwargs)))
    return steps


def _uniform(count: int, generator: torch.Generator, low: float, high: float) -> torch.Tensor:
    return torch.rand(count, generator=generator, device=generator.device) * (high - low) + low


def _pixels(amount: float, side: int) -> float:
    return amount if amount >= 1 else amount * side


def _shifted(n: int, side: int, by: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each image where its rows (or columns) come from, mirrored into the image, and which lay inside."""
    most = min(round(_pixels(by, side)), side - 1)
    shift = torch.randint(-most, most + 1, (n, 1), generator=generator, device=generator.device)
    source = torch.arange(side, device=generator.device) + shift
    inside = (source >= 0) & (source < side)
    source = source.abs()
    return torch.where(source >= side, 2 * (side - 1) - source, source), inside


def _affine(batch: torch.Tensor, angle: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    n, _, h, w = batch.shape
    cos, sin, zero = torch.cos(angle) / scale, torch.sin(angle) / scale, torch.zeros_like(angle)
    # grid_sample's coordinates run from −1 to 1 on both axes, so a turn of an oblong image needs the sides' ratio.
    turn = torch.stack([cos, -sin * h / w, zero, sin * w / h, cos, zero], 1).view(n, 2, 3)
    grid = F.affine_grid(turn, list(batch.shape), align_corners=False)
    return _to_uint8(F.grid_sample(batch.float(), grid, padding_mode="border", align_corners=False))


def _to_uint8(pixels: torch.Tensor) -> torch.Tensor:
    return pixels.round().clamp(0, 255).to(torch.uint8)
