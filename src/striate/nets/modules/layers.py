"""Each layer's counterpart in torch."""

from __future__ import annotations

import math
from functools import singledispatch

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.nets import layers, structure, windows
from striate.nets.layers import Layer, Shape
from striate.nets.windows import place, side


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


class Subsampled(nn.Module):
    """Every stride-th pixel, with channels of zeros behind."""

    def __init__(self, stride: int, channels: int) -> None:
        super().__init__()
        self.stride, self.channels = stride, channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the shortcut's value."""
        x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, self.channels - x.shape[1]))


class SamePad(nn.Module):
    """TensorFlow's padding: the output has ⌈n/stride⌉ pixels, the odd pixel of padding is at the end."""

    def __init__(self, layer: windows.Window, value: float = 0.0) -> None:
        super().__init__()
        stride, _, dilation, _ = layer.geometry()
        self.axes = [(side(layer.size, i), side(stride, i), side(dilation, i)) for i in range(2)]
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """Return x padded for its own size."""
        (top, bottom), (left, right) = self.pads(x)
        return functional.pad(x, (left, right, top, bottom), value=self.value)

    def pads(self, x: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the padding of (n, c, h, w): (top, bottom), (left, right)."""
        return self._pads(int(x.shape[2]), *self.axes[0]), self._pads(int(x.shape[3]), *self.axes[1])

    @staticmethod
    def _pads(length: int, size: int, stride: int, dilation: int) -> tuple[int, int]:
        axis = place(length, size, stride, "same", dilation)
        assert axis is not None
        return axis.before, axis.after


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's padding."""

    def __init__(self, layer: windows.Conv, *args: int, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.same = SamePad(layer)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        (top, bottom), (left, right) = self.same.pads(input)
        if (top, left) != (bottom, right):
            input, top, left = self.same(input), 0, 0
        # Even padding is the convolution's own, which spares a copy of the input.
        return functional.conv2d(input, weight, bias, self.stride, (top, left), self.dilation, self.groups)


class SameMean(nn.Module):
    """An average pool with TensorFlow's padding, which the mean does not count."""

    def __init__(self, layer: windows.Pool) -> None:
        super().__init__()
        self.same, self.size, self.stride = SamePad(layer), layer.size, layer.geometry()[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean over the pixels that are really there."""
        there = self.same(torch.ones_like(x[:1, :1]))
        return self._mean(self.same(x)) / self._mean(there)

    def _mean(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, self.size, self.stride)


class Whitening(nn.Conv2d):
    """Fixed filters along the principal directions of patches, and a learned bias."""

    def __init__(self, layer: windows.Whiten, channels: int) -> None:
        conv = layer.conv(channels)
        super().__init__(channels, conv.filters, _sides(layer.size), padding=_pad(layer.pad), bias=layer.bias)
        weight = self.weight
        del self.weight
        self.register_buffer("weight", weight.data)
        self.same = SamePad(layer) if layer.pad == "same" else nn.Identity()

    def forward(self, input: Tensor) -> Tensor:
        """Return the whitened patches."""
        return super().forward(self.same(input))

    def learn(self, images: Tensor, eps: float = 5e-4) -> None:
        """Compute the filters from images (n, c, h, w): covariance eigenvectors / √(eigenvalue + eps)."""
        covariance = sum(self._products(part) for part in images.split(500)) / self._places(images)
        values, vectors = torch.linalg.eigh(covariance)
        directions = (vectors / (values.clamp_min(0) + eps).sqrt()).T.flip(0).reshape(-1, *self.weight.shape[1:])
        self.weight.copy_(torch.cat((directions, -directions)))

    def _products(self, images: Tensor) -> Tensor:
        """Return the sum of patch·patchᵀ over all patches of some images."""
        h, w = self.kernel_size
        patches = (
            images.double()
            .unfold(2, h, 1)
            .unfold(3, w, 1)
            .permute(0, 2, 3, 1, 4, 5)
            .reshape(-1, self.weight[0].numel())
        )
        return patches.T @ patches

    def _places(self, images: Tensor) -> int:
        h, w = self.kernel_size
        return len(images) * (images.shape[2] - h + 1) * (images.shape[3] - w + 1)


def _sides(value: windows.Sides) -> tuple[int, int]:
    return side(value, 0), side(value, 1)


def _pad(value: windows.Sides | str) -> tuple[int, int]:
    return (0, 0) if value == "same" else (side(value, 0), side(value, 1))


@make_layer.register
def _(layer: windows.Conv, shape: Shape) -> nn.Module:
    kwargs = {
        "stride": _sides(layer.stride),
        "padding": _pad(layer.pad),
        "dilation": _sides(layer.dilation),
        "groups": layer.groups,
        "bias": layer.bias,
    }
    if layer.pad == "same":
        return SameConv(layer, shape[0], layer.filters, _sides(layer.size), **kwargs)  # type: ignore[arg-type]
    return nn.Conv2d(shape[0], layer.filters, _sides(layer.size), **kwargs)


@make_layer.register
def _(layer: windows.Whiten, shape: Shape) -> nn.Module:
    return Whitening(layer, shape[0])


@make_layer.register
def _(layer: windows.Maxpool, shape: Shape) -> nn.Module:
    stride = _sides(layer.geometry()[0])
    if layer.pad == "same":
        return nn.Sequential(SamePad(layer, -math.inf), nn.MaxPool2d(_sides(layer.size), stride))
    return nn.MaxPool2d(_sides(layer.size), stride, _pad(layer.pad), ceil_mode=layer.ceil)


@make_layer.register
def _(layer: windows.Avgpool, shape: Shape) -> nn.Module:
    if layer.pad == "same":
        return SameMean(layer)
    stride = _sides(layer.geometry()[0])
    return nn.AvgPool2d(_sides(layer.size), stride, _pad(layer.pad), layer.ceil, count_include_pad=False)


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
