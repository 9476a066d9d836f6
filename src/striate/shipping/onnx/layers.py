"""Each layer's counterpart in ONNX, at evaluation: dropout is gone, batch norms use what they have learned."""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

import numpy as np
from torch import nn

from striate.errors import ArgumentError
from striate.nets import layers, structure, windows
from striate.nets.layers import Layer, Shape
from striate.nets.modules.layers import ChannelScale
from striate.nets.windows import Window, side
from striate.shipping.onnx.builder import GraphBuilder


@singledispatch
def emit_layer(layer: Layer, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    """Add one layer and return the name of its output.

    Arguments:
        module: its torch module, with the weights.
        shape: of the first input, without the batch.
        inputs: names of what it reads.

    Raises:
        ArgumentError: there is no counterpart.
    """
    raise ArgumentError(f"layer {layer} has no counterpart in ONNX that Striate knows. Leave it out of the net")


def _plain(kind: type[Layer], operation: str, **attributes: Any) -> None:
    emit_layer.register(kind, lambda layer, b, module, shape, inputs: b.op(operation, *inputs, **attributes))


_plain(layers.Relu, "Relu")
_plain(layers.Tanh, "Tanh")
_plain(layers.Sigmoid, "Sigmoid")
_plain(layers.Flatten, "Flatten", axis=1)
_plain(layers.Softmax, "Softmax", axis=1)
_plain(windows.Globalavg, "GlobalAveragePool")
_plain(windows.Globalmax, "GlobalMaxPool")
_plain(structure.Add, "Add")
_plain(structure.Multiply, "Mul")
_plain(structure.Join, "Concat", axis=1)


@emit_layer.register(layers.Dropout)
@emit_layer.register(layers.Droppath)
def _(layer: Layer, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    return inputs[0]


@emit_layer.register
def _(layer: layers.Relu6, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    return b.op("Clip", inputs[0], b.constant(0), b.constant(6))


@emit_layer.register
def _(layer: layers.Leakyrelu, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    return b.op("LeakyRelu", inputs[0], alpha=layer.slope)


@emit_layer.register
def _(layer: layers.Gelu, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    spread = b.op("Erf", b.op("Div", inputs[0], b.constant(math.sqrt(2))))
    return b.op("Mul", b.op("Mul", inputs[0], b.op("Add", spread, b.constant(1))), b.constant(0.5))


@emit_layer.register
def _(layer: layers.Silu, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    return b.op("Mul", inputs[0], b.op("Sigmoid", inputs[0]))


@emit_layer.register
def _(layer: layers.Step, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    return b.op("Sign", b.op("Relu", inputs[0]))


@emit_layer.register
def _(layer: layers.Scale, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    return b.op("Mul", inputs[0], b.constant(layer.factor))


@emit_layer.register
def _(layer: layers.Layerscale, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    assert isinstance(module, ChannelScale)
    return b.op("Mul", inputs[0], b.constant(array(module.weight)))


@emit_layer.register
def _(layer: layers.Fc, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    values = inputs[0] if len(shape) == 1 else b.op("Flatten", inputs[0], axis=1)
    return emit_linear(b, values, module)


def emit_linear(b: GraphBuilder, values: str, module: nn.Module) -> str:
    """Add W x + b of a linear layer to values (n, d)."""
    assert isinstance(module, nn.Linear)
    bias = [] if module.bias is None else [b.constant(array(module.bias))]
    return b.op("Gemm", values, b.constant(array(module.weight), name="weight"), *bias, transB=1)


@emit_layer.register
def _(layer: layers.Bn, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    scale, shift = scale_and_shift(module)
    places = (-1, *(1 for _ in shape[1:]))
    scaled = b.op("Mul", inputs[0], b.constant(scale.reshape(places)))
    return b.op("Add", scaled, b.constant(shift.reshape(places)))


@emit_layer.register
def _(layer: layers.Ln, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    assert isinstance(module, nn.LayerNorm)
    learned = b.constant(array(module.weight)), b.constant(array(module.bias))
    if len(shape) == 1:
        return b.op("LayerNormalization", inputs[0], *learned, axis=-1, epsilon=layer.eps)
    last = b.op("Transpose", inputs[0], perm=[0, 2, 3, 1])
    normed = b.op("LayerNormalization", last, *learned, axis=-1, epsilon=layer.eps)
    return b.op("Transpose", normed, perm=[0, 3, 1, 2])


@emit_layer.register
def _(layer: layers.Lrn, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    # ONNX' own LRN has another middle than torch's where the size is even.
    before, after = layer.size // 2, (layer.size - 1) // 2
    padded = b.op("Pad", b.op("Mul", inputs[0], inputs[0]), b.ints(0, before, 0, 0, 0, after, 0, 0))
    terms = [b.slice(padded, 1, i, i + shape[0]) for i in range(layer.size)]
    total = b.op("Sum", *terms) if len(terms) > 1 else terms[0]
    base = b.op("Add", b.op("Mul", total, b.constant(layer.alpha)), b.constant(layer.k))
    return b.op("Div", inputs[0], b.op("Pow", base, b.constant(layer.beta)))


@emit_layer.register
def _(layer: windows.Conv, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    assert isinstance(module, nn.Conv2d)
    bias = None if module.bias is None else array(module.bias)
    return conv(b, layer, shape, inputs[0], array(module.weight), bias)


@emit_layer.register
def _(layer: windows.Whiten, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    assert isinstance(module, nn.Conv2d)
    bias = None if module.bias is None else array(module.bias)
    return conv(b, layer.conv(shape[0]), shape, inputs[0], array(module.weight), bias)


def conv(
    b: GraphBuilder, layer: windows.Conv, shape: Shape, image: str, weight: np.ndarray, bias: np.ndarray | None
) -> str:
    """Add a convolution with these weights."""
    shifts = [] if bias is None else [b.constant(bias, name="bias")]
    dilations = [side(layer.dilation, i) for i in range(2)]
    return b.op(
        "Conv", image, b.constant(weight, name="weight"), *shifts,
        **_window(layer, shape), dilations=dilations, group=layer.groups,
    )  # fmt: skip


@emit_layer.register
def _(layer: windows.Maxpool, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    return b.op("MaxPool", inputs[0], **_window(layer, shape))


@emit_layer.register
def _(layer: windows.Avgpool, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    return b.op("AveragePool", inputs[0], **_window(layer, shape), count_include_pad=0)


@emit_layer.register
def _(layer: windows.Subsample, b: GraphBuilder, module: nn.Module, shape: Shape, inputs: tuple[str, ...]) -> str:
    value = inputs[0]
    for axis in (2, 3):
        value = b.slice(value, axis, 0, shape[axis - 1], layer.stride)
    return b.op("Pad", value, b.ints(0, 0, 0, 0, 0, layer.channels - shape[0], 0, 0))


def _window(layer: Window, shape: Shape) -> dict[str, Any]:
    """Return kernel, stride and the padding that is really looked at: a last, partial window is padding at the end."""
    axes = layer.axes(shape)
    after = [max(0, (axis.count - 1) * axis.stride + axis.reach - axis.length - axis.before) for axis in axes]
    return {
        "kernel_shape": [axis.size for axis in axes],
        "strides": [axis.stride for axis in axes],
        "pads": [*(axis.before for axis in axes), *after],
    }


def scale_and_shift(norm: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Return what a batch norm does to each channel at evaluation, float64 (c,) twice: x · scale + shift."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    gain, bias, mean, variance = (
        array(value).astype(np.float64) for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    scale = gain / np.sqrt(variance + norm.eps)
    return scale, bias - mean * scale


def array(value: Any) -> np.ndarray:
    """Return a tensor's numbers, those of half precision as float32."""
    found = value.detach().cpu()
    return (found.float() if found.is_floating_point() else found).numpy()
