"""Figures from predictions and labels: accuracy with its interval, per class, the confusion matrix."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.metrics.by_class import ClassCounts, Metric, count_classes, count_pairs, dense_matrix
from striate.metrics.groups import SampleSize, sample_size

# With more classes JSON holds the cells of the confusion matrix that are not empty, not the square of all.
DENSE_CLASSES = 100


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a classifier did on labelled images.

    Arguments:
        classes: (k,) class names.
        cells: int64 (m, 3), what occurred: true class, predicted class, how many images; from `count_pairs`, or of a
            matrix from `sparse_cells`.
        notes: what the reader of the figures must know, such as images that were left out.
        views: over how many views of each image the predictions were averaged.
        alone: the same images judged without their other views; None where there were none.
        sizes: what the images are worth where they come in groups: all of them, then those of each class (1 + k,);
            empty where each stands alone.
        near_copies: images that are near copies of others that were trained on; None where nobody looked.
        without: the same, judged without these; None where there are none, or nothing else.
    """

    classes: tuple[str, ...]
    cells: np.ndarray
    notes: tuple[str, ...] = ()
    views: int = 1
    alone: Evaluation | None = None
    sizes: tuple[SampleSize, ...] = ()
    near_copies: int | None = None
    without: Evaluation | None = None

    @property
    def total(self) -> int:
        """How many images were judged."""
        return int(self.counts.actual.sum())

    @property
    def correct(self) -> int:
        """How many were right."""
        return int(self.counts.hits.sum())

    @property
    def accuracy(self) -> float:
        """correct / total, in [0, 1]."""
        return self.correct / max(1, self.total)

    @property
    def groups(self) -> int:
        """Of how many groups the images are; as many as images where each stands alone."""
        return self._size(0, self.total).groups

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy, counting groups: see `grouped_interval`."""
        return self._size(0, self.total).interval(self.accuracy)

    @property
    def counted(self) -> str:
        """What the interval counts, as " (400 images of 20 groups)"; empty where each image stands alone."""
        grouped = self.groups < self.total
        return f" ({self.total:,} images of {self.groups:,} group{'s' * (self.groups > 1)})" if grouped else ""

    def _size(self, place: int, total: int) -> SampleSize:
        return self.sizes[place] if self.sizes else SampleSize(total, total, float(total))

    @cached_property
    def counts(self) -> ClassCounts:
        """Hits, images and predictions of each class."""
        return count_classes(self.cells, len(self.classes))

    @property
    def confusion(self) -> np.ndarray:
        """The confusion matrix, int64 (k, k), rows the true class, columns the predicted one; made when asked for."""
        return dense_matrix(self.cells, len(self.classes))

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the classes' accuracies, in [0, 1]: each class has the same say."""
        return self.counts.balanced_accuracy

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1, in [0, 1]."""
        return self.counts.macro_f1

    @property
    def uneven(self) -> bool:
        """Whether a class is at least three times as frequent as another: accuracy alone then says little."""
        return self.counts.uneven

    def score(self, metric: Metric) -> float:
        """Return the figure to choose by: accuracy, balanced-accuracy or macro-f1, in [0, 1]."""
        return self.counts.score(metric)

    def per_class(self) -> list[dict[str, Any]]:
        """Return for each class its images, how many were found (recall) and how many so called are (precision)."""
        rows, counts = [], self.counts
        for index, name in enumerate(self.classes):
            hits, actual, called = (int(of[index]) for of in (counts.hits, counts.actual, counts.called))
            rows.append(
                {
                    "class": name,
                    "correct": hits,
                    "total": actual,
                    "accuracy": hits / actual if actual else None,
                    "interval": list(self._size(1 + index, actual).interval(hits / max(1, actual))),
                    "groups": self._size(1 + index, actual).groups,
                    "precision": hits / called if called else None,
                }
            )
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "accuracy": self.accuracy,
            "correct": self.correct,
            "total": self.total,
            "interval": list(self.interval),
            "groups": self.groups,
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "classes": self.per_class(),
            **self._confusion_json(),
            "notes": list(self.notes),
            "views": self.views,
            "accuracy_without_views": self.alone and self.alone.accuracy,
            "near_copies": self.near_copies_json(),
        }

    def _confusion_json(self) -> dict[str, Any]:
        few = len(self.classes) <= DENSE_CLASSES
        return {"confusion": self.confusion.tolist()} if few else {"confusion_cells": self.cells.tolist()}

    def near_copies_json(self) -> dict[str, Any] | None:
        """Return how many images are near copies of training images and the accuracy without; None: nobody looked."""
        if self.near_copies is None:
            return None
        accuracy = self.without.accuracy if self.without else None if self.near_copies else self.accuracy
        return {"count": self.near_copies, "accuracy_without": accuracy}

    def near_copies_line(self) -> str:
        """Return what must be said of near copies of training images; empty where there are none."""
        if not self.near_copies:
            return ""
        told = (
            f"{self.near_copies:,} near {'copy' if self.near_copies == 1 else 'copies'} of training images among them"
        )
        if self.without is None:
            return f"{told}: nothing else was judged"
        return f"{told}; without: {self.without.accuracy:.2%} ({self.without.correct} / {self.without.total})"

    def line(self, name: str = "test") -> str:
        """Return the published line: `Accuracy on test set: 78.81% (7881 / 10000)`."""
        return f"Accuracy on {name} set: {self.accuracy:.2%} ({self.correct} / {self.total})"

    def uneven_line(self) -> str:
        """Return the figures that belong beside accuracy where classes are uneven; empty where they are not."""
        if not self.uneven:
            return ""
        return f"balanced accuracy {self.balanced_accuracy:.2%}, macro F1 {self.macro_f1:.2%}"

    def views_line(self) -> str:
        """Return what must be said of figures that rest on several views of each image; empty where they do not."""
        if not self.alone:
            return ""
        return (
            f"predictions averaged over {self.views} views of each image; "
            f"without: {self.alone.accuracy:.2%} ({self.alone.correct} / {self.alone.total})"
        )

    def __repr__(self) -> str:
        return f"<Evaluation: {self}>"

    def __str__(self) -> str:
        low, high = self.interval
        text = f"accuracy {self.accuracy:.2%} ({self.correct} / {self.total}), 95 % interval {low:.2%} to {high:.2%}"
        text += self.counted
        return "; ".join(filter(None, [text, self.uneven_line(), self.views_line(), self.near_copies_line()]))


def evaluate_probabilities(
    probabilities: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    notes: Sequence[str] = (),
    groups: np.ndarray | None = None,
) -> Evaluation:
    """Return the evaluation of `probabilities` (n, k) against `labels` (n,), indices into `classes` (k,).

    Arguments:
        notes: for the reader of the figures.
        groups: int (n,), equal for images that belong together, which intervals count; None: each stands alone.
    """
    if probabilities.shape != (len(labels), len(classes)):
        raise ShapeError(
            f"probabilities must be (n, k) = ({len(labels)}, {len(classes)}) for the labels and classes given; "
            f"got {probabilities.shape}"
        )
    predicted = probabilities.argmax(1) if len(labels) else np.zeros(0, np.int64)
    sizes: tuple[SampleSize, ...] = ()
    if groups is not None and len(np.unique(groups)) < len(labels):
        order = np.argsort(labels, kind="stable")  # one pass over the images, however many classes there are
        ends = np.searchsorted(labels[order], np.arange(len(classes) + 1))
        parts = [np.arange(len(labels)), *(order[start:end] for start, end in itertools.pairwise(ends.tolist()))]
        sizes = tuple(sample_size(predicted[part] == labels[part], groups[part]) for part in parts)
    return Evaluation(tuple(classes), count_pairs(labels, predicted, len(classes)), tuple(notes), sizes=sizes)
