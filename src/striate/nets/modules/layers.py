"""Each layer's counterpart in torch."""

from __future__ import annotations

import math
from functools import singledispatch

import torch
from torch import Tensor, nn

from striate.nets import layers, structure, windows
from striate.nets.layers import Layer, Shape
from striate.nets.modules.windows import SameConv, SameMean, SamePad, Subsampled, Whitening, padding, sides


@singledispatch
def make_layer(layer: Layer, shape: Shape) -> nn.Module:
    """Return the torch module of one layer for an input of `shape` (without the batch), its weights not yet filled."""
    raise TypeError(f"no torch counterpart for {layer!r}")


def _plain(kind: type[Layer], make: type[nn.Module]) -> None:
    make_layer.register(kind, lambda layer, shape: make())


_plain(layers.Relu, nn.ReLU)
_plain(layers.Relu6, nn.ReLU6)
_plain(layers.Tanh, nn.Tanh)
_plain(layers.Sigmoid, nn.Sigmoid)
_plain(layers.Gelu, nn.GELU)
_plain(layers.Silu, nn.SiLU)
_plain(layers.Flatten, nn.Flatten)


class Apply(nn.Module):
    """A function without weights as a module, so that it can be hooked and printed."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return self.name


class Heaviside(Apply):
    """1 where x > 0, else 0."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the steps; sign and ReLU make the gradient 0 rather than none."""
        return torch.sign(torch.relu(x))


class Sum(Apply):
    """The sum of two values."""

    def forward(self, body: Tensor, shortcut: Tensor) -> Tensor:
        """Return body + shortcut."""
        return body + shortcut


class Product(Apply):
    """The product of a value and its gate."""

    def forward(self, value: Tensor, gate: Tensor) -> Tensor:
        """Return value · gate."""
        return value * gate


class Joined(Apply):
    """Channels behind each other."""

    def forward(self, *branches: Tensor) -> Tensor:
        """Return the branches joined along the channels."""
        return torch.cat(branches, 1)


class Times(nn.Module):
    """A fixed factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Return factor · x."""
        return x * self.factor


class ChannelScale(nn.Module):
    """A learned factor a channel."""

    def __init__(self, shape: Shape, start: float) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.empty(shape[0], *(1 for _ in shape[1:])))

    def forward(self, x: Tensor) -> Tensor:
        """Return x times each channel's factor."""
        return x * self.weight


class DropPath(nn.Module):
    """Stochastic depth: whole images of a branch at zero."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training with some images at zero and the others divided by 1 − p."""
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(x.shape[0], *(1 for _ in x.shape[1:]), device=x.device) >= self.p
        return x * (kept.to(x.dtype) / (1 - self.p))


class ResponseNorm(nn.LocalResponseNorm):
    """Local response normalisation, never in bfloat16: torch has no 3-D pool for it on CPUs."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised values in the input's type."""
        return super().forward(input.to(torch.promote_types(input.dtype, torch.float32))).to(input.dtype)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over axis 1 at each position."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised."""
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


@make_layer.register
def _(layer: windows.Conv, shape: Shape) -> nn.Module:
    kwargs = {
        "stride": sides(layer.stride),
        "padding": padding(layer.pad),
        "dilation": sides(layer.dilation),
        "groups": layer.groups,
        "bias": layer.bias,
    }
    if layer.pad == "same":
        return SameConv(layer, shape[0], layer.filters, sides(layer.size), **kwargs)  # type: ignore[arg-type]
    return nn.Conv2d(shape[0], layer.filters, sides(layer.size), **kwargs)


@make_layer.register
def _(layer: windows.Whiten, shape: Shape) -> nn.Module:
    return Whitening(layer, shape[0])


@make_layer.register
def _(layer: windows.Maxpool, shape: Shape) -> nn.Module:
    stride = sides(layer.geometry()[0])
    if layer.pad == "same":
        return nn.Sequential(SamePad(layer, -math.inf), nn.MaxPool2d(sides(layer.size), stride))
    return nn.MaxPool2d(sides(layer.size), stride, padding(layer.pad), ceil_mode=layer.ceil)


@make_layer.register
def _(layer: windows.Avgpool, shape: Shape) -> nn.Module:
    if layer.pad == "same":
        return SameMean(layer)
    stride = sides(layer.geometry()[0])
    return nn.AvgPool2d(sides(layer.size), stride, padding(layer.pad), layer.ceil, count_include_pad=False)


@make_layer.register
def _(layer: windows.Globalavg, shape: Shape) -> nn.Module:
    return nn.AdaptiveAvgPool2d(1)


@make_layer.register
def _(layer: windows.Globalmax, shape: Shape) -> nn.Module:
    return nn.AdaptiveMaxPool2d(1)


@make_layer.register
def _(layer: windows.Subsample, shape: Shape) -> nn.Module:
    return Subsampled(layer.stride, layer.channels)


@make_layer.register
def _(layer: layers.Fc, shape: Shape) -> nn.Module:
    linear = nn.Linear(math.prod(shape), layer.units, layer.bias)
    return linear if len(shape) == 1 else FlatLinear.of(linear)


class FlatLinear(nn.Linear):
    """A fully connected layer that flattens its input."""

    @classmethod
    def of(cls, linear: nn.Linear) -> FlatLinear:
        """Return a flattening layer with the sizes of a plain one."""
        return cls(linear.in_features, linear.out_features, linear.bias is not None)

    def forward(self, input: Tensor) -> Tensor:
        """Return the units' sums."""
        return super().forward(input.flatten(1))


@make_layer.register
def _(layer: layers.Bn, shape: Shape) -> nn.Module:
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    norm = kind(shape[0], layer.eps, layer.momentum)
    for name, learned in (("weight", layer.gain), ("bias", layer.bias)):
        if not learned:
            value = getattr(norm, name).data
            delattr(norm, name)
            norm.register_buffer(name, value)
    return norm


@make_layer.register
def _(layer: layers.Ln, shape: Shape) -> nn.Module:
    return ChannelNorm(shape[0], layer.eps)


@make_layer.register
def _(layer: layers.Lrn, shape: Shape) -> nn.Module:
    return ResponseNorm(layer.size, layer.alpha * layer.size, layer.beta, layer.k)


@make_layer.register
def _(layer: layers.Dropout, shape: Shape) -> nn.Module:
    return nn.Dropout(layer.p)


@make_layer.register
def _(layer: layers.Droppath, shape: Shape) -> nn.Module:
    return DropPath(layer.p)


@make_layer.register
def _(layer: layers.Scale, shape: Shape) -> nn.Module:
    return Times(layer.factor)


@make_layer.register
def _(layer: layers.Layerscale, shape: Shape) -> nn.Module:
    return ChannelScale(shape, layer.start)


@make_layer.register
def _(layer: layers.Leakyrelu, shape: Shape) -> nn.Module:
    return nn.LeakyReLU(layer.slope)


@make_layer.register
def _(layer: layers.Softmax, shape: Shape) -> nn.Module:
    return nn.Softmax(1)


make_layer.register(layers.Step, lambda layer, shape: Heaviside("step"))
make_layer.register(structure.Add, lambda layer, shape: Sum("body + shortcut"))
make_layer.register(structure.Multiply, lambda layer, shape: Product("input · gate"))
make_layer.register(structure.Join, lambda layer, shape: Joined("channels"))
