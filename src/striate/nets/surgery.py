"""Taps: a net that shows what its later parts see, and not only its last layer.

Features for a new task lie in the last layer only if the task is like the one that the net has learned (U. Evci et al.,
"Head2Toe", 2022). The tapped net is a sentence like any other, so that it is saved and computed as one:

    a b c globalavg fc(10)  →  a concat(globalavg | b concat(globalavg | c globalavg)) fc(10)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from striate.errors import ArgumentError
from striate.nets.graph import make_plan
from striate.nets.layers import Activation, Dropout, Fc, Flatten, Layer, Shape
from striate.nets.net import Net
from striate.nets.structure import Aux, Chain, Concat, Node, Part, Repeat, layers
from striate.nets.windows import Conv, Globalavg

MOST_TAPS = 10


def with_taps(net: Net, input_shape: Shape) -> Net:
    """Return the net with a last fc layer that also gets the channel means of the parts before.

    What it would have got alone comes last. All other parameters are the same in the same order; what stands behind
    that layer is left off.

    Arguments:
        net: a net with an fc layer; another, or one with taps, is returned as it is.
        input_shape: (c, h, w) of the images.

    >>> from striate.nets import parse
    >>> print(with_taps(parse("conv(8, 3) relu conv(16, 3) relu globalavg fc(10)"), (3, 8, 8)))
    conv(8, 3) relu concat(globalavg | conv(16, 3) relu globalavg) fc(10)
    """
    parts = _divided(net.chain.items)
    if parts is None or _is_tapped(parts[0]):
        return net
    trunk, last = parts
    shape = _shape(trunk, input_shape)
    pooled = shape[1:] == (1, 1)
    if len(shape) == 3 and not pooled:
        trunk = (*trunk, Flatten())
    tap = Chain((Globalavg(),) if pooled else (Globalavg(), Flatten()))
    places = [
        i
        for i in range(1, len(trunk))
        if _worth_a_tap(trunk[i - 1], trunk[i:]) and len(shape := _shape(trunk[:i], input_shape)) == 3 and shape[1] > 1
    ]
    for place in reversed(places[-MOST_TAPS:]):
        trunk = (*trunk[:place], Concat((tap, Chain(trunk[place:]))))
    return Net(Chain((*trunk, last)))


def _divided(items: Sequence[Node]) -> tuple[tuple[Node, ...], Fc] | None:
    """Return what comes before the last fc layer, and that; None if none is at a place that is run through once."""
    for i in reversed(range(len(items))):
        match items[i]:
            case (Fc() as last) | Part(_, Fc() as last):
                return tuple(item for item in items[:i] if not isinstance(item, Dropout)), last
            case Repeat(body, 1) | Part(_, Repeat(body, 1)) if inner := _divided(body.items):
                return (*items[:i], *inner[0]), inner[1]
            case Layer() as layer if not _learns(layer):
                continue
            case _:
                return None
    return None


def _is_tapped(trunk: Sequence[Node]) -> bool:
    match trunk[-1:]:
        case (Concat((Chain((Globalavg(), *_)), _)),):
            return True
    return False


def _worth_a_tap(item: Node, rest: Sequence[Node]) -> bool:
    """Return whether an item ends a thought, and what follows thinks on rather than only pools."""
    return (isinstance(item, Activation) or not isinstance(item, Layer)) and any(
        map(_learns, layers(Chain(tuple(rest))))
    )


def _learns(layer: Layer) -> bool:
    return type(layer).parameters is not Layer.parameters


def _shape(items: Sequence[Node], input_shape: Shape) -> Shape:
    plan = make_plan(Chain(tuple(items)), input_shape)
    return plan.shape(plan.output)


def with_outputs(net: Net, outputs: int) -> Net:
    """Return `net` with so many outputs: its last fc layer, or convolution if it ends in one, is changed.

    Raises:
        ArgumentError: the net has neither.

    >>> from striate.nets import parse
    >>> print(with_outputs(parse("conv(8, 3) relu classifier: [dropout(0.2) fc(1000)]"), 6))
    conv(8, 3) relu classifier: [dropout(0.2) fc(6)]
    """
    changed, found = _changed(net.chain, outputs)
    if not found:
        raise ArgumentError(f"the net must have an fc layer or a convolution to take other classes; got {net}")
    return Net(changed)


def with_new_head(net: Net, outputs: int, input_shape: Shape, head: str) -> Net:
    """Return `net` with so many outputs, whose last fc layer gets what the recipe's `head` says.

    Arguments:
        input_shape: (c, h, w) of the images.
        head: "last" or "parts", as in a recipe.
    """
    return with_outputs(with_taps(net, input_shape) if head == "parts" else net, outputs)


def _changed(node: Any, outputs: int) -> tuple[Any, bool]:
    """Return the node with its last weighted layer changed, and whether it has one."""
    if isinstance(node, Fc):
        return dataclasses.replace(node, units=outputs), True
    if isinstance(node, Conv):
        return dataclasses.replace(node, filters=outputs), True
    if isinstance(node, tuple):
        for i in reversed(range(len(node))):
            item, found = _changed(node[i], outputs)
            if found:
                return (*node[:i], item, *node[i + 1 :]), True
    elif dataclasses.is_dataclass(node) and not isinstance(node, type | Aux):
        for entry in reversed(dataclasses.fields(node)):
            item, found = _changed(getattr(node, entry.name), outputs)
            if found:
                return dataclasses.replace(node, **{entry.name: item}), True
    return node, False
