"""The arithmetic of layers with windows in NumPy, by im2col: every window becomes one row of numbers."""

from __future__ import annotations

import numpy as np

from striate.nets.layers import Shape
from striate.nets.reference.arithmetic import Applied, Array, Mode, Weights, apply
from striate.nets.windows import Avgpool, Conv, Globalavg, Globalmax, Maxpool, Subsample, Whiten, Window, side


class Patches:
    """The windows of a layer over a batch (n, c, h, w): `take` cuts them out, `give` adds them back."""

    def __init__(self, layer: Window, shape: Shape) -> None:
        self.rows, self.columns = layer.axes(shape)
        self.shape = shape
        dilation = layer.geometry()[2]
        self.dilation = (side(dilation, 0), side(dilation, 1))
        self.pads = [
            (axis.before, max(0, (axis.count - 1) * axis.stride + axis.reach - axis.length - axis.before))
            for axis in (self.rows, self.columns)
        ]

    def take(self, x: Array, padding: float = 0.0) -> Array:
        """Return the windows, (n, c, rows, columns, F, F)."""
        x = np.pad(x, ((0, 0), (0, 0), *self.pads), constant_values=padding)
        rows, columns = self.rows, self.columns
        out = np.empty((*x.shape[:2], rows.count, columns.count, rows.size, columns.size))
        for i in range(rows.size):
            for j in range(columns.size):
                out[..., i, j] = x[self._spots(i, j)]
        return out

    def give(self, windows: Array) -> Array:
        """Return the sum at each pixel of what the windows say of it, (n, c, h, w)."""
        height, width = (length + sum(pad) for length, pad in zip(self.shape[1:], self.pads, strict=True))
        x = np.zeros((*windows.shape[:2], height, width))
        for i in range(self.rows.size):
            for j in range(self.columns.size):
                x[self._spots(i, j)] += windows[..., i, j]
        top, left = self.pads[0][0], self.pads[1][0]
        return x[:, :, top : top + self.shape[1], left : left + self.shape[2]]

    def _spots(self, i: int, j: int) -> tuple[slice, ...]:
        """Return where the pixels (i, j) of all windows are."""
        top, left = i * self.dilation[0], j * self.dilation[1]
        down = slice(top, top + (self.rows.count - 1) * self.rows.stride + 1, self.rows.stride)
        across = slice(left, left + (self.columns.count - 1) * self.columns.stride + 1, self.columns.stride)
        return slice(None), slice(None), down, across


@apply.register
def _(layer: Conv, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    x, weight, groups = inputs[0], weights["weight"], layer.groups
    patches = Patches(layer, x.shape[1:])
    windows = patches.take(x)
    n, _, rows, columns, *_ = windows.shape
    grouped = windows.reshape(n, groups, -1, rows, columns, *weight.shape[2:])
    matrix = grouped.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, n * rows * columns, -1)
    kernels = weight.reshape(groups, layer.filters // groups, -1)

    def to_image(values: Array) -> Array:  # (groups, places, filters a group) → (n, filters, rows, columns)
        return values.reshape(groups, n, rows, columns, -1).transpose(1, 0, 4, 2, 3).reshape(n, -1, rows, columns)

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        arriving = g.reshape(n, groups, -1, rows, columns).transpose(1, 0, 3, 4, 2).reshape(groups, len(matrix[0]), -1)
        spread = (arriving @ kernels).reshape(groups, n, rows, columns, -1, *weight.shape[2:])
        before = patches.give(spread.transpose(1, 0, 4, 2, 3, 5, 6).reshape(windows.shape))
        gradient = (arriving.transpose(0, 2, 1) @ matrix).reshape(weight.shape)
        return (before,), {"weight": gradient} | ({"bias": g.sum((0, 2, 3))} if layer.bias else {})

    bias = weights["bias"][:, None, None] if layer.bias else 0.0
    return Applied(to_image(matrix @ kernels.transpose(0, 2, 1)) + bias, backward)


@apply.register
def _(layer: Whiten, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    applied = apply(layer.conv(inputs[0].shape[1]), inputs, weights, mode)

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        before, gradients = applied.backward(g)
        return before, {name: value for name, value in gradients.items() if name != "weight"}

    return Applied(applied.value, backward)


@apply.register
def _(layer: Maxpool, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    patches = Patches(layer, x.shape[1:])
    windows = patches.take(x, -np.inf)
    flat = windows.reshape(*windows.shape[:4], -1)
    largest = flat.argmax(-1)[..., None]

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        to = np.zeros_like(flat)
        np.put_along_axis(to, largest, g[..., None], -1)
        return (patches.give(to.reshape(windows.shape)),), {}

    return Applied(np.take_along_axis(flat, largest, -1)[..., 0], backward)


@apply.register
def _(layer: Avgpool, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    patches = Patches(layer, x.shape[1:])
    share = patches.take(np.ones((1, 1, *x.shape[2:])))
    share /= share.sum((4, 5), keepdims=True)
    return Applied((patches.take(x) * share).sum((4, 5)), lambda g: ((patches.give(g[..., None, None] * share),), {}))


@apply.register
def _(layer: Globalavg, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    size = x.shape[2] * x.shape[3]
    return Applied(x.mean((2, 3), keepdims=True), lambda g: ((np.broadcast_to(g / size, x.shape),), {}))


@apply.register
def _(layer: Globalmax, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    return apply(Maxpool(inputs[0].shape[2:]), inputs, weights, mode)


@apply.register
def _(layer: Subsample, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    kept = x[:, :, :: layer.stride, :: layer.stride]
    value = np.pad(kept, ((0, 0), (0, layer.channels - x.shape[1]), (0, 0), (0, 0)))

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        before = np.zeros_like(x)
        before[:, :, :: layer.stride, :: layer.stride] = g[:, : x.shape[1]]
        return (before,), {}

    return Applied(value, backward)
