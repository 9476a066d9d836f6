"""The recipe's dropout rate, put into a net."""

from __future__ import annotations

import dataclasses
from typing import Any

from striate.nets import Net
from striate.nets.layers import Dropout, Fc, Layer
from striate.nets.structure import Chain, layers


def with_dropout(net: Net, rate: float) -> Net:
    """Return `net` with every dropout at `rate`; a net that has none gets one before its last fc.

    >>> from striate.nets import parse
    >>> print(with_dropout(parse("fc(50) relu fc(10)"), 0.2))
    fc(50) relu dropout(0.2) fc(10)
    >>> print(with_dropout(parse("[fc(50) relu dropout(0.1)]*5 fc(10)"), 0.2))
    [fc(50) relu dropout(0.2)]*5 fc(10)
    """
    if any(isinstance(layer, Dropout) for layer in layers(net.chain)):
        return Net(_changed(net.chain, rate))
    items = net.chain.items
    last = max((i for i, item in enumerate(items) if isinstance(item, Fc)), default=None)
    if last is None:
        return net
    return Net(Chain((*items[:last], Dropout(rate), *items[last:])))


def _changed(node: Any, rate: float) -> Any:
    if isinstance(node, Dropout):
        return dataclasses.replace(node, p=rate)
    if isinstance(node, tuple):
        return tuple(_changed(one, rate) for one in node)
    if isinstance(node, Layer) or not dataclasses.is_dataclass(node) or isinstance(node, type):
        return node
    entries = {entry.name: _changed(getattr(node, entry.name), rate) for entry in dataclasses.fields(node)}
    return dataclasses.replace(node, **entries)
