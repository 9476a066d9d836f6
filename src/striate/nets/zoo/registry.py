"""The names of the zoo, and `resolve`, which turns a name or a sentence into a net."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from striate.errors import ArgumentError, NotationError, unknown
from striate.nets.layers import Shape
from striate.nets.net import Net
from striate.nets.notation import WORDS, parse, parse_calls


@dataclass(frozen=True)
class Architecture:
    """A named net: where its sentence is written, what it is and the input it was published for."""

    name: str
    module: str
    description: str
    input_shape: Shape
    classes: int = 1000

    @property
    def function(self) -> Callable[..., str]:
        """Return the function that writes the sentence."""
        return getattr(importlib.import_module(f"striate.nets.zoo.{self.module}"), self.name)

    def net(self, classes: int | None = None, **options: Any) -> Net:
        """Return the net, for a number of classes and with options of its own such as `width`.

        Raises:
            ArgumentError: an option is unknown.
        """
        known = inspect.signature(self.function).parameters
        for option in options:
            if option not in known:
                raise ArgumentError(unknown(f"option of {self.name}", option, known))
        return parse(self.function(classes=classes or self.classes, **options))


_ALL = (Architecture("lenet", "lenet", "LeNet-5, the first widely used convolutional net", (1, 28, 28), 10),)
ZOO: dict[str, Architecture] = {each.name: each for each in _ALL}


def resolve(text: str, classes: int | None = None, channels: int | None = None, **names: Any) -> Net:
    """Return the net that a zoo name, a zoo name with options, or a sentence means.

    Args:
        text: "resnet18", 'mobilenet_v2(width=0.5, pad="same")' or a sentence.
        classes: the number of classes, for zoo nets and for the name `classes` in a sentence.
        channels: the number of input channels, for the name `channels` in a sentence.
        names: values for other names used as arguments.

    Raises:
        NotationError: the sentence cannot be read or the name is unknown.

    >>> print(resolve("lenet", classes=3))
    conv(6, 5, pad=2) tanh avgpool(2) conv(16, 5) tanh avgpool(2) fc(120) tanh fc(84) tanh fc(3)
    """
    word = text.strip().split("(")[0].strip() if isinstance(text, str) else ""
    if word in ZOO:
        calls = parse_calls(text, **names)
        if len(calls) == 1 and not calls[0].args:
            return ZOO[word].net(**{"classes": classes, **calls[0].kwargs})
        if len(calls) == 1:
            raise NotationError(f"{word} takes options by name, as in {word}(classes=10); got {text!r}")
    if word.isidentifier() and word == text.strip() and word not in WORDS:
        raise NotationError(unknown("net", word, ZOO))
    given = {name: value for name, value in (("classes", classes), ("channels", channels)) if value is not None}
    return parse(text, **given, **names)
