"""Architectures as values: a sentence becomes a table, a torch module, a NumPy reference and a picture.

Importing this package imports neither torch nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.nets.modules.module import NetModule, auxiliary_loss, make_module
    from striate.nets.modules.spread import Spread, measure_spread
    from striate.nets.modules.weights import Pretrained, imagenet_classes, load_weights, pretrained
    from striate.nets.net import Net
    from striate.nets.notation import Call, parse, parse_calls
    from striate.nets.reference.reference import Reference
    from striate.nets.table import Table
    from striate.nets.zoo import ZOO, Architecture, resolve

_HOMES = {
    "ZOO": "zoo",
    "Architecture": "zoo",
    "Call": "notation",
    "Net": "net",
    "NetModule": "modules.module",
    "Pretrained": "modules.weights",
    "Reference": "reference.reference",
    "Spread": "modules.spread",
    "Table": "table",
    "auxiliary_loss": "modules.module",
    "imagenet_classes": "modules.weights",
    "load_weights": "modules.weights",
    "make_module": "modules.module",
    "measure_spread": "modules.spread",
    "parse": "notation",
    "parse_calls": "notation",
    "pretrained": "modules.weights",
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
