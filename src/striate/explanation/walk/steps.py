"""What the page is told of a model: its layers as steps of plain numbers, in the order of their work."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import nn

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.heads.head import LEAST_PROBABILITY
from striate.classifier.heads.linear import Linear
from striate.errors import ArgumentError
from striate.nets import NetModule, layers, structure, windows
from striate.nets.graph import INPUT, Node
from striate.nets.layers import Layer, Shape
from striate.nets.windows import Axis, side

# Learned tables may have more rows than anyone may read; the page takes what is smaller at once.
_NUMBERS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class WalkStep:
    """One layer of the page.

    Arguments:
        path: its place in the net, as `striate net` shows it.
        layer: as it is written.
        kind: which arithmetic of the page computes it.
        settings: what that needs beside the tensors.
        inputs: the steps that it reads, −1 for the picture.
        in_shapes, shape: without the batch.
        tensors: float32 arrays by name.
        formula, note: as in the layer table.
    """

    path: str
    layer: str
    kind: str
    settings: dict[str, Any]
    inputs: tuple[int, ...]
    in_shapes: tuple[Shape, ...]
    shape: Shape
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    formula: str = ""
    note: str = ""

    @property
    def values(self) -> int:
        """How many numbers it gives."""
        return math.prod(self.shape)

    @property
    def weights(self) -> int:
        """How many numbers its tensors hold."""
        return sum(value.size for value in self.tensors.values())

    @property
    def work(self) -> int:
        """Return its multiply-adds, of sums with weights."""
        weight = self.tensors.get("weight")
        places = math.prod(self.shape[1:]) if self.kind == "conv" else 1
        return weight.size * places if weight is not None and self.kind in ("conv", "fc") else 0


@singledispatch
def describe_layer(layer: Layer, shape: Shape) -> tuple[str, dict[str, Any]]:
    """Return the kind of a layer in the page, and its settings, for an input of `shape`.

    Raises:
        ArgumentError: the page has no arithmetic for it.
    """
    raise ArgumentError(
        f"a walkthrough needs layers that its page can compute; {layer} is none. striate explain shows what the model "
        "looks at all the same"
    )


def _same_name(kind: type[Layer], *settings: str) -> None:
    describe_layer.register(kind, lambda layer, shape: (layer.word, {name: getattr(layer, name) for name in settings}))


for _kind in (layers.Relu, layers.Relu6, layers.Tanh, layers.Sigmoid, layers.Gelu, layers.Silu, layers.Step):
    _same_name(_kind)
for _kind in (layers.Fc, layers.Flatten, layers.Softmax, layers.Layerscale, windows.Globalavg, windows.Globalmax):
    _same_name(_kind)
for _kind in (structure.Add, structure.Join, structure.Multiply):
    _same_name(_kind)
_same_name(layers.Bn, "eps")
_same_name(layers.Ln, "eps")
_same_name(layers.Lrn, "size", "alpha", "beta", "k")
_same_name(layers.Leakyrelu, "slope")
_same_name(layers.Scale, "factor")
_same_name(windows.Subsample, "stride")


@describe_layer.register(layers.Dropout)
@describe_layer.register(layers.Droppath)
def _(layer: Layer, shape: Shape) -> tuple[str, dict[str, Any]]:
    return "identity", {}


@describe_layer.register
def _(layer: windows.Conv, shape: Shape) -> tuple[str, dict[str, Any]]:
    return "conv", _sides(layer, shape) | {"groups": layer.groups}


@describe_layer.register
def _(layer: windows.Whiten, shape: Shape) -> tuple[str, dict[str, Any]]:
    return "conv", _sides(layer, shape) | {"groups": 1}


@describe_layer.register
def _(layer: windows.Pool, shape: Shape) -> tuple[str, dict[str, Any]]:
    return layer.word, _sides(layer, shape)


def _sides(layer: windows.Window, shape: Shape) -> dict[str, Any]:
    dilation = layer.geometry()[2]
    axes: tuple[Axis, Axis] = layer.axes(shape)
    rows, columns = ([axis.size, axis.stride, axis.before, side(dilation, i)] for i, axis in enumerate(axes))
    return {"rows": rows, "columns": columns}


def net_steps(module: NetModule) -> list[WalkStep]:
    """Return the steps of a net; auxiliary heads, which predict nothing, are left off."""
    steps: list[WalkStep] = []
    numbers = {INPUT: INPUT}
    for i, node in enumerate(module.graph.nodes):
        if not node.head:
            numbers[i] = len(steps)
            steps.append(_step(node, module.layer(node.path), tuple(numbers[j] for j in node.inputs)))
    return steps


def _step(node: Node, layer: nn.Module, inputs: tuple[int, ...]) -> WalkStep:
    kind, settings = describe_layer(node.layer, node.in_shapes[0])
    tensors = {
        name: value.detach().float().cpu().contiguous().numpy().ravel()
        for name, value in layer.state_dict().items()
        if value.dtype in _NUMBERS
    }
    written, shape = node.written, node.in_shapes[0]
    joins = isinstance(node.layer, structure.Merge)
    told = ("", "") if joins else (written.formula(shape), written.note(shape))
    return WalkStep(node.path, str(written), kind, settings, inputs, node.in_shapes, node.shape, tensors, *told)


def model_steps(model: Classifier) -> list[WalkStep]:
    """Return the steps of a classifier, from the normalised picture to the logits.

    Raises:
        ArgumentError: it is nothing that can be walked layer by layer; the message says what can.
    """
    module = model.module
    if isinstance(module, NetModule):
        if len(module.input_shape) != 3:
            raise ArgumentError(f"a walkthrough needs a net of images; got one of {module.input_shape} numbers")
        return net_steps(module)
    walkable = isinstance(module, FittedModule) and isinstance(module.head, Linear)
    if isinstance(module, FittedModule) and walkable and isinstance(module.body, NetModule | None):
        return _fitted_steps(module, model.preprocessing.input_shape)
    raise ArgumentError(
        f"a walkthrough goes through the layers of a net of Striate's, or through a linear classifier on pixels or on "
        f"the features of such a net; this model is {model.net}, which has no such layers. "
        "striate explain MODEL IMAGE shows what it looks at"
    )


def _fitted_steps(module: FittedModule, input_shape: Shape) -> list[WalkStep]:
    """Return the steps of a linear head on features: those of the body that it needs, the choice of features, fc."""
    steps, source = _body_steps(module.body) if isinstance(module.body, NetModule) else ([], INPUT)
    shape = input_shape if source == INPUT else steps[source].shape
    head, chosen = module.head, module.selection
    picked = {"columns": chosen.columns, "mean": chosen.mean, "scale": chosen.scale}
    count, known = len(chosen.columns), len(module.present)
    said = "(feature − mean) / scale, of the training images; features that never change are left out"
    steps.append(_made("select", "choose and scale features", {}, source, shape, (count,), picked, said))
    linear = {"weight": head.weight, "bias": head.bias}
    steps.append(_made("fc", f"fc({known})", {}, len(steps) - 1, (count,), (known,), linear))
    if known < module.classes:
        least = {"least": math.log(LEAST_PROBABILITY)}
        present, last = {"present": module.present}, len(steps) - 1
        said = "classes without training images are as good as impossible"
        steps.append(_made("spread", "all classes", least, last, (known,), (module.classes,), present, said))
    return steps


def _made(
    kind: str, layer: str, settings: dict[str, Any], source: int, given: Shape, shape: Shape, tensors: Any,
    note: str = "",
) -> WalkStep:  # fmt: skip
    arrays = {name: value.detach().float().cpu().numpy().ravel() for name, value in tensors.items()}
    return WalkStep(kind, layer, kind, settings, (source,), (given,), shape, arrays, note=note)


def _body_steps(body: NetModule) -> tuple[list[WalkStep], int]:
    """Return the steps that make a body's features, and the number of that which holds them."""
    steps = net_steps(body)
    fcs = [i for i, step in enumerate(steps) if step.kind == "fc"]
    source = steps[fcs[-1]].inputs[0] if fcs else len(steps) - 1
    return steps[: source + 1], source
