"""Surgery: nets changed for a new task. They get other outputs, another dropout rate, or taps.

What comes out is a sentence like any other, so that it is saved and computed as one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from striate.errors import ArgumentError
from striate.nets.graph import make_graph
from striate.nets.layers import Activation, Dropout, Fc, Flatten, Layer, Shape
from striate.nets.net import Net
from striate.nets.structure import Aux, Chain, Concat, HasChain, Item, Part, Repeat, layers
from striate.nets.taps import is_tap
from striate.nets.windows import Conv, Globalavg

MOST_TAPS = 10


def with_new_head(net: HasChain, outputs: int, input_shape: Shape, head: str) -> Net:
    """Return `net` with so many outputs, whose last fc layer gets what the recipe's `head` says.

    Arguments:
        input_shape: (c, h, w) of the images.
        head: "last" or "parts", as in a recipe.
    """
    return with_outputs(with_taps(net, input_shape) if head == "parts" else net, outputs)


def with_outputs(net: HasChain, outputs: int) -> Net:
    """Return `net` with so many outputs: its last fc layer, or convolution if it ends in one, is changed.

    Raises:
        ArgumentError: the net has neither.

    >>> from striate.nets import parse
    >>> print(with_outputs(parse("conv(8, 3) relu classifier: [dropout(0.2) fc(1000)]"), 6))
    conv(8, 3) relu classifier: [dropout(0.2) fc(6)]
    """
    found = False

    def change(layer: Layer) -> Layer:
        nonlocal found
        if found or not isinstance(layer, Fc | Conv):
            return layer
        found = True
        return dataclasses.replace(layer, **{"units" if isinstance(layer, Fc) else "filters": outputs})

    changed = _mapped(net.chain, change, leave=Aux)
    if not found:
        raise ArgumentError(f"the net must have an fc layer or a convolution to take other classes; got {net.chain}")
    return Net(changed)


def with_dropout(net: HasChain, rate: float) -> Net:
    """Return `net` with every dropout at `rate`; a net that has none gets one before its last fc.

    >>> from striate.nets import parse
    >>> print(with_dropout(parse("fc(50) relu fc(10)"), 0.2))
    fc(50) relu dropout(0.2) fc(10)
    >>> print(with_dropout(parse("[fc(50) relu dropout(0.1)]*5 fc(10)"), 0.2))
    [fc(50) relu dropout(0.2)]*5 fc(10)
    """
    if any(isinstance(layer, Dropout) for layer in layers(net.chain)):
        return Net(_mapped(net.chain, lambda layer: Dropout(rate) if isinstance(layer, Dropout) else layer))
    items = net.chain.items
    last = max((i for i, item in enumerate(items) if isinstance(item, Fc)), default=None)
    if last is None:
        return Net(net.chain)
    return Net(Chain((*items[:last], Dropout(rate), *items[last:])))


def _mapped(item: Any, change: Callable[[Layer], Layer], leave: type | tuple[()] = ()) -> Any:
    """Return an item with each layer in it as `change` gives it back, the last layer asked first.

    Items of the kind `leave` stay as they are.
    """
    if isinstance(item, leave):
        return item
    if isinstance(item, Layer):
        return change(item)
    if isinstance(item, tuple):
        return tuple(_mapped(one, change, leave) for one in reversed(item))[::-1]
    if not dataclasses.is_dataclass(item) or isinstance(item, type):
        return item
    parts = {f.name: _mapped(getattr(item, f.name), change, leave) for f in reversed(dataclasses.fields(item))}
    return dataclasses.replace(item, **parts)


def with_taps(net: HasChain, input_shape: Shape) -> Net:
    """Return the net with a last fc layer that also gets the channel means of the parts before.

    Features for a new task lie in the last layer only if the task is like the one that the net has learned. `a b c` are
    parts here: `a b c globalavg fc(10)` → `a concat(globalavg | b concat(globalavg | c globalavg)) fc(10)`.
    What the layer would have got alone comes last. All other parameters are the same in the same order; what stands
    behind that layer is left off.

    Arguments:
        net: a net with an fc layer; another, or one with taps, is returned as it is.
        input_shape: (c, h, w) of the images.

    Source: U. Evci et al., "Head2Toe", 2022.

    >>> from striate.nets import parse
    >>> print(with_taps(parse("conv(8, 3) relu conv(16, 3) relu globalavg fc(10)"), (3, 8, 8)))
    conv(8, 3) relu concat(globalavg | conv(16, 3) relu globalavg) fc(10)
    """
    parts = _divided(net.chain.items)
    if parts is None or _is_tapped(parts[0]):
        return Net(net.chain)
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


def _divided(items: Sequence[Item]) -> tuple[tuple[Item, ...], Fc] | None:
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


def _is_tapped(trunk: Sequence[Item]) -> bool:
    return bool(trunk) and is_tap(trunk[-1])


def _worth_a_tap(item: Item, rest: Sequence[Item]) -> bool:
    """Return whether an item ends a thought, and what follows thinks on rather than only pools."""
    return (isinstance(item, Activation) or not isinstance(item, Layer)) and any(
        map(_learns, layers(Chain(tuple(rest))))
    )


def _learns(layer: Layer) -> bool:
    return type(layer).parameters is not Layer.parameters


def _shape(items: Sequence[Item], input_shape: Shape) -> Shape:
    graph = make_graph(Chain(tuple(items)), input_shape)
    return graph.shape(graph.output)
