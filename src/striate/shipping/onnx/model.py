"""A classifier as one ONNX model: uint8 images of any size in, calibrated probabilities out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.heads.head import LEAST_PROBABILITY
from striate.classifier.novelty.detectors import sources_of
from striate.classifier.outputs import MOST_LAST, seen_paths
from striate.classifier.views import Views, view_count
from striate.errors import ArgumentError
from striate.nets import NetModule
from striate.nets.graph import INPUT, Graph
from striate.nets.modules.timm_models import TimmModule
from striate.shipping.onnx.appearance import emit_appearance
from striate.shipping.onnx.builder import GraphBuilder
from striate.shipping.onnx.heads import emit_head
from striate.shipping.onnx.layers import array, emit_linear
from striate.shipping.onnx.metadata import describe_export
from striate.shipping.onnx.modules import emit_traced
from striate.shipping.onnx.nets import emit_net
from striate.shipping.onnx.novelty import emit_novelty
from striate.shipping.onnx.resizing import emit_fit

# Names in the graph.
IMAGES, PROBABILITIES, KNOWN, SCORE = "images", "probabilities", "known", "score"
# What the quantisation may touch begins with this.
NET = "net"


@dataclass(frozen=True)
class Made:
    """What a module makes in the graph, parts behind each other: its logits, and how to see more.

    The parts are of the views, first the images themselves; of a head on features of the images and of all views.
    """

    logits: str
    seen: dict[str, Callable[[], str]]
    by_means: bool = False


def make_onnx(classifier: Classifier) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return a classifier as an ONNX model, and what must be said of it.

    Input `images`, uint8 (n, h, w, c) of any size, gray or RGB where the model looks at either; outputs
    `probabilities` float32 (n, k), and where the model can tell, `known` bool (n,) and `score` float32 (n,).

    Raises:
        ArgumentError: a part of it has no counterpart in ONNX; the message names it.
    """
    if not classifier.classes:
        raise ArgumentError(
            f"{classifier.net} has weights without classes; train or fit a head first, then export that"
        )
    b, shape, notes = GraphBuilder(), classifier.preprocessing, []
    with b.scope("fit"):
        pixels = emit_fit(b, IMAGES, shape)
    with b.scope("views"):
        views = _views(b, pixels, classifier.views, shape.size)
        mean = shape.mean.reshape(1, shape.channels, *(shape.mean.shape[1:] or (1, 1)))
        normal = b.op("Div", b.op("Sub", views, b.constant(mean)), b.constant(shape.std.reshape(1, -1, 1, 1)))
    with b.scope(NET):
        made = _emit_module(b, classifier.module, normal, shape.input_shape, classifier.views)
    count = 2 if made.by_means else view_count(classifier.views)
    if made.by_means:
        alone, logits = b.ops("Split", made.logits, outputs=2, axis=0, num_outputs=2)
    else:
        logits, alone = _averaged(b, made.logits, classifier.views)
    named = {PROBABILITIES: b.op("Softmax", _over(b, logits, classifier.trust.temperature), axis=1)}
    if novelty := classifier.trust.novelty:
        sights = {"appearance": lambda: emit_appearance(b, pixels, shape.input_shape)}
        sights |= {name: lambda see=see: _first(b, see(), count) for name, see in made.seen.items()}
        if missing := sources_of(novelty.detectors) - sights.keys():
            notes.append(f"none of these is left out: nobody knows where {min(missing)} is in {classifier.net}")
        else:
            named[SCORE], named[KNOWN] = emit_novelty(b, novelty, cache(lambda name: sights[name]()), alone)
    if shape.window is not None:
        notes.append(
            "the graph takes images of 8 bits: bring deeper ones to 0 … 255 by the window in its metadata, as the "
            "training did"
        )
    return _model(b, classifier, named), tuple(notes)


def _model(b: GraphBuilder, classifier: Classifier, named: dict[str, str]) -> onnx.ModelProto:
    channels: Any = "channels" if classifier.preprocessing.channels in (1, 3) else classifier.preprocessing.channels
    kinds = {
        PROBABILITIES: (TensorProto.FLOAT, ["n", len(classifier.classes)]),
        SCORE: (TensorProto.FLOAT, ["n"]),
        KNOWN: (TensorProto.BOOL, ["n"]),
    }
    outputs = []
    for name, value in named.items():
        b.nodes.append(helper.make_node("Identity", [value], [name], name=name))
        outputs.append(helper.make_tensor_value_info(name, *kinds[name]))
    images = helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["n", "height", "width", channels])
    return b.model([images], outputs, describe_export(classifier, tuple(named)))


def _views(b: GraphBuilder, pixels: str, views: Views, size: tuple[int, int]) -> str:
    """Return the views of images behind each other, first the images themselves, (v · n, c, h, w)."""
    if views == "none":
        return pixels

    def mirrored(value: str) -> str:
        return b.slice(value, 3, -1, -(2**31), -1)

    if views == "turns":
        return b.op("Concat", *_turned(b, pixels), axis=0)
    seen = [pixels, mirrored(pixels)]
    if views == "mirror-shift":
        down, right = (min(1, side - 1) for side in size)
        padded = b.op("Pad", pixels, b.ints(0, 0, down, right, 0, 0, down, right), mode="reflect")
        for by in (-1, 1):
            top, left = down * (1 + by), right * (1 + by)
            moved = b.slice(b.slice(padded, 2, top, top + size[0]), 3, left, left + size[1])
            seen += [moved, mirrored(moved)]
    return b.op("Concat", *seen, axis=0)


def _turned(b: GraphBuilder, pixels: str) -> list[str]:
    """Return square images turned by none, one, two and three quarters, as torch's `rot90` does."""

    def flipped(value: str, axis: int) -> str:
        return b.slice(value, axis, -1, -(2**31), -1)

    across, down = flipped(pixels, 3), flipped(pixels, 2)
    once, thrice = (b.op("Transpose", value, perm=[0, 1, 3, 2]) for value in (across, down))
    return [pixels, once, flipped(across, 2), thrice]


def _averaged(b: GraphBuilder, logits: str, views: Views) -> tuple[str, str]:
    """Return the logits averaged over the views, and those of the images alone."""
    if views == "none":
        return logits, logits
    count = view_count(views)
    apart = b.op("Reshape", logits, b.op("Concat", b.ints(count, -1), b.op("Shape", logits, start=1), axis=0))
    weights = np.full(count, 1 / count, np.float32)
    if views == "mirror-shift":
        weights[:] = [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    total = b.reduce("Sum", b.op("Mul", apart, b.constant(weights[:, None, None])), 0)
    return total, _first(b, logits, count)


def _first(b: GraphBuilder, values: str, count: int) -> str:
    """Return what belongs to the images alone, the first of `count` parts."""
    return values if count == 1 else b.ops("Split", values, outputs=count, axis=0, num_outputs=count)[0]


def _over(b: GraphBuilder, logits: str, temperature: float) -> str:
    return logits if temperature == 1 else b.op("Div", logits, b.constant(temperature))


def _emit_module(b: GraphBuilder, module: Any, images: str, input_shape: tuple[int, int, int], views: Views) -> Made:
    if isinstance(module, NetModule):
        return _emit_seeing_net(b, module, images)
    if isinstance(module, TimmModule):
        embedded = emit_traced(b, module.body, images, input_shape)
        return Made(emit_linear(b, embedded, module.head), {"last": lambda: embedded})
    if isinstance(module, FittedModule):
        return _emit_fitted(b, module, images, input_shape, views)
    return Made(emit_traced(b, module, images, input_shape), {})


def _emit_seeing_net(b: GraphBuilder, module: NetModule, images: str) -> Made:
    graph = module.graph
    last, maps = seen_paths(graph)
    output = graph.output
    taps = [graph.number(path) for path in ([last] if last else []) + maps]
    values = emit_net(b, module, images, [output, *taps])
    seen: dict[str, Callable[[], str]] = {}
    if last:
        number = graph.number(last)
        seen["last"] = lambda: _flattened(b, values[number], graph.shape(number), MOST_LAST)
    if maps:
        seen["layers"] = lambda: b.op("Concat", *(_moments(b, values[graph.number(path)]) for path in maps), axis=1)
    return Made(values[output], seen)


def _flattened(b: GraphBuilder, value: str, shape: tuple[int, ...], most: float = math.inf) -> str:
    if len(shape) == 3 and math.prod(shape) > most:
        return b.reduce("Mean", value, 2, 3)
    return b.op("Flatten", value, axis=1)


def _moments(b: GraphBuilder, maps: str) -> str:
    mean = b.reduce("Mean", maps, 2, 3, keep=True)
    away = b.op("Sub", maps, mean)
    spread = b.op("Sqrt", b.reduce("Mean", b.op("Mul", away, away), 2, 3, keep=True))
    return b.op("Flatten", b.op("Concat", mean, spread, axis=1), axis=1)


def _emit_fitted(
    b: GraphBuilder, module: FittedModule, images: str, input_shape: tuple[int, int, int], views: Views
) -> Made:
    embedded, by_means = _features(b, module.body, images, input_shape), module.averages and views != "none"
    if by_means:
        mean, alone = _averaged(b, embedded, views)
        embedded = b.op("Concat", alone, mean, axis=0)
    selection = module.selection
    columns, mean, scale = (array(getattr(selection, name)) for name in ("columns", "mean", "scale"))
    selected = embedded
    if not (len(columns) and (columns == np.arange(len(columns))).all() and not mean.any() and (scale == 1).all()):
        chosen = b.op("Gather", embedded, b.constant(columns, np.int64), axis=1)
        selected = b.op("Div", b.op("Sub", chosen, b.constant(mean)), b.constant(scale))
    known = emit_head(module.head, b, selected)
    if len(module.present) < module.classes:
        least = b.constant(np.full((1, 1), math.log(LEAST_PROBABILITY)))
        places = np.full(module.classes, len(module.present))
        places[array(module.present)] = np.arange(len(module.present))
        count = b.op("Shape", known, end=1)
        spare = b.op("Expand", least, b.op("Concat", count, b.ints(1), axis=0))
        known = b.op("Gather", b.op("Concat", known, spare, axis=1), b.constant(places, np.int64), axis=1)
    return Made(known, {"last": lambda: selected} if module.body is not None else {}, by_means)


def _features(b: GraphBuilder, body: Any, images: str, input_shape: tuple[int, int, int]) -> str:
    """Add what `features_of` computes."""
    if body is None:
        return b.op("Flatten", images, axis=1)
    if isinstance(body, TimmModule):
        return emit_traced(b, body.body, images, input_shape)
    if not isinstance(body, NetModule):
        raise ArgumentError(f"features of {type(body).__name__} cannot be exported; those of a net can")
    graph: Graph = body.graph
    fcs = [node for node in graph.nodes if node.layer.word == "fc" and not node.head]
    source = fcs[-1].inputs[0] if fcs else graph.output
    return _flattened(b, emit_net(b, body, images, [source])[source], graph.shape(source)) if source != INPUT else (
        b.op("Flatten", images, axis=1)
    )  # fmt: skip
