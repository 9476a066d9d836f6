"""Architectures as values: a sentence becomes a table, a torch module, a NumPy reference and a picture.

Importing this package imports neither torch nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.calls import Call, parse_calls
    from striate.nets.modules.module import NetModule, auxiliary_loss, image_loss, make_module
    from striate.nets.modules.spread import Spread, measure_spread
    from striate.nets.modules.weights import Pretrained, imagenet_classes, load_weights, pretrained
    from striate.nets.net import Net
    from striate.nets.notation import parse
    from striate.nets.reference.reference import Reference
    from striate.nets.table import Table
    from striate.nets.zoo import ZOO, Architecture, resolve

_HOMES = {
    "ZOO": "nets.zoo",
    "Architecture": "nets.zoo",
    "Call": "calls",
    "Net": "nets.net",
    "NetModule": "nets.modules.module",
    "Pretrained": "nets.modules.weights",
    "Reference": "nets.reference.reference",
    "Spread": "nets.modules.spread",
    "Table": "nets.table",
    "auxiliary_loss": "nets.modules.module",
    "image_loss": "nets.modules.module",
    "imagenet_classes": "nets.modules.weights",
    "load_weights": "nets.modules.weights",
    "make_module": "nets.modules.module",
    "measure_spread": "nets.modules.spread",
    "parse": "nets.notation",
    "parse_calls": "calls",
    "pretrained": "nets.modules.weights",
    "resolve": "nets.zoo",
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
    "image_loss",
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
    value = getattr(importlib.import_module(f"striate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
