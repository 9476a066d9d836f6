"""Striate: from labelled images to a classifier that its user can trust.

Names load on first use, so that `import striate` is quick and imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.classifier import Classifier, Prediction
    from striate.data.catalog import Catalog
    from striate.data.imageset import ImageSet
    from striate.data.preparing import prepare
    from striate.data.reading import read
    from striate.errors import StriateError
    from striate.estimator import ImageClassifier
    from striate.metrics import Evaluation
    from striate.nets import Net, Table, make_module, parse, resolve
    from striate.pipeline import train
    from striate.pretrained import load_model, load_pretrained
    from striate.selection.choosing import fit
    from striate.training.recipe import Recipe

__version__ = "0.1.0"

__all__ = [
    "Catalog",
    "Classifier",
    "Evaluation",
    "ImageClassifier",
    "ImageSet",
    "Net",
    "Prediction",
    "Recipe",
    "StriateError",
    "Table",
    "fit",
    "load_model",
    "load_pretrained",
    "make_module",
    "parse",
    "prepare",
    "read",
    "resolve",
    "train",
]

_HOMES = {
    "Catalog": "data.catalog",
    "Classifier": "classifier",
    "Evaluation": "metrics",
    "ImageClassifier": "estimator",
    "ImageSet": "data.imageset",
    "Net": "nets",
    "Prediction": "classifier",
    "Recipe": "training.recipe",
    "StriateError": "errors",
    "Table": "nets",
    "fit": "selection.choosing",
    "load_model": "pretrained",
    "load_pretrained": "pretrained",
    "make_module": "nets",
    "parse": "nets",
    "prepare": "data.preparing",
    "read": "data.reading",
    "resolve": "nets",
    "train": "pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"striate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
