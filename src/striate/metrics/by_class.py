"""Figures that give each class the same say, however few its images are: balanced accuracy, macro F1.

What they are made of grows with the images and the classes, never with the square of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from striate.errors import ArgumentError, unknown
from striate.units import percent

Metric = Literal["accuracy", "balanced-accuracy", "macro-f1"]
METRICS: tuple[Metric, ...] = get_args(Metric)
# A class so many times as frequent as another makes accuracy tell of the frequent ones alone.
UNEVEN = 3


def check_metric(name: str) -> Metric:
    """Return the name of a metric.

    Raises:
        ArgumentError: there is none of that name; the message lists them.
    """
    if name not in METRICS:
        raise ArgumentError(unknown("metric", str(name), METRICS))
    return cast("Metric", name)


def metric_words(metric: Metric) -> str:
    """Return what people call a metric.

    >>> [metric_words(metric) for metric in METRICS]
    ['accuracy', 'balanced accuracy', 'macro F1']
    """
    return metric.replace("-", " ").replace("f1", "F1")


def uneven_line(figures: Any) -> str:
    """Return in words what `ClassCounts.to_json` kept; empty of anything else, as files may hold it.

    >>> uneven_line({"balanced_accuracy": 0.5, "macro_f1": 0.4167}), uneven_line(None)
    ('balanced accuracy 50.00 %, macro F1 41.67 %', '')
    """
    told = [figures.get(name) for name in ("balanced_accuracy", "macro_f1")] if isinstance(figures, dict) else [None]
    if not all(isinstance(one, int | float) and 0 <= one <= 1 for one in told):
        return ""
    return f"balanced accuracy {percent(told[0])}, macro F1 {percent(told[1])}"


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Of each of k classes how many images were told right, are of it, and were taken for it.

    Arguments:
        hits, actual, called: int64 (k,).

    >>> counts = count_classes(np.array([[0, 0, 8], [1, 0, 1], [1, 1, 1]]), classes=3)
    >>> counts.accuracy, counts.balanced_accuracy, counts.uneven
    (0.9, 0.75, True)
    """

    hits: np.ndarray
    actual: np.ndarray
    called: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of the images that were told right, in [0, 1]."""
        return int(self.hits.sum()) / max(1, int(self.actual.sum()))

    @property
    def balanced_accuracy(self) -> float:
        """The mean over the classes that occur of the share of their images that were told right, in [0, 1].

        Source: Brodersen 2010, "The balanced accuracy and its posterior distribution"; scikit-learn's.
        """
        occurs = self.actual > 0
        return float((self.hits[occurs] / self.actual[occurs]).mean()) if occurs.any() else 0.0

    @property
    def macro_f1(self) -> float:
        """The mean over classes of F1 = 2 · hits / (actual + called), in [0, 1]; scikit-learn's.

        A class that does not occur counts, with 0, if any image was taken for it.
        """
        sizes = self.actual + self.called
        return float((2 * self.hits[sizes > 0] / sizes[sizes > 0]).mean()) if sizes.any() else 0.0

    @property
    def uneven(self) -> bool:
        """Whether of the classes that occur one is at least three times as frequent as another."""
        sizes = self.actual[self.actual > 0]
        return len(sizes) > 1 and int(sizes.max()) >= UNEVEN * int(sizes.min())

    def to_json(self) -> dict[str, float]:
        """Return the figures that give each class the same say."""
        return {"balanced_accuracy": self.balanced_accuracy, "macro_f1": self.macro_f1}

    def score(self, metric: Metric) -> float:
        """Return the figure of that name, in [0, 1]."""
        return getattr(self, check_metric(metric).replace("-", "_"))


def count_pairs(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return the cells of a confusion matrix that are not empty, int64 (m, 3): true class, predicted class, images.

    Arguments:
        true, predicted: int64 (n,), 0 … classes − 1.

    >>> count_pairs(np.array([1, 0, 1]), np.array([0, 0, 0]), classes=2).tolist()
    [[0, 0, 1], [1, 0, 2]]
    """
    pairs, counts = np.unique(np.asarray(true) * classes + np.asarray(predicted), return_counts=True)
    return np.stack([pairs // max(1, classes), pairs % max(1, classes), counts], 1).astype(np.int64)


def count_classes(cells: np.ndarray, classes: int) -> ClassCounts:
    """Return what the cells (m, 3) of `count_pairs` say of each class."""
    true, predicted, counts = cells.reshape(-1, 3).T
    parts = ((true[true == predicted], counts[true == predicted]), (true, counts), (predicted, counts))
    return ClassCounts(*(np.bincount(of, much, classes).astype(np.int64) for of, much in parts))


def dense_matrix(cells: np.ndarray, classes: int) -> np.ndarray:
    """Return the confusion matrix (k, k) of cells (m, 3), rows the true class, columns the predicted one."""
    matrix = np.zeros((classes, classes), np.int64)
    matrix[cells[:, 0], cells[:, 1]] = cells[:, 2]
    return matrix


def sparse_cells(matrix: np.ndarray) -> np.ndarray:
    """Return the cells (m, 3) of a confusion matrix (k, k)."""
    true, predicted = np.nonzero(matrix)
    return np.stack([true, predicted, matrix[true, predicted]], 1).astype(np.int64)
