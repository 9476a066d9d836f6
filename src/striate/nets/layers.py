"""What a layer is: a frozen value that knows its output shape, its parameters and its multiply-adds.

Shapes are those of one image, without the batch: (c, h, w), or (k,) after `flatten` or `fc`.
"""

# The base classes document the methods that each layer answers.
# ruff: noqa: D102

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from striate.errors import ShapeError
from striate.nets.arguments import flag, real, rule, whole

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """The base of every layer: by default it keeps the shape, has no parameters and multiplies nothing."""

    word: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if value is not each.default:
                object.__setattr__(self, each.name, each.metadata["read"](f"{self.word}: {each.name}", value))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for an input of `shape`, or raise `ShapeError`."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Return how many numbers the layer learns."""
        return 0

    def multiply_adds(self, shape: Shape) -> int:
        """Return the multiply-adds of one image, biases and element-wise arithmetic not counted."""
        return 0

    def formula(self, shape: Shape) -> str:
        """Return how the output size comes about, with its numbers; empty if the shape stays."""
        return ""

    def note(self, shape: Shape) -> str:
        """Return what a reader should know, such as pixels that no window sees; mostly empty."""
        return ""

    def __str__(self) -> str:
        given, keyword = [], False
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if value == each.default:
                keyword = True
            elif keyword or not (each.default is dataclasses.MISSING or each.metadata["positional"]):
                keyword = True
                given.append(f"{each.name}={spell(value)}")
            else:
                given.append(spell(value))
        return f"{self.word}({', '.join(given)})" if given else self.word


def spell(value: Any) -> str:
    """Return an argument as the notation writes it.

    >>> spell(True), spell((3, 5)), spell("same")
    ('true', '(3, 5)', '"same"')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def need_image(layer: Layer, shape: Shape) -> None:
    """Raise `ShapeError` unless `shape` is (c, h, w)."""
    if len(shape) != 3:
        raise ShapeError(f"{layer} needs an image c×h×w; got {say(shape)}. Put it before fc and flatten")


def say(shape: Shape) -> str:
    """Return a shape for reading.

    >>> say((3, 32, 32))
    '3×32×32'
    """
    return "×".join(str(side) for side in shape)


@dataclass(frozen=True)
class Fc(Layer):
    """Fully connected: flattens what it gets; `k` units, each with a weight an input and a bias."""

    word: ClassVar[str] = "fc"
    units: int = whole()
    bias: bool = flag(True)
    init: str | None = rule()

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def parameters(self, shape: Shape) -> int:
        return (math.prod(shape) + self.bias) * self.units

    def multiply_adds(self, shape: Shape) -> int:
        return math.prod(shape) * self.units

    def formula(self, shape: Shape) -> str:
        inputs = f"{say(shape)} = {math.prod(shape):,}" if len(shape) > 1 else f"{math.prod(shape):,}"
        return f"{inputs} inputs a unit"


@dataclass(frozen=True)
class Flatten(Layer):
    """All values in one row, channels first."""

    word: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclass(frozen=True)
class Bn(Layer):
    """Batch normalisation: each channel to mean 0 and variance 1 over the batch, then a learned gain and bias.

    With `gain=false` the gain stays 1, with `bias=false` the bias stays 0. `momentum` is the weight of the newest
    batch in the running statistics (Ioffe and Szegedy 2015; the running variance is the unbiased one, as in torch).
    """

    word: ClassVar[str] = "bn"
    momentum: float = real(0, 1, 0.1)
    eps: float = real(0, 1, 1e-5)
    gain: bool = flag(True)
    bias: bool = flag(True)

    def parameters(self, shape: Shape) -> int:
        return (self.gain + self.bias) * shape[0]


@dataclass(frozen=True)
class Ln(Layer):
    """Layer normalisation over the channels, at each position by itself, with a learned gain and bias (ConvNeXt's)."""

    word: ClassVar[str] = "ln"
    eps: float = real(0, 1, 1e-6)

    def parameters(self, shape: Shape) -> int:
        return 2 * shape[0]


@dataclass(frozen=True)
class Lrn(Layer):
    """Local response normalisation: a / (k + alpha·Σ a²)^beta over `size` neighbouring channels.

    The sum is not divided by `size` (Krizhevsky et al. 2012, section 3.3; Caffe and torch divide).
    """

    word: ClassVar[str] = "lrn"
    size: int = whole(default=5, positional=True)
    alpha: float = real(0, 1e6, 1e-4)
    beta: float = real(0, 1e6, 0.75)
    k: float = real(0, 1e6, 2.0)

    def output_shape(self, shape: Shape) -> Shape:
        need_image(self, shape)
        return shape


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, each value is zero with probability `p` and the others are divided by 1 − p."""

    word: ClassVar[str] = "dropout"
    p: float = real(0, 0.999, 0.5, positional=True)


@dataclass(frozen=True)
class Droppath(Layer):
    """In training, the whole branch of an image is zero with probability `p` (stochastic depth)."""

    word: ClassVar[str] = "droppath"
    p: float = real(0, 0.999, positional=True)


@dataclass(frozen=True)
class Scale(Layer):
    """Multiplies by a fixed number."""

    word: ClassVar[str] = "scale"
    factor: float = real(-1e6, 1e6, positional=True)


@dataclass(frozen=True)
class Layerscale(Layer):
    """Multiplies each channel by a learned number that starts at `start`."""

    word: ClassVar[str] = "layerscale"
    start: float = real(-1e6, 1e6, 1.0, positional=True)

    def parameters(self, shape: Shape) -> int:
        return shape[0]


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each value by itself."""


@dataclass(frozen=True)
class Relu(Activation):
    """max(x, 0)."""

    word: ClassVar[str] = "relu"


@dataclass(frozen=True)
class Relu6(Activation):
    """min(max(x, 0), 6)."""

    word: ClassVar[str] = "relu6"


@dataclass(frozen=True)
class Leakyrelu(Activation):
    """x where positive, slope·x elsewhere."""

    word: ClassVar[str] = "leakyrelu"
    slope: float = real(0, 1, 0.01, positional=True)


@dataclass(frozen=True)
class Tanh(Activation):
    """The hyperbolic tangent."""

    word: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class Sigmoid(Activation):
    """1 / (1 + exp(−x))."""

    word: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class Gelu(Activation):
    """x·Φ(x), Φ the normal distribution (exact, by erf)."""

    word: ClassVar[str] = "gelu"


@dataclass(frozen=True)
class Silu(Activation):
    """x·sigmoid(x)."""

    word: ClassVar[str] = "silu"


@dataclass(frozen=True)
class Step(Activation):
    """1 where x > 0, else 0; its gradient is 0, so it cannot be trained, only set by hand."""

    word: ClassVar[str] = "step"


@dataclass(frozen=True)
class Softmax(Layer):
    """exp(x) over its sum along the first axis; as a net's last layer it belongs to the loss (see `make_module`)."""

    word: ClassVar[str] = "softmax"
