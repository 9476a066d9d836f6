"""Layers that look through a window: convolutions and pools, and the arithmetic of where windows fit.

Along one axis of n pixels a window of F with stride S and padding P has (n − F + 2P)/S + 1 places.
"""

# The base classes document the methods that each layer answers.
# ruff: noqa: D102, RUF009

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from striate.errors import ShapeError
from striate.nets.arguments import flag, pair, rule, whole
from striate.nets.layers import Layer, Shape, need_image, say

Sides = int | tuple[int, int]


@dataclass(frozen=True)
class Axis:
    """How a window fits along one axis: `count` places, padding `before` and `after`, `unseen` pixels at the end."""

    length: int
    size: int
    reach: int
    stride: int
    before: int
    after: int
    count: int
    exact: Fraction

    @property
    def unseen(self) -> int:
        """Return how many pixels at the end no window sees; pixels that every stride jumps over do not count."""
        end = self.length + self.before - max(self.stride - self.reach, 0)
        return max(0, end - ((self.count - 1) * self.stride + self.reach))

    @property
    def formula(self) -> str:
        """Return the sum that gives `count`."""
        if self.before != self.after:
            return f"⌈{self.length}/{self.stride}⌉ = {self.count}"
        padding = f" + 2·{self.before}" if self.before else ""
        places = f"({self.length} − {self.reach}{padding})/{self.stride} + 1 = {float(self.exact):.10g}"
        return places if self.exact == self.count else f"{places} → {self.count}"


def place(length: int, size: int, stride: int, pad: Any, dilation: int = 1, ceil: bool = False) -> Axis | None:
    """Return how a window fits along an axis of `length` pixels; None if it is longer than the padded axis.

    `pad="same"` is TensorFlow's: ⌈length/stride⌉ places, the odd pixel of padding at the end. With `ceil` a last,
    partial window is added where pixels would be left over, unless it would begin in the padding (torch's rule).

    >>> place(224, 11, 4, 0).formula
    '(224 − 11)/4 + 1 = 54.25 → 54'
    >>> place(7, 2, 2, 0, ceil=True).count
    4
    """
    reach = (size - 1) * dilation + 1
    if pad == "same":
        count = -(-length // stride)
        total = max((count - 1) * stride + reach - length, 0)
        return Axis(length, size, reach, stride, total // 2, total - total // 2, count, Fraction(count))
    pad = int(pad)
    room = length + 2 * pad - reach
    if room < 0:
        return None
    exact = Fraction(room, stride) + 1
    count = math.ceil(exact) if ceil else math.floor(exact)
    if ceil and (count - 1) * stride >= length + pad:
        count -= 1
    return Axis(length, size, reach, stride, pad, pad, count, exact)


class Window(Layer):
    """The base of layers with a window: `axes` says how it fits a given input."""

    size: Sides

    def geometry(self) -> tuple[Sides, Sides | str, Sides, bool]:
        """Return stride, padding, dilation and whether the count is rounded up."""
        raise NotImplementedError

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        """Return how the window fits along height and width, or raise `ShapeError`."""
        need_image(self, shape)
        stride, pad, dilation, ceil = self.geometry()
        fits = [
            place(shape[1 + i], side(self.size, i), side(stride, i), side(pad, i), side(dilation, i), ceil)
            for i in range(2)
        ]
        if fits[0] is None or fits[1] is None:
            sides = [(side(self.size, i) - 1) * side(dilation, i) + 1 for i in range(2)]
            raise ShapeError(
                f"{self} needs at least {sides[0]}×{sides[1]} pixels with its padding; got {say(shape)}. "
                "Use a smaller window, more padding, fewer pools before it or larger images"
            )
        return fits[0], fits[1]

    def channels(self, shape: Shape) -> int:
        """Return the number of output channels."""
        return shape[0]

    def output_shape(self, shape: Shape) -> Shape:
        rows, columns = self.axes(shape)
        return (self.channels(shape), rows.count, columns.count)

    def formula(self, shape: Shape) -> str:
        rows, columns = (axis.formula for axis in self.axes(shape))
        return rows if rows == columns else f"h: {rows}; w: {columns}"

    def note(self, shape: Shape) -> str:
        """Return which pixels no window sees, and which sizes or padding would fit."""
        rows, columns = self.axes(shape)
        if rows.unseen and rows == columns:
            return f"{_pixels(rows.unseen)} at the right and bottom {_are(rows.unseen)} never seen; {self._cure(rows)}"
        sides = [
            f"{_pixels(axis.unseen)} at the {where} {_are(axis.unseen)} never seen; {self._cure(axis)}"
            for axis, where in ((rows, "bottom"), (columns, "right"))
            if axis.unseen
        ]
        return "; ".join(sides)

    def _cure(self, axis: Axis) -> str:
        rest = (axis.length + 2 * axis.before - axis.reach) % axis.stride
        cures = [f"{axis.length - rest} or {axis.length + axis.stride - rest} pixels would fit"]
        wanted = [p for p in range(axis.before, axis.before + axis.stride) if self._fits(axis, p)]
        if wanted:
            cures.append(f"or pad={wanted[0]}")
        if hasattr(self, "ceil"):
            cures.append("or ceil=true")
        return ", ".join(cures)

    @staticmethod
    def _fits(axis: Axis, pad: int) -> bool:
        return (axis.length + 2 * pad - axis.reach) % axis.stride == 0 and pad < axis.reach


def side(value: Any, axis: int) -> Any:
    """Return what holds for height (0) or width (1) of a value that may be a pair."""
    return value[axis] if isinstance(value, tuple) else value


def _pixels(count: int) -> str:
    return "1 pixel" if count == 1 else f"{count} pixels"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


@dataclass(frozen=True)
class Conv(Window):
    """Convolution: `filters` of size F×F over all channels (or a group of them), each with a bias unless `bias=false`.

    Parameters: F·F·(D/groups)·K + K for D channels in and K filters.
    """

    word: ClassVar[str] = "conv"
    filters: int = whole()
    size: Sides = pair()
    stride: Sides = pair(default=1)
    pad: Sides | str = pair(0, default=0, same=True)
    dilation: Sides = pair(default=1)
    groups: int = whole(default=1)
    bias: bool = flag(True)
    init: str | None = rule()

    def geometry(self) -> tuple[Sides, Sides | str, Sides, bool]:
        return self.stride, self.pad, self.dilation, False

    def channels(self, shape: Shape) -> int:
        for count, what in ((shape[0], "input channels"), (self.filters, "filters")):
            if count % self.groups:
                raise ShapeError(
                    f"{self} cannot deal {count} {what} into {self.groups} groups. Choose groups that divide both"
                )
        return self.filters

    def weights(self, shape: Shape) -> tuple[int, int, int, int]:
        """Return the shape of the filters, (k, c / groups, h, w)."""
        return (self.channels(shape), shape[0] // self.groups, side(self.size, 0), side(self.size, 1))

    def parameters(self, shape: Shape) -> int:
        return math.prod(self.weights(shape)) + self.bias * self.filters

    def multiply_adds(self, shape: Shape) -> int:
        return math.prod(self.weights(shape)) * math.prod(self.output_shape(shape)[1:])


@dataclass(frozen=True)
class Depthwise(Window):
    """Convolution of each channel by itself, with `multiplier` filters a channel."""

    word: ClassVar[str] = "depthwise"
    size: Sides = pair()
    stride: Sides = pair(default=1)
    pad: Sides | str = pair(0, default=0, same=True)
    dilation: Sides = pair(default=1)
    multiplier: int = whole(default=1)
    bias: bool = flag(True)
    init: str | None = rule()

    def conv(self, channels: int) -> Conv:
        """Return the grouped convolution that this is for a number of channels."""
        filters = channels * self.multiplier
        return Conv(filters, self.size, self.stride, self.pad, self.dilation, channels, self.bias, self.init)

    def geometry(self) -> tuple[Sides, Sides | str, Sides, bool]:
        return self.stride, self.pad, self.dilation, False

    def channels(self, shape: Shape) -> int:
        return shape[0] * self.multiplier

    def parameters(self, shape: Shape) -> int:
        return self.conv(shape[0]).parameters(shape)

    def multiply_adds(self, shape: Shape) -> int:
        return self.conv(shape[0]).multiply_adds(shape)


@dataclass(frozen=True)
class Whiten(Window):
    """Fixed filters that decorrelate k×k patches: the principal directions of the training patches, both signs.

    The 2·k·k·c filters are computed from training images (`initialise_from`) and never trained; the bias is (as in
    K. Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024). Until then they are orthogonal patterns.
    """

    word: ClassVar[str] = "whiten"
    size: Sides = pair()
    pad: Sides | str = pair(0, default=0, same=True)
    bias: bool = flag(True)

    def conv(self, channels: int) -> Conv:
        """Return the convolution that this is for a number of channels."""
        filters = 2 * side(self.size, 0) * side(self.size, 1) * channels
        return Conv(filters, self.size, pad=self.pad, bias=self.bias)

    def geometry(self) -> tuple[Sides, Sides | str, Sides, bool]:
        return 1, self.pad, 1, False

    def channels(self, shape: Shape) -> int:
        return self.conv(shape[0]).filters

    def parameters(self, shape: Shape) -> int:
        return self.channels(shape) * self.bias

    def multiply_adds(self, shape: Shape) -> int:
        return self.conv(shape[0]).multiply_adds(shape)

    def note(self, shape: Shape) -> str:
        return f"{math.prod(self.conv(shape[0]).weights(shape)):,} fixed weights, computed from the training images"


@dataclass(frozen=True)
class Pool(Window):
    """The base of pools: `stride` is the window's size unless said, padding is never looked at."""

    size: Sides = pair()
    stride: Sides | None = pair(default=None, positional=True)
    pad: Sides | str = pair(0, default=0, same=True)
    ceil: bool = flag(False)

    def geometry(self) -> tuple[Sides, Sides | str, Sides, bool]:
        return self.stride or self.size, self.pad, 1, self.ceil

    def axes(self, shape: Shape) -> tuple[Axis, Axis]:
        for i in range(2):
            if self.pad != "same" and 2 * side(self.pad, i) > side(self.size, i):
                raise ShapeError(
                    f"{self} pads by more than half its window, so that some windows see nothing. Use less padding"
                )
        return super().axes(shape)


@dataclass(frozen=True)
class Maxpool(Pool):
    """The largest value in each window."""

    word: ClassVar[str] = "maxpool"


@dataclass(frozen=True)
class Avgpool(Pool):
    """The mean of each window, over the pixels that are really there."""

    word: ClassVar[str] = "avgpool"


@dataclass(frozen=True)
class Globalavg(Layer):
    """The mean of each channel."""

    word: ClassVar[str] = "globalavg"

    def output_shape(self, shape: Shape) -> Shape:
        need_image(self, shape)
        return (shape[0], 1, 1)

    def formula(self, shape: Shape) -> str:
        return f"{shape[1]}×{shape[2]} → 1×1"


@dataclass(frozen=True)
class Globalmax(Globalavg):
    """The largest value of each channel."""

    word: ClassVar[str] = "globalmax"


@dataclass(frozen=True)
class Subsample(Layer):
    """Every `stride`-th pixel, and channels of zeros added behind until there are `channels`.

    The shortcut without parameters of the CIFAR ResNets ("option A", He et al. 2015, section 4.2).
    """

    word: ClassVar[str] = "subsample"
    stride: int = whole()
    channels: int = whole(positional=True)

    def output_shape(self, shape: Shape) -> Shape:
        need_image(self, shape)
        if self.channels < shape[0]:
            raise ShapeError(f"{self} can only add channels; got {say(shape)}. Give at least {shape[0]} channels")
        return (self.channels, *(-(-length // self.stride) for length in shape[1:]))

    def formula(self, shape: Shape) -> str:
        return f"⌈{shape[1]}/{self.stride}⌉, {self.channels - shape[0]} channels of zeros"
