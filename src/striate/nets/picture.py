"""A picture of a net as SVG: every layer a block as high as its image and as thick as its channels, branches apart.

Sides are square roots of the true ones, so that 3 and 4,096 channels fit on one page. Blocks that repeat without a
change of shape are drawn once, with their number.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, replace
from functools import singledispatch

from striate.nets import layers as flat
from striate.nets.graph import Graph, make_graph
from striate.nets.layers import Layer, Shape, say
from striate.nets.structure import Add, Aux, Chain, Concat, Gate, Item, Join, Multiply, Part, Repeat, Residual
from striate.nets.windows import Avgpool, Globalavg, Pool, Window

QUIET = (
    flat.Activation,
    flat.Bn,
    flat.Dropout,
    flat.Droppath,
    flat.Flatten,
    flat.Layerscale,
    flat.Ln,
    flat.Lrn,
    flat.Scale,
    flat.Softmax,
)
COLOURS = {"window": "#5b8def", "pool": "#f0a04b", "fc": "#57b894", "other": "#a8a8b3"}
HIGHEST, THICKEST = 120.0, 56.0
LETTER, GAP, LANE, ROW = 5.6, 16.0, 14.0, 22.0
LINE = 'fill="none" stroke="currentColor" stroke-opacity="0.45"'


@dataclass(frozen=True)
class Drawing:
    """Something drawn on an axis from (0, 0) to (width, 0), reaching `up` above it and `down` below."""

    width: float
    up: float
    down: float
    body: str

    def at(self, x: float, y: float) -> str:
        """Return the SVG group with its axis at a place."""
        return f'<g transform="translate({x:.1f} {y:.1f})">{self.body}</g>'


@dataclass(frozen=True)
class Size:
    """The largest image side, channels and units of a net, by which blocks are scaled."""

    side: int
    channels: int

    def block(self, shape: Shape) -> tuple[float, float]:
        """Return how high and how thick a block is drawn."""
        if len(shape) == 1:
            return max(14.0, HIGHEST * math.sqrt(min(1.0, shape[0] / self.channels))), 8.0
        high = max(8.0, HIGHEST * math.sqrt(max(shape[1:]) / self.side))
        return high, max(4.0, THICKEST * math.sqrt(shape[0] / self.channels))


def draw(chain: Chain, graph: Graph, width: float | None = None) -> str:
    """Return the SVG text of a net's picture; `graph` is the chain unrolled for the images to be shown.

    Arguments:
        width: past this many pixels the picture goes on in another row, where its parts allow; None is one row.

    >>> from striate.nets import parse
    >>> parse("conv(8, 3) relu fc(2)").svg((3, 16, 16)).startswith("<svg")
    True
    """
    shapes = [graph.input_shape, *(node.shape for node in graph.nodes)]
    side = max((max(shape[1:]) for shape in shapes if len(shape) == 3), default=1)
    size = Size(side, max(shape[0] for shape in shapes))
    entry = block("input", say(graph.input_shape), "input", graph.input_shape, size, "other")
    drawing = in_rows([entry, *sketch_chain(chain, graph.input_shape, size)], math.inf if width is None else width - 20)
    wide, height = drawing.width + 20, drawing.up + drawing.down + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {height:.0f}" width="{wide:.0f}" '
        f'height="{height:.0f}" font-family="system-ui, sans-serif" font-size="10" role="img">'
        f"<title>{html.escape(str(chain))}</title>{drawing.at(10, drawing.up + 10)}</svg>"
    )


def block(name: str, shown: str, title: str, shape: Shape, size: Size, kind: str) -> Drawing:
    """Return a box for one layer: its name below, its output shape above, everything in its tooltip."""
    high, thick = size.block(shape)
    skew = high * 0.25 if len(shape) == 3 else 3.0
    width = max(thick + skew, LETTER * max(len(name), len(shown))) + 4
    x, y, colour = (width - thick - skew) / 2, (high - skew) / 2, COLOURS[kind]
    far, top, foot = x + thick, y - high, y
    face = f'<rect x="{x:.1f}" y="{top:.1f}" width="{thick:.1f}" height="{high:.1f}" fill="{colour}"/>'
    lid = f"{x:.1f},{top:.1f} {x + skew:.1f},{top - skew:.1f} {far + skew:.1f},{top - skew:.1f} {far:.1f},{top:.1f}"
    side = (
        f"{far:.1f},{top:.1f} {far + skew:.1f},{top - skew:.1f} {far + skew:.1f},{foot - skew:.1f} {far:.1f},{foot:.1f}"
    )
    body = (
        f'<path d="M0 0H{x:.1f}M{far + skew:.1f} 0H{width:.1f}" {LINE}/><g stroke="#fff" stroke-width="0.5">'
        f"<title>{html.escape(title)}</title>{face}"
        f'<polygon points="{lid}" fill="{colour}" fill-opacity="0.6"/>'
        f'<polygon points="{side}" fill="{colour}" fill-opacity="0.8"/></g>'
        f"{text(width / 2, foot + 12, name)}{text(width / 2, top - skew - 5, shown, 0.6)}"
    )
    return Drawing(width, -top + skew + 16, foot + 18, body)


def text(x: float, y: float, words: str, opacity: float = 1.0) -> str:
    """Return centred words."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="currentColor" fill-opacity="{opacity}">'
        f"{html.escape(words)}</text>"
    )


def in_a_row(drawings: list[Drawing]) -> Drawing:
    """Return drawings one after another, joined by lines."""
    x, parts = 0.0, []
    for i, each in enumerate(drawings):
        if i:
            parts.append(f'<line x1="{x:.1f}" x2="{x + GAP:.1f}" y1="0" y2="0" {LINE}/>')
            x += GAP
        parts.append(each.at(x, 0))
        x += each.width
    up, down = max((each.up for each in drawings), default=8), max((each.down for each in drawings), default=8)
    return Drawing(x, up, down, "".join(parts))


def in_rows(drawings: list[Drawing], most: float) -> Drawing:
    """Return drawings one after another, in rows of a width of at most `most`; one that is wider has a row alone."""
    rows: list[list[Drawing]] = [[]]
    most -= 2 * GAP  # for what says that a row goes on
    left = most
    for each in drawings:
        if rows[-1] and each.width + GAP > left:
            rows.append([])
            left = most
        rows[-1].append(each)
        left -= each.width + GAP
    joined = [in_a_row(row) for row in rows]
    parts, y, line = [], 0.0, f'y1="0" y2="0" {LINE}/>'
    for i, row in enumerate(joined):
        y += ROW + joined[i - 1].down + row.up if i else 0.0
        goes_on = f'<line x1="{row.width:.1f}" x2="{row.width + GAP:.1f}" stroke-dasharray="2 2" {line}'
        came = f'<line x1="{-GAP:.1f}" x2="0" stroke-dasharray="2 2" {line}'
        ends = (came if i else "") + (goes_on if i < len(joined) - 1 else "")
        parts.append(replace(row, body=row.body + ends).at(GAP if len(rows) > 1 else 0.0, y))
    width = max(row.width for row in joined) + (2 * GAP if len(rows) > 1 else 0.0)
    return Drawing(width, joined[0].up, y + joined[-1].down, "".join(parts))


def in_lanes(lanes: list[Drawing], sign: str, name: str) -> Drawing:
    """Return drawings below each other that begin in one point and end in a sign."""
    inner, heights = max(lane.width for lane in lanes), [lane.up + lane.down for lane in lanes]
    total = sum(heights) + LANE * (len(lanes) - 1)
    width, parts, y = inner + 4 * GAP, [], -total / 2
    for lane, height in zip(lanes, heights, strict=True):
        axis = y + lane.up
        left, right = 2 * GAP, 2 * GAP + lane.width
        parts.append(f'<path d="M0 0C{GAP} 0 {GAP / 2} {axis:.1f} {left} {axis:.1f}" {LINE}/>{lane.at(left, axis)}')
        end, bend = width - 8, width - GAP
        turn = f"M{right:.1f} {axis:.1f}H{inner + 2 * GAP:.1f}C{bend:.1f} {axis:.1f} {bend:.1f} 0 {end:.1f} 0"
        parts.append(f'<path d="{turn}" {LINE}/>')
        y += height + LANE
    parts.append(f'<circle cx="{width - 7:.1f}" cy="0" r="7" fill="#fff" stroke="#888"/>')
    parts.append(
        f'<text x="{width - 7:.1f}" y="3.5" text-anchor="middle" fill="#333"><title>{name}</title>{sign}</text>'
    )
    return Drawing(width, total / 2, total / 2, "".join(parts))


def framed(drawing: Drawing, label: str) -> Drawing:
    """Return a drawing in a frame with a label above."""
    width, up, down = drawing.width + 2 * GAP, drawing.up + 22, drawing.down + 6
    size = f'width="{width - 8:.1f}" height="{up + down - 18:.1f}"'
    frame = f'<rect x="4" y="{-up + 16:.1f}" {size} rx="6" {LINE} stroke-dasharray="3 3"/>'
    line = f'<line x1="0" x2="{width:.1f}" y1="0" y2="0" {LINE}/>'
    words = f'<text x="8" y="{-up + 11:.1f}" fill="currentColor" font-weight="600">{html.escape(label)}</text>'
    return Drawing(width, up, down, frame + line + words + drawing.at(GAP, 0))


def shape_after(chain: Chain, shape: Shape) -> Shape:
    """Return the output shape of a chain."""
    graph = make_graph(chain, shape)
    return graph.shape(graph.output)


def sketch_chain(chain: Chain, shape: Shape, size: Size) -> list[Drawing]:
    """Return the drawings of a chain's items; quiet layers such as ReLU stand in the tooltip of the block before."""
    drawings: list[Drawing] = []
    items = list(chain.items)
    while items:
        item, quiet = _unnamed(items.pop(0)), []
        while items and isinstance(_unnamed(items[0]), QUIET):
            quiet.append(_unnamed(items.pop(0)))
        after = shape_after(Chain((item, *quiet)), shape)
        if isinstance(item, Layer):
            drawings += sketch_layers([item, *quiet], after, size)
        else:
            drawings.append(sketch(item, shape, size))
        shape = after
    return drawings


def _unnamed(item: Item) -> Item:
    """Return the layer of a part that is one layer, which needs no frame."""
    return item.item if isinstance(item, Part) and isinstance(item.item, Layer) else item


def sketch_layers(group: list[Item], shape: Shape, size: Size) -> list[Drawing]:
    """Return the block of a layer with the quiet ones that follow it; none if all are quiet."""
    first = group[0]
    if isinstance(first, QUIET):
        return []
    assert isinstance(first, Layer)
    kind = "pool" if isinstance(first, Pool | Globalavg) else "window" if isinstance(first, Window) else "other"
    kind = "fc" if first.word == "fc" else kind
    name = {"globalavg": "mean", "globalmax": "max"}.get(first.word, first.word)
    if isinstance(first, Window):
        rows, columns = (first.size, first.size) if isinstance(first.size, int) else first.size
        word = "mean" if isinstance(first, Avgpool) else "max" if isinstance(first, Pool) else first.word
        name = f"{word} {rows}×{columns}"
    title = f"{' '.join(str(each) for each in group)} → {say(shape)}"
    return [block(name, say(shape), title, shape, size, kind)]


@singledispatch
def sketch(item: object, shape: Shape, size: Size) -> Drawing:
    """Return the drawing of a structure."""
    raise TypeError(f"cannot draw {item!r}")


@sketch.register
def _(item: Part, shape: Shape, size: Size) -> Drawing:
    inner = item.item.body if isinstance(item.item, Repeat) and item.item.times == 1 else Chain((item.item,))
    return framed(lane(inner, shape, size), item.name)


@sketch.register
def _(item: Repeat, shape: Shape, size: Size) -> Drawing:
    if item.times == 1:
        return lane(item.body, shape, size)
    if shape_after(item.body, shape) == shape:
        return framed(lane(item.body, shape, size), f"×{item.times}")
    copies = []
    for _ in range(item.times):
        copies += sketch_chain(item.body, shape, size)
        shape = shape_after(item.body, shape)
    return in_a_row(copies)


@sketch.register
def _(item: Residual, shape: Shape, size: Size) -> Drawing:
    return in_lanes([lane(item.shortcut, shape, size), lane(item.body, shape, size)], "+", Add.word)


@sketch.register
def _(item: Gate, shape: Shape, size: Size) -> Drawing:
    return in_lanes([lane(Chain(), shape, size), lane(item.body, shape, size)], "×", Multiply.word)


@sketch.register
def _(item: Concat, shape: Shape, size: Size) -> Drawing:
    return in_lanes([lane(branch, shape, size) for branch in item.branches], "⊕", Join.word)


@sketch.register
def _(item: Aux, shape: Shape, size: Size) -> Drawing:
    head = lane(item.body, shape, size)
    drop = head.up + LANE
    words = (
        f'<text x="8" y="{drop + head.down + 10:.1f}" fill="currentColor">auxiliary head, weight {item.weight:g}</text>'
    )
    turn = f'<path d="M0 0C{GAP} 0 0 {drop:.1f} {2 * GAP} {drop:.1f}" {LINE}/>'
    line = f'<line x1="0" x2="{head.width + 2 * GAP:.1f}" y1="0" y2="0" {LINE}/>'
    return Drawing(head.width + 2 * GAP, 8, drop + head.down + 16, line + turn + head.at(2 * GAP, drop) + words)


def lane(chain: Chain, shape: Shape, size: Size) -> Drawing:
    """Return a chain in a row; an empty one, or one of quiet layers only, is a plain line."""
    drawings = sketch_chain(chain, shape, size)
    if drawings:
        return in_a_row(drawings)
    return Drawing(3 * GAP, 8, 8, f'<line x1="0" x2="{3 * GAP}" y1="0" y2="0" {LINE}/>')
