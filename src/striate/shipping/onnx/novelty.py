"""None of these, in ONNX: `striate.classifier.novelty`, the score and whether it is within the limit."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

import numpy as np

from striate.classifier.novelty.detectors import (
    NEIGHBOURS,
    Detector,
    Doubt,
    FeatureSpace,
    NearestDistance,
    Surprise,
)
from striate.classifier.novelty.novelty import Novelty
from striate.shipping.onnx.builder import GraphBuilder
from striate.shipping.onnx.heads import squared_distances_of

# Scores within this share of each other are taken for equal: an image whose own score is among those that it is ranked
# by would else be above or below itself by the last bit.
_NEAR = 1e-5

# The name of what was seen → the name of it in the graph.
Sight = Callable[[str], str]


def emit_novelty(b: GraphBuilder, novelty: Novelty, seen: Sight, logits: str) -> tuple[str, str]:
    """Add the joint score, float32 (n,), and whether images are known, bool (n,); return their names.

    Arguments:
        seen: gives the name of float (n, d) for `appearance`, `last` or `layers`.
        logits: the name of (n, k), of the images alone, before any temperature.
    """
    total = ""
    for i, (detector, ranked) in enumerate(zip(novelty.detectors, novelty.ranked, strict=True)):
        with b.scope(f"novelty.{i}"):
            score = b.op("Reshape", emit_detector(detector, b, seen, logits), b.ints(-1, 1))
            slack = b.op("Add", b.op("Mul", b.op("Abs", score), b.constant(_NEAR)), b.constant(_NEAR / 10))
            below = b.cast(b.op("Less", b.constant(ranked[None]), b.op("Sub", score, slack)))
            above = b.op("Sub", b.constant(len(ranked)), b.reduce("Sum", below, 1))
            share = b.op("Div", b.op("Add", above, b.constant(1)), b.constant(len(ranked) + 1))
            surprise = b.op("Neg", b.op("Log", share))
            total = b.op("Add", total, surprise) if total else surprise
    # float32 and the limit, one of the very scores, may differ in the last place.
    known = b.op("LessOrEqual", total, b.constant(novelty.limit + 1e-5))
    return total, known


@singledispatch
def emit_detector(detector: Detector, b: GraphBuilder, seen: Sight, logits: str) -> str:
    """Add a detector's score and return its name, float32 (n,): larger for stranger images."""
    raise TypeError(f"no counterpart in ONNX for {detector!r}")


@emit_detector.register
def _(detector: Surprise, b: GraphBuilder, seen: Sight, logits: str) -> str:
    return b.op("Neg", b.op("ReduceLogSumExp", logits, b.ints(1), keepdims=0))


@emit_detector.register
def _(detector: Doubt, b: GraphBuilder, seen: Sight, logits: str) -> str:
    most = b.reduce("Max", logits, 1)
    return b.op("Sub", b.op("ReduceLogSumExp", logits, b.ints(1), keepdims=0), most)


@emit_detector.register
def _(detector: NearestDistance, b: GraphBuilder, seen: Sight, logits: str) -> str:
    points = _in_space(b, detector.space, seen(detector.space.source))
    squared = squared_distances_of(b, points, detector.references)
    place = min(NEIGHBOURS, len(detector.references))
    nearest = b.ops("TopK", squared, b.ints(place), outputs=2, axis=1, largest=0)[0]
    return b.op("Sqrt", b.slice(nearest, 1, place - 1, place))


def _in_space(b: GraphBuilder, space: FeatureSpace, values: str) -> str:
    """Add `FeatureSpace.__call__`."""
    if space.unit:
        length = b.op("Sqrt", b.reduce("Sum", b.op("Mul", values, values), 1, keep=True))
        values = b.op("Div", values, b.op("Max", length, b.constant(1e-12)))
    values = b.op("Div", b.op("Sub", values, b.constant(space.mean)), b.constant(space.scale))
    if not space.directions.shape[1]:
        return values
    inside = b.op("MatMul", values, b.cast(b.constant(space.directions, np.float16)))
    lengths = [b.reduce("Sum", b.op("Mul", one, one), 1, keep=True) for one in (values, inside)]
    return b.op("Concat", inside, b.op("Sqrt", b.op("Relu", b.op("Sub", *lengths))), axis=1)
