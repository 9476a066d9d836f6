"""The arithmetic of each layer in NumPy: what it makes of its input, and what a gradient at its output means before it.

`apply` returns the output and a function that turns the gradient of the output into the gradients of the inputs and of
the weights: the chain rule, one layer at a time. All arrays are float64, the batch first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.nets import layers, structure
from striate.nets.layers import Layer

Array = NDArray[Any]
Weights = Mapping[str, Array]


@dataclass(frozen=True)
class Applied:
    """A layer's output, and its backward pass: gradient of the output → (gradients of the inputs, of the weights)."""

    value: Array
    backward: Callable[[Array], tuple[tuple[Array, ...], dict[str, Array]]]


@dataclass(frozen=True)
class Mode:
    """Whether the net is being trained, and the generator for what training draws."""

    training: bool
    generator: np.random.Generator


@singledispatch
def apply(layer: Layer, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    """Return what one layer makes of its inputs, each (n, …)."""
    raise TypeError(f"no arithmetic for {layer!r}")


def pointwise(value: Array, slope: Array | float) -> Applied:
    """Return a function of each value by itself, whose derivative is `slope`."""
    return Applied(value, lambda g: ((g * slope,), {}))


def each_channel(vector: Array, ndim: int) -> Array:
    """Return one number a channel, shaped to be multiplied with (n, c, …)."""
    return vector.reshape(1, -1, *[1] * (ndim - 2))


def over_channels(x: Array) -> Array:
    """Return the sum over everything but the channels of (n, c, …)."""
    return x.sum(axis=tuple(i for i in range(x.ndim) if i != 1))


@apply.register
def _(layer: layers.Fc, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    x, weight = inputs[0], weights["weight"]
    rows = x.reshape(len(x), -1)

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        gradients = {"weight": g.T @ rows} | ({"bias": g.sum(0)} if layer.bias else {})
        return ((g @ weight).reshape(x.shape),), gradients

    return Applied(rows @ weight.T + weights.get("bias", np.float64(0)), backward)


@apply.register
def _(layer: layers.Flatten, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    return Applied(x.reshape(len(x), -1), lambda g: ((g.reshape(x.shape),), {}))


@apply.register
def _(layer: layers.Bn, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    gain = each_channel(weights["weight"], x.ndim)
    axes = tuple(i for i in range(x.ndim) if i != 1)
    mean, variance = (x.mean(axes), x.var(axes)) if mode.training else (weights["running_mean"], weights["running_var"])
    deviation = np.sqrt(each_channel(variance, x.ndim) + layer.eps)
    normal = (x - each_channel(mean, x.ndim)) / deviation

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        gradients = ({"weight": over_channels(g * normal)} if layer.gain else {}) | (
            {"bias": over_channels(g)} if layer.bias else {}
        )
        g = g * gain
        if mode.training:  # mean and variance depend on x too
            g = g - g.mean(axes, keepdims=True) - normal * (g * normal).mean(axes, keepdims=True)
        return (g / deviation,), gradients

    return Applied(normal * gain + each_channel(weights["bias"], x.ndim), backward)


@apply.register
def _(layer: layers.Ln, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    gain = each_channel(weights["weight"], x.ndim)
    deviation = np.sqrt(x.var(1, keepdims=True) + layer.eps)
    normal = (x - x.mean(1, keepdims=True)) / deviation

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        gradients = {"weight": over_channels(g * normal), "bias": over_channels(g)}
        g = g * gain
        g = g - g.mean(1, keepdims=True) - normal * (g * normal).mean(1, keepdims=True)
        return (g / deviation,), gradients

    return Applied(normal * gain + each_channel(weights["bias"], x.ndim), backward)


@apply.register
def _(layer: layers.Lrn, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    channel = np.arange(x.shape[1])
    offset = channel[None, :] - channel[:, None]
    near = ((offset >= -(layer.size // 2)) & (offset <= (layer.size - 1) // 2)).astype(float)

    def neighbours(matrix: Array, values: Array) -> Array:
        return np.einsum("ij,njhw->nihw", matrix, values)

    base = layer.k + layer.alpha * neighbours(near, x * x)

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        through_others = neighbours(near.T, g * x * base ** (-layer.beta - 1))
        return (g * base**-layer.beta - 2 * layer.alpha * layer.beta * x * through_others,), {}

    return Applied(x * base**-layer.beta, backward)


@apply.register
def _(layer: layers.Dropout, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    return _drop(x, x.shape, layer.p, mode)


@apply.register
def _(layer: layers.Droppath, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    return _drop(x, (len(x), *[1] * (x.ndim - 1)), layer.p, mode)


def _drop(x: Array, shape: tuple[int, ...], p: float, mode: Mode) -> Applied:
    if not mode.training:
        return pointwise(x, 1.0)
    kept = (mode.generator.random(shape) >= p) / (1 - p)
    return pointwise(x * kept, kept)


@apply.register
def _(layer: layers.Scale, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    return pointwise(inputs[0] * layer.factor, layer.factor)


@apply.register
def _(layer: layers.Layerscale, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    x, weight = inputs[0], weights["weight"][None]

    def backward(g: Array) -> tuple[tuple[Array, ...], dict[str, Array]]:
        return (g * weight,), {"weight": over_channels(g * x).reshape(weight.shape[1:])}

    return Applied(x * weight, backward)


@apply.register
def _(layer: layers.Relu, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    return pointwise(np.maximum(x, 0), x > 0)


@apply.register
def _(layer: layers.Relu6, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    return pointwise(np.clip(x, 0, 6), (x > 0) & (x < 6))


@apply.register
def _(layer: layers.Leakyrelu, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    slope = np.where(x > 0, 1, layer.slope)
    return pointwise(x * slope, slope)


@apply.register
def _(layer: layers.Tanh, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    y = np.tanh(inputs[0])
    return pointwise(y, 1 - y * y)


@apply.register
def _(layer: layers.Sigmoid, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    y = sigmoid(inputs[0])
    return pointwise(y, y * (1 - y))


@apply.register
def _(layer: layers.Silu, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    s = sigmoid(x)
    return pointwise(x * s, s + x * s * (1 - s))


@apply.register
def _(layer: layers.Gelu, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    (x,) = inputs
    erf = np.vectorize(math.erf, otypes=[np.float64])
    below = (1 + erf(x / math.sqrt(2))) / 2
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return pointwise(x * below, below + x * density)


@apply.register
def _(layer: layers.Step, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    return pointwise((inputs[0] > 0).astype(np.float64), 0.0)


@apply.register
def _(layer: layers.Softmax, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    y = softmax(inputs[0])
    return Applied(y, lambda g: ((y * (g - (g * y).sum(1, keepdims=True)),), {}))


@apply.register
def _(layer: structure.Add, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    return Applied(inputs[0] + inputs[1], lambda g: ((g, g), {}))


@apply.register
def _(layer: structure.Join, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    ends = np.cumsum([x.shape[1] for x in inputs])[:-1]
    return Applied(np.concatenate(inputs, 1), lambda g: (tuple(np.split(g, ends, 1)), {}))


@apply.register
def _(layer: structure.Multiply, inputs: tuple[Array, ...], weights: Weights, mode: Mode) -> Applied:
    x, gate = inputs
    narrow = tuple(i for i in range(x.ndim) if gate.shape[i] < x.shape[i])
    return Applied(x * gate, lambda g: ((g * gate, (g * x).sum(narrow, keepdims=True)), {}))


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(−x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


def softmax(x: Array) -> Array:
    """Return exp(x) over its sum along axis 1.

    >>> softmax(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """
    powers = np.exp(x - x.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    """Return the mean of −log p(label) over a batch, and its gradient at the logits (n, k)."""
    n = np.arange(len(logits))
    log_sums = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
    gradient = softmax(logits)
    gradient[n, labels] -= 1
    return float((log_sums - logits[n, labels]).mean()), gradient / len(logits)
