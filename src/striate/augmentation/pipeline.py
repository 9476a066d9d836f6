"""From the words of a recipe to one function on a batch and its labels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from striate.augmentation.arguments import bind
from striate.augmentation.colour import brightness, contrast, hue, saturation
from striate.augmentation.erasing import cutout, erase
from striate.augmentation.mixing import cutmix, mixup
from striate.augmentation.moving import alternating_flip, flip, translate, turns
from striate.augmentation.randaugment import randaugment
from striate.augmentation.robust import robust
from striate.augmentation.warping import crop, rotate, shear, zoom
from striate.errors import ArgumentError, NotationError, unknown
from striate.nets import parse_calls

AUGMENTATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        flip, alternating_flip, turns, translate, crop, rotate, zoom, shear,
        brightness, contrast, saturation, hue, cutout, erase, mixup, cutmix, randaugment,
        robust,
    )
}  # fmt: skip

# What is asked for with these words alone comes after a recipe's own words, where other words take their place.
ON_TOP = ("robust",)

# What a function may ask for, by name and after the star; who writes a word cannot give these.
_GIVEN = ("targets", "indices", "epoch", "seed")


@dataclass(frozen=True)
class Augmentation:
    """What happens to each training batch: words with their arguments, applied in order.

    Arguments:
        steps: functions of (batch, generator) that may also ask for targets, indices, epoch or seed.
        classes: how many there are; needed only by words that mix labels.
    """

    steps: tuple[Callable[..., Any], ...]
    classes: int | None = None

    @property
    def mixes(self) -> bool:
        """Whether it makes labels soft: float (n, k) instead of int64 (n,)."""
        return any("targets" in _asked(step) for step in self.steps)

    @property
    def mirrors(self) -> bool:
        """Whether it says that an image and its mirror image are of the same class."""
        return self._has(flip, alternating_flip)

    @property
    def turns(self) -> bool:
        """Whether it says that an image turned by quarters is of the same class."""
        return self._has(turns)

    def _has(self, *words: Callable[..., Any]) -> bool:
        return any(getattr(step, "func", step) in words for step in self.steps)

    def __call__(
        self,
        pixels: torch.Tensor,
        labels: torch.Tensor,
        generator: torch.Generator,
        *,
        indices: torch.Tensor | None = None,
        epoch: int = 0,
        seed: int = 0,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the batch as it is trained on: pixels of the same shape, and labels.

        Arguments:
            pixels: uint8 (n, c, h, w), channels-last in memory; not changed.
            labels: int64 (n,), or float (n, k) if they are soft already.
            generator: all draws come from it; on the device of the pixels.
            indices: int64 (n,), each image's place in the training set, for alternating_flip.
            epoch: counted from 0.
            seed: the recipe's.

        Returns:
            uint8 (n, c, h, w), channels-last in memory; the labels as they came, after mixup or cutmix float32 (n, k).

        Raises:
            ArgumentError: a word that mixes labels and no `classes`; alternating_flip and no `indices`.
        """
        given = {"indices": indices, "epoch": epoch, "seed": seed}
        for step in self.steps:
            asked = _asked(step)
            if "indices" in asked and indices is None:
                raise ArgumentError("alternating_flip must know which images these are; got no indices")
            context = {name: given[name] for name in asked if name in given}
            if "targets" in asked:
                pixels, labels = step(pixels, generator, targets=self._soft(labels), **context)
            else:
                pixels = step(pixels, generator, **context)
        return pixels.contiguous(memory_format=torch.channels_last), labels

    def _soft(self, labels: torch.Tensor) -> torch.Tensor:
        if labels.ndim == 2:
            return labels
        if self.classes is None:
            raise ArgumentError("mixup and cutmix must know how many classes there are; give classes=")
        return F.one_hot(labels, self.classes).float()


def make_augmentation(words: Sequence[str], classes: int | None = None) -> Augmentation:
    """Return what `words` say ("flip", "translate(2)", or several in one text), to be applied in order.

    Raises:
        ArgumentError: an unknown word, an argument that it does not take, or a value out of its range.

    >>> augment = make_augmentation(["flip translate(2)", "cutmix(p=0.5)"], classes=10)
    >>> pixels, labels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.arange(4)
    >>> pixels, labels = augment(pixels, labels, torch.Generator().manual_seed(0))
    >>> pixels.shape, labels.shape
    (torch.Size([4, 3, 8, 8]), torch.Size([4, 10]))
    >>> make_augmentation(["rotate(1000)"])
    Traceback (most recent call last):
    striate.errors.ArgumentError: augment 'rotate(1000)': degrees of rotate must be from 0 to 180; got 1000
    """
    return Augmentation(tuple(step for word in words for step in _read(word)), classes)


def with_asked(own: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """Return the words that a recipe's own and those that a user asks for make together.

    >>> with_asked(["flip", "translate(2)"], ["robust"])
    ('flip', 'translate(2)', 'robust')
    >>> with_asked(["flip", "robust"], ["robust(p=1)"]), with_asked(["flip", "translate(2)"], ["flip robust"])
    (('flip', 'robust(p=1)'), ('flip robust',))
    """
    if not (names := names_in(asked)) or not set(names) <= set(ON_TOP):
        return tuple(asked)
    return (*(word for word in own if not set(names_in([word])) & set(names)), *asked)


def names_in(words: Sequence[str]) -> list[str]:
    """Return the names of the augmentations in words, without their arguments; what cannot be read has none."""
    try:
        return [name for word in words for name, _, _ in parse_calls(word)]
    except NotationError:
        return []


def _read(text: str) -> list[Callable[..., Any]]:
    try:
        calls = parse_calls(text)
    except NotationError as error:
        raise ArgumentError(f"augment {text!r}: {error}") from None
    steps = []
    for name, args, kwargs in calls:
        if name not in AUGMENTATIONS:
            raise ArgumentError(unknown("augmentation", name, AUGMENTATIONS))
        function = AUGMENTATIONS[name]
        try:
            steps.append(partial(function, **bind(name, function, args, kwargs)))
        except ArgumentError as error:
            raise ArgumentError(f"augment {text!r}: {error}") from None
    return steps


def _asked(step: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(step).parameters if name in _GIVEN]
