"""A net unrolled for one input shape: a flat list of nodes, each a layer with the nodes it reads from.

The table, the torch module, the NumPy reference and the picture all walk this list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import singledispatch

from striate.errors import ArgumentError, ShapeError
from striate.nets.layers import Fc, Flatten, Layer, Shape, say
from striate.nets.structure import Add, Aux, Chain, Concat, Gate, Join, Merge, Multiply, Part, Repeat, Residual, Se
from striate.nets.windows import Depthwise, Globalavg, Subsample, Window

INPUT = -1
LARGEST_VOLUME = 2**40


@dataclass(frozen=True)
class Field:
    """What one output value sees of the input: `size` pixels (h, w), `jump` pixels from its neighbour's view."""

    size: tuple[int, int] = (1, 1)
    jump: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Node:
    """One layer at its place.

    `path` names it ("layer1.0.body.2"), `inputs` are the numbers of the nodes it reads (−1: the net's input),
    `head` is 0, or the number of the auxiliary head that it belongs to.
    """

    path: str
    layer: Layer
    written: Layer
    inputs: tuple[int, ...]
    in_shapes: tuple[Shape, ...]
    shape: Shape
    field: Field | None
    head: int = 0

    @property
    def parameters(self) -> int:
        """Return how many numbers this node learns."""
        return self.written.parameters(self.in_shapes[0])

    @property
    def multiply_adds(self) -> int:
        """Return this node's multiply-adds for one image."""
        return self.layer.multiply_adds(self.in_shapes[0])


@dataclass(frozen=True)
class Graph:
    """All nodes in the order of their work; `heads` are the last node and the weight of each auxiliary head."""

    input_shape: Shape
    nodes: tuple[Node, ...]
    output: int
    heads: tuple[tuple[int, float], ...] = ()

    def shape(self, number: int) -> Shape:
        """Return the output shape of a node, or the input's."""
        return self.input_shape if number == INPUT else self.nodes[number].shape

    def number(self, path: str) -> int:
        """Return the number of the node with this path, or of a part's last node."""
        found = [i for i, node in enumerate(self.nodes) if node.path == path or node.path.startswith(f"{path}.")]
        if not found:
            raise ArgumentError(f"no layer has the path {path!r}. Paths: {', '.join(node.path for node in self.nodes)}")
        return found[-1]


def make_graph(chain: Chain, input_shape: Shape) -> Graph:
    """Return a chain unrolled for one input shape (c, h, w) or (k,).

    Raises:
        ShapeError: a layer does not fit; the message names it.
    """
    shape = tuple(input_shape)
    if len(shape) not in (1, 3) or not all(isinstance(side, int) and side > 0 for side in shape):
        raise ShapeError(f"an input shape must be (channels, height, width) or (features,), all from 1; got {shape!r}")
    builder = _Builder(shape)
    output = builder.chain(chain, "", INPUT)
    return Graph(shape, tuple(builder.nodes), output, tuple(builder.heads))


class _Builder:
    def __init__(self, input_shape: Shape) -> None:
        self.input_shape = input_shape
        self.nodes: list[Node] = []
        self.heads: list[tuple[int, float]] = []
        self.head = 0

    def chain(self, chain: Chain, path: str, source: int) -> int:
        for i, item in enumerate(chain.items):
            source = unroll(item, self, _below(path, str(i)), source)
        return source

    def node(self, path: str, layer: Layer, inputs: tuple[int, ...], written: Layer | None = None) -> int:
        shapes = tuple(self.input_shape if i == INPUT else self.nodes[i].shape for i in inputs)
        try:
            shape = layer.merged_shape(shapes) if isinstance(layer, Merge) else layer.output_shape(shapes[0])
        except ShapeError as error:
            raise ShapeError(f"layer {path}: {error}") from None
        if math.prod(shape) > LARGEST_VOLUME:
            raise ShapeError(f"layer {path}: {layer} would give {say(shape)} values an image, too many for any machine")
        fields = [
            Field() if i == INPUT and len(self.input_shape) == 3 else self.nodes[i].field if i != INPUT else None
            for i in inputs
        ]
        made = Node(path, layer, written or layer, inputs, shapes, shape, see(layer, fields, shapes[0]), self.head)
        self.nodes.append(made)
        return len(self.nodes) - 1


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@singledispatch
def unroll(item: object, builder: _Builder, path: str, source: int) -> int:
    """Add an item's nodes to the builder, and return the number of the node that holds its output."""
    raise TypeError(f"not an item: {item!r}")


@unroll.register
def _(item: Layer, builder: _Builder, path: str, source: int) -> int:
    return builder.node(path, item, (source,))


@unroll.register(Depthwise)
def _(item: Depthwise, builder: _Builder, path: str, source: int) -> int:
    shape = builder.input_shape if source == INPUT else builder.nodes[source].shape
    return builder.node(path, item.conv(shape[0]), (source,), item)


@unroll.register
def _(item: Se, builder: _Builder, path: str, source: int) -> int:
    shape = builder.input_shape if source == INPUT else builder.nodes[source].shape
    return unroll(item.gate(shape[0]), builder, path, source)


@unroll.register
def _(item: Part, builder: _Builder, path: str, source: int) -> int:
    above = path.rpartition(".")[0]
    return unroll(item.item, builder, _below(above, item.name), source)


@unroll.register
def _(item: Repeat, builder: _Builder, path: str, source: int) -> int:
    for i in range(item.times):
        source = builder.chain(item.body, path if item.times == 1 else _below(path, str(i)), source)
    return source


@unroll.register
def _(item: Residual, builder: _Builder, path: str, source: int) -> int:
    body = builder.chain(item.body, _below(path, "body"), source)
    shortcut = builder.chain(item.shortcut, _below(path, "shortcut"), source)
    return builder.node(_below(path, "add"), Add(), (body, shortcut))


@unroll.register
def _(item: Concat, builder: _Builder, path: str, source: int) -> int:
    ends = [builder.chain(branch, _below(path, f"branch{i}"), source) for i, branch in enumerate(item.branches)]
    return builder.node(_below(path, "join"), Join(), tuple(ends))


@unroll.register
def _(item: Gate, builder: _Builder, path: str, source: int) -> int:
    body = builder.chain(item.body, _below(path, "body"), source)
    return builder.node(_below(path, "multiply"), Multiply(), (source, body))


@unroll.register
def _(item: Aux, builder: _Builder, path: str, source: int) -> int:
    if builder.head:
        raise ShapeError(f"layer {path}: an auxiliary head stands inside another. Put it into the main chain")
    builder.head = len(builder.heads) + 1
    builder.heads.append((builder.chain(item.body, path, source), item.weight))
    builder.head = 0
    return source


@singledispatch
def see(layer: object, fields: list[Field | None], shape: Shape) -> Field | None:
    """Return what one output value of a layer sees of the net's input; None when it sees everything."""
    if any(field is None for field in fields):
        return None
    known = [field for field in fields if field is not None]
    size = tuple(max(field.size[i] for field in known) for i in range(2))
    return replace(known[0], size=size)


@see.register(Fc)
@see.register(Flatten)
@see.register(Globalavg)
def _(layer: Layer, fields: list[Field | None], shape: Shape) -> Field | None:
    return None


@see.register
def _(layer: Window, fields: list[Field | None], shape: Shape) -> Field | None:
    if fields[0] is None:
        return None
    field, axes = fields[0], layer.axes(shape)
    size = tuple(field.size[i] + (axes[i].reach - 1) * field.jump[i] for i in range(2))
    return Field((size[0], size[1]), (field.jump[0] * axes[0].stride, field.jump[1] * axes[1].stride))


@see.register
def _(layer: Subsample, fields: list[Field | None], shape: Shape) -> Field | None:
    field = fields[0]
    return field and replace(field, jump=(field.jump[0] * layer.stride, field.jump[1] * layer.stride))
