"""Striate: from labelled images to a classifier that its user can trust.

Names load on first use, so that `import striate` is quick and imports no torch; which, once it loads, is told how its
threads shall wait.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from striate.checks.check import check
    from striate.classifier.bulk.batch_predictor import BatchPredictor
    from striate.classifier.classifier import Classifier
    from striate.classifier.prediction import Prediction
    from striate.classifier.pretrained import load_model, load_pretrained
    from striate.data.catalog import Catalog
    from striate.data.imageset import ImageSet
    from striate.data.preparing.prepare import prepare
    from striate.data.reading import read
    from striate.errors import StriateError
    from striate.estimator import ImageClassifier
    from striate.explanation.explain import explain
    from striate.explanation.explanation import Explanation
    from striate.explanation.filters import filter_image
    from striate.explanation.look.look import look
    from striate.explanation.walk.page import write_walkthrough
    from striate.metrics.evaluation import Evaluation
    from striate.nets import Net, Table, make_module, parse, resolve
    from striate.notebook.progress import show_progress
    from striate.selection.fit import fit, train
    from striate.training.recipe import Recipe

from striate.system.waiting import sleep_soon
from striate.version import __version__

sleep_soon()

__all__ = [
    "BatchPredictor",
    "Catalog",
    "Classifier",
    "Evaluation",
    "Explanation",
    "ImageClassifier",
    "ImageSet",
    "Net",
    "Prediction",
    "Recipe",
    "StriateError",
    "Table",
    "__version__",
    "check",
    "explain",
    "filter_image",
    "fit",
    "load_model",
    "load_pretrained",
    "look",
    "make_module",
    "parse",
    "prepare",
    "read",
    "resolve",
    "show_progress",
    "train",
    "write_walkthrough",
]

_HOMES = {
    "BatchPredictor": "classifier.bulk.batch_predictor",
    "Catalog": "data.catalog",
    "Classifier": "classifier.classifier",
    "Evaluation": "metrics.evaluation",
    "Explanation": "explanation.explanation",
    "ImageClassifier": "estimator",
    "ImageSet": "data.imageset",
    "Net": "nets",
    "Prediction": "classifier.prediction",
    "Recipe": "training.recipe",
    "StriateError": "errors",
    "Table": "nets",
    "check": "checks.check",
    "filter_image": "explanation.filters",
    "explain": "explanation.explain",
    "fit": "selection.fit",
    "load_model": "classifier.pretrained",
    "load_pretrained": "classifier.pretrained",
    "look": "explanation.look.look",
    "make_module": "nets",
    "parse": "nets",
    "prepare": "data.preparing.prepare",
    "read": "data.reading",
    "resolve": "nets",
    "show_progress": "notebook.progress",
    "train": "selection.fit",
    "write_walkthrough": "explanation.walk.page",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"striate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
