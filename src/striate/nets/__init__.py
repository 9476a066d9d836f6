"""Architectures as values: a sentence becomes a table, a torch module, a NumPy reference and a picture.

Importing this package imports neither torch nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.nets.module import NetModule, auxiliary_loss, make_module
    from striate.nets.net import Net
    from striate.nets.notation import Call, parse, parse_calls
    from striate.nets.reference import Reference
    from striate.nets.spread import Spread, measure_spread
    from striate.nets.table import Table
    from striate.nets.weights import Pretrained, imagenet_classes, load_weights, pretrained
    from striate.nets.zoo import ZOO, Architecture, resolve

_HOMES = {
    "ZOO": "zoo",
    "Architecture": "zoo",
    "Call": "notation",
    "Net": "net",
    "NetModule": "module",
    "Pretrained": "weights",
    "Reference": "reference",
    "Spread": "spread",
    "Table": "table",
    "auxiliary_loss": "module",
    "imagenet_classes": "weights",
    "load_weights": "weights",
    "make_module": "module",
    "measure_spread": "spread",
    "parse": "notation",
    "parse_calls": "notation",
    "pretrained": "weights",
    "resolve": "zoo",
}
__all__ = [
    "ZOO",
    "Architecture",
    "Call",
    "Net",
    "NetModule",
    "Pretrained",
    "Reference",
    "Spread",
    "Table",
    "auxiliary_loss",
    "imagenet_classes",
    "load_weights",
    "make_module",
    "measure_spread",
    "parse",
    "parse_calls",
    "pretrained",
    "resolve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'striate.nets' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"striate.nets.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
