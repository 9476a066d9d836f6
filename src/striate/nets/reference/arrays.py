"""The weights of each layer as NumPy arrays: their shapes and their first values."""

from __future__ import annotations

import math
from functools import singledispatch

import numpy as np

from striate.nets.graph import Graph
from striate.nets.initialisation import choose_rules
from striate.nets.layers import Bn, Fc, Layer, Layerscale, Ln, Shape
from striate.nets.reference.arithmetic import Array
from striate.nets.rules import Rule
from striate.nets.windows import Conv, Whiten


@singledispatch
def starting(layer: Layer, shape: Shape) -> dict[str, Array]:
    """Return a layer's arrays for an input of `shape`, before random weights are drawn."""
    return {}


@starting.register
def _(layer: Conv, shape: Shape) -> dict[str, Array]:
    return {"weight": np.zeros(layer.weights(shape))} | ({"bias": np.zeros(layer.filters)} if layer.bias else {})


@starting.register
def _(layer: Whiten, shape: Shape) -> dict[str, Array]:
    return starting(layer.conv(shape[0]), shape)


@starting.register
def _(layer: Fc, shape: Shape) -> dict[str, Array]:
    weight = {"weight": np.zeros((layer.units, math.prod(shape)))}
    return weight | ({"bias": np.zeros(layer.units)} if layer.bias else {})


@starting.register
def _(layer: Bn, shape: Shape) -> dict[str, Array]:
    zeros, ones = np.zeros(shape[0]), np.ones(shape[0])
    return {"weight": ones, "bias": zeros, "running_mean": zeros.copy(), "running_var": ones.copy()}


@starting.register
def _(layer: Ln, shape: Shape) -> dict[str, Array]:
    return {"weight": np.ones(shape[0]), "bias": np.zeros(shape[0])}


@starting.register
def _(layer: Layerscale, shape: Shape) -> dict[str, Array]:
    return {"weight": np.full((shape[0], *[1] * (len(shape) - 1)), layer.start)}


def initial_weights(graph: Graph, seed: int, init: str | None) -> dict[str, Array]:
    """Return the first weights of every node, "path.weight", "path.bias" and so on → array."""
    generator = np.random.default_rng(seed)
    rules = choose_rules(graph, init)
    weights = {}
    for i, node in enumerate(graph.nodes):
        arrays = starting(node.layer, node.in_shapes[0])
        if i in rules:
            arrays["weight"] = random_weights(
                arrays["weight"].shape, rules[i], generator, getattr(node.layer, "groups", 1)
            )
        weights |= {f"{node.path}.{name}": value for name, value in arrays.items()}
    return weights


def random_weights(shape: tuple[int, ...], rule: Rule, generator: np.random.Generator, groups: int = 1) -> Array:
    """Return weights (k, n_in) or (k, c, h, w) drawn by a rule; `groups` matters to dirac only."""
    fan_in = math.prod(shape[1:])
    match rule.name:
        case "orthogonal":
            return _orthogonal(shape[0], fan_in, generator).reshape(shape)
        case "dirac" if len(shape) == 4:
            return _dirac(shape, generator, groups)
        case _:
            return generator.normal(0, 1, shape) * rule.spread(fan_in)


def _orthogonal(rows: int, columns: int, generator: np.random.Generator) -> Array:
    q, r = np.linalg.qr(generator.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))  # without the signs some rotations would be likelier than others
    return q if rows >= columns else q.T


def _dirac(shape: tuple[int, ...], generator: np.random.Generator, groups: int) -> Array:
    filters, channels, h, w = shape
    bound = math.prod(shape[1:]) ** -0.5
    weight = generator.uniform(-bound, bound, shape)
    each = filters // groups
    for first in range(0, filters, each):
        for i in range(min(each, channels)):
            weight[first + i] = 0
            weight[first + i, i, h // 2, w // 2] = 1
    return weight
