"""Striate: from labelled images to a classifier that its user can trust.

Names load on first use, so that `import striate` is quick and imports no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Catalog": "striate.data.catalog",
    "Classifier": "striate.classifier",
    "Evaluation": "striate.metrics",
    "ImageClassifier": "striate.estimator",
    "ImageSet": "striate.data.imageset",
    "Net": "striate.nets",
    "Prediction": "striate.classifier",
    "Recipe": "striate.training.recipe",
    "StriateError": "striate.errors",
    "parse": "striate.nets",
    "prepare": "striate.data.preparing",
    "read": "striate.data.reading",
    "train": "striate.pipeline",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
