"""What every head is: a torch module from features to log-probabilities whose numbers a file can hold."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from striate.errors import ModelFileError

# The logarithm of a probability of 0 would make every mean log-likelihood infinite.
LEAST_PROBABILITY = 1e-9


class Head(nn.Module):
    """Maps features, float (n, d), to log-probabilities (n, k); their softmax gives the probabilities back.

    A subclass names itself, its tensors (name: dtypes allowed, number of axes) and its plain arguments (name: type),
    and is built from exactly those; so that a saved one can be built again, and checked, without running any code.
    """

    word: ClassVar[str]
    tensors: ClassVar[dict[str, tuple[tuple[torch.dtype, ...], int]]] = {}
    plain: ClassVar[dict[str, type]] = {}

    def __init__(self, **values: Any):
        super().__init__()
        for name in self.tensors:
            self.register_buffer(name, values.pop(name))
        for name in self.plain:
            setattr(self, name, values.pop(name))
        assert not values, f"{self.word} has no {', '.join(values)}"

    def arguments(self) -> dict[str, Any]:
        """Return what describes the head beside its tensors, as plain values."""
        return {name: getattr(self, name) for name in self.plain}

    def check(self, features: int, classes: int) -> None:
        """Raise a ModelFileError unless the numbers fit each other, `features` inputs and `classes` outputs."""
        raise NotImplementedError

    @classmethod
    def rebuild(cls, arguments: Any, tensors: dict[str, Tensor], features: int, classes: int) -> Head:
        """Return the head that a file describes.

        Raises:
            ModelFileError: something is missing, spare, not finite, out of range or of another shape or type.
        """
        must(isinstance(arguments, dict) and arguments.keys() == cls.plain.keys(), f"{cls.word} needs {[*cls.plain]}")
        for name, kind in cls.plain.items():
            value = arguments[name]
            must(type(value) is kind, f"{name} of {cls.word} must be {kind.__name__}; got {value!r:.40}")
        must(tensors.keys() == cls.tensors.keys(), f"{cls.word} needs the tensors {', '.join(cls.tensors)}, no others")
        for name, (dtypes, axes) in cls.tensors.items():
            value = tensors[name]
            must(
                value.dtype in dtypes and value.ndim == axes,
                f"{name} of {cls.word} must be {' or '.join(map(str, dtypes))} with {axes} axes; "
                f"got {value.dtype} {tuple(value.shape)}",
            )
            must(bool(value.isfinite().all()), f"{name} of {cls.word} must hold finite numbers")
        head = cls(**arguments, **tensors)
        head.check(features, classes)
        return head


def must(true: bool, message: str) -> None:
    """Raise a ModelFileError with `message` unless `true`."""
    if not true:
        raise ModelFileError(message)


def must_have_shape(name: str, value: Tensor, *shape: int) -> None:
    """Raise a ModelFileError unless `value` has this shape."""
    must(tuple(value.shape) == shape, f"{name} must have the shape {shape}; got {tuple(value.shape)}")


def must_be_below(name: str, value: Tensor, limit: int) -> None:
    """Raise a ModelFileError unless all of `value` are in 0 … limit − 1."""
    inside = not value.numel() or (int(value.min()) >= 0 and int(value.max()) < limit)
    must(inside, f"{name} must be from 0 to {limit - 1}")


def log_probabilities(probabilities: Tensor) -> Tensor:
    """Return the logarithms of probabilities (n, k), of which none is less than 1e-9."""
    return probabilities.clamp_min(LEAST_PROBABILITY).log()
