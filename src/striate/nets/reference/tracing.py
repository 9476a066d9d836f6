"""Where one number comes from: the patch it looks at, the kernel, their products, the bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from striate.nets.layers import Fc, Layer
from striate.nets.reference.arithmetic import Array
from striate.nets.reference.patches import Patches
from striate.nets.structure import Add, Join, Multiply
from striate.nets.windows import Conv, Globalavg, Pool, Whiten, Window

Inputs = tuple[Array, ...]


@dataclass(frozen=True)
class Trace:
    """The terms of one output value: value = Σ patch · kernel + bias, where there is a kernel.

    Otherwise `patch` holds what the value was made of: a pool's window, the terms of a sum, the factors of a gate.
    `corner` is the (row, column) of the patch's first pixel in the layer's input, negative in the padding.
    """

    path: str
    layer: str
    position: tuple[int, ...]
    value: float
    patch: Array
    kernel: Array | None = None
    bias: float = 0.0
    corner: tuple[int, int] | None = None

    @property
    def products(self) -> Array | None:
        """Return patch · kernel, each product by itself; None for layers without a kernel."""
        return None if self.kernel is None else self.patch * self.kernel

    @property
    def sum(self) -> float:
        """Return the sum of the products, without the bias."""
        return self.value if self.products is None else float(self.products.sum())

    def __str__(self) -> str:
        where = f" from row {self.corner[0]}, column {self.corner[1]}" if self.corner else ""
        lines = [f"{self.path} {self.layer} at {self.position}: {self.value:.6g}", f"patch {self.patch.shape}{where}:"]
        lines.append(np.array2string(self.patch, precision=4, threshold=200))
        if self.kernel is not None:
            lines += ["kernel:", np.array2string(self.kernel, precision=4, threshold=200)]
            lines.append(f"sum of {self.patch.size} products {self.sum:.6g} + bias {self.bias:.6g} = {self.value:.6g}")
        return "\n".join(lines)


@singledispatch
def trace(
    layer: Layer, path: str, inputs: Inputs, weights: Mapping[str, Array], position: tuple[int, ...], value: float
) -> Trace:
    """Return the terms of one output value of a layer, for one image; each input is (c, h, w) or (k,)."""
    patch = inputs[0][position] if len(position) == inputs[0].ndim else inputs[0]
    return Trace(path, str(layer), position, value, np.atleast_1d(patch))


@trace.register(Add)
@trace.register(Multiply)
def _(
    layer: Layer, path: str, inputs: Inputs, weights: Mapping[str, Array], position: tuple[int, ...], value: float
) -> Trace:
    terms = [np.broadcast_to(x, inputs[0].shape)[position] for x in inputs]
    return Trace(path, str(layer), position, value, np.array(terms))


@trace.register
def _(
    layer: Join, path: str, inputs: Inputs, weights: Mapping[str, Array], position: tuple[int, ...], value: float
) -> Trace:
    return Trace(path, str(layer), position, value, np.atleast_1d(np.concatenate(inputs)[position]))


@trace.register
def _(
    layer: Fc, path: str, inputs: Inputs, weights: Mapping[str, Array], position: tuple[int, ...], value: float
) -> Trace:
    bias = float(weights["bias"][position]) if layer.bias else 0.0
    return Trace(path, str(layer), position, value, inputs[0].ravel(), weights["weight"][position], bias)


@trace.register(Conv)
@trace.register(Whiten)
def _(
    layer: Conv | Whiten,
    path: str,
    inputs: Inputs,
    weights: Mapping[str, Array],
    position: tuple[int, ...],
    value: float,
) -> Trace:
    channel, row, column = position
    kernel, groups = weights["weight"][channel], getattr(layer, "groups", 1)
    first = channel // (len(weights["weight"]) // groups) * len(kernel)
    patch, corner = _cut(layer, inputs[0], row, column)
    bias = float(weights["bias"][channel]) if layer.bias else 0.0
    return Trace(path, str(layer), position, value, patch[first : first + len(kernel)], kernel, bias, corner)


@trace.register
def _(
    layer: Pool, path: str, inputs: Inputs, weights: Mapping[str, Array], position: tuple[int, ...], value: float
) -> Trace:
    channel, row, column = position
    patch, corner = _cut(layer, inputs[0], row, column, np.nan)
    return Trace(path, str(layer), position, value, patch[channel], corner=corner)


@trace.register
def _(
    layer: Globalavg, path: str, inputs: Inputs, weights: Mapping[str, Array], position: tuple[int, ...], value: float
) -> Trace:
    return Trace(path, str(layer), position, value, inputs[0][position[0]], corner=(0, 0))


def _cut(layer: Window, x: Array, row: int, column: int, padding: float = 0.0) -> tuple[Array, tuple[int, int]]:
    patches = Patches(layer, x.shape)
    corner = (
        row * patches.rows.stride - patches.rows.before,
        column * patches.columns.stride - patches.columns.before,
    )
    return patches.take(x[None], padding)[0, :, row, column], corner
