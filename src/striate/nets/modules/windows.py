"""What torch has no layers for: windows with TensorFlow's padding, whitening, shortcuts without parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.nets.windows import Conv, Pool, Sides, Whiten, Window, place, side


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

    def __init__(self, layer: Window, value: float = 0.0) -> None:
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

    def __init__(self, layer: Conv, *args: int, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.same = SamePad(layer)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self.padded(input)
        return functional.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def padded(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return what is convolved, and the padding that is left to the convolution, which spares a copy of x."""
        (top, bottom), (left, right) = self.same.pads(x)
        return (x, (top, left)) if (top, left) == (bottom, right) else (self.same(x), (0, 0))


class SameMean(nn.Module):
    """An average pool with TensorFlow's padding, which the mean does not count."""

    def __init__(self, layer: Pool) -> None:
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

    def __init__(self, layer: Whiten, channels: int) -> None:
        conv = layer.conv(channels)
        super().__init__(channels, conv.filters, sides(layer.size), padding=padding(layer.pad), bias=layer.bias)
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


def sides(value: Sides) -> tuple[int, int]:
    """Return (h, w) of a value that may be one number."""
    return side(value, 0), side(value, 1)


def padding(value: Sides | str) -> tuple[int, int]:
    """Return the padding that torch's own layer adds, (h, w); "same" is added before it."""
    return (0, 0) if value == "same" else (side(value, 0), side(value, 1))
