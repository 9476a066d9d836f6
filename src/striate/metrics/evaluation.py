"""Figures from predictions and labels, each with its interval: overall, class by class, of the probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.metrics.averages import TopK, brier_scores, log_losses, mean_interval, top_k_of
from striate.metrics.by_class import ClassCounts, Metric, count_classes, count_pairs, dense_matrix
from striate.metrics.evaluation_html import evaluation_html
from striate.metrics.groups import SampleSize, sample_size
from striate.metrics.macro import balanced_accuracy_interval, macro_f1_interval
from striate.metrics.outcomes import Outcomes
from striate.metrics.reliability import Reliability, measure_reliability
from striate.units import percent

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
        called_sizes: the same of the images that were taken for each class (k,).
        near_copies: images that are near copies of others that were trained on; None where nobody looked.
        without: the same, judged without these; None where there are none, or nothing else.
        outcomes: what was said of each image; None where only the cells are known, and no figure of probabilities is.
        names: (n,) the images' names, in the order of the outcomes; empty where nobody gave them.
        group_ids: int (n,), equal for images of one group; None: each stands alone.
        near: bool (n,), which are near copies of images that were trained on; None where nobody looked.
    """

    classes: tuple[str, ...]
    cells: np.ndarray
    notes: tuple[str, ...] = ()
    views: int = 1
    alone: Evaluation | None = None
    sizes: tuple[SampleSize, ...] = ()
    near_copies: int | None = None
    without: Evaluation | None = None
    outcomes: Outcomes | None = None
    names: Sequence[str] = ()
    group_ids: np.ndarray | None = None
    called_sizes: tuple[SampleSize, ...] = ()
    near: np.ndarray | None = None

    def _repr_html_(self) -> str:
        return evaluation_html(self)

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
        return self._size(0, self.total).counted

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
    def balanced_interval(self) -> tuple[float, float]:
        """The 95 % interval of the balanced accuracy, counting groups."""
        return balanced_accuracy_interval(self.counts, self.cells, self.sizes)

    @property
    def macro_f1_interval(self) -> tuple[float, float]:
        """The 95 % interval of macro F1, counting groups."""
        return macro_f1_interval(self.counts, self.cells, self.sizes)

    @cached_property
    def top_k(self) -> TopK | None:
        """How often the true class is among the first few; None where two classes are all, or nobody knows."""
        return top_k_of(self.outcomes, len(self.classes), self.group_ids) if self.outcomes else None

    @property
    def log_loss(self) -> float | None:
        """The mean of −log of the probability of the true class; None where nobody knows."""
        return float(log_losses(self.outcomes).mean()) if self.outcomes else None

    @property
    def log_loss_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the log loss; None where nobody knows, or it is of one group."""
        return mean_interval(log_losses(self.outcomes), self.group_ids) if self.outcomes else None

    @property
    def brier(self) -> float | None:
        """The mean squared distance of the probabilities from the label, in [0, 2]; None where nobody knows."""
        return float(brier_scores(self.outcomes).mean()) if self.outcomes else None

    @property
    def brier_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the Brier score; None where nobody knows, or it is of one group."""
        return mean_interval(brier_scores(self.outcomes), self.group_ids, 2.0) if self.outcomes else None

    @cached_property
    def reliability(self) -> Reliability | None:
        """Whether it is as often right as it says; None where nobody knows."""
        if not self.outcomes:
            return None
        return measure_reliability(self.outcomes.top, self.outcomes.right, self.group_ids)

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
            size = self._size(1 + index, actual)
            called_size = self.called_sizes[index] if self.called_sizes else SampleSize(called, called, float(called))
            # Where groups are counted and nobody knows those of the images so called, no interval is said.
            known = called and (self.called_sizes or not self.sizes)
            rows.append(
                {
                    "class": name,
                    "correct": hits,
                    "total": actual,
                    "accuracy": hits / actual if actual else None,
                    "interval": list(size.interval(hits / max(1, actual))),
                    "groups": size.groups,
                    "called": called,
                    "precision": hits / called if called else None,
                    "precision_interval": list(called_size.interval(hits / called)) if known else None,
                    "f1": 2 * hits / (actual + called) if actual + called else None,
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
            "balanced_interval": list(self.balanced_interval),
            "macro_f1": self.macro_f1,
            "macro_f1_interval": list(self.macro_f1_interval),
            **self._probabilities_json(),
            "classes": self.per_class(),
            **self._confusion_json(),
            "notes": list(self.notes),
            "views": self.views,
            "accuracy_without_views": self.alone and self.alone.accuracy,
            "near_copies": self.near_copies_json(),
        }

    @property
    def ece(self) -> float | None:
        """The expected calibration error, in [0, 1]; None where nobody knows."""
        return self.reliability.ece if self.reliability else None

    @property
    def ece_interval(self) -> tuple[float, float] | None:
        """Its 95 % interval."""
        return self.reliability.interval if self.reliability else None

    def _probabilities_json(self) -> dict[str, Any]:
        """Return what hangs on probabilities, all None where nobody knows them."""
        reliability, log_loss, brier = self.reliability, self.log_loss_interval, self.brier_interval
        return {
            "top_k": self.top_k and self.top_k.to_json(),
            "log_loss": self.log_loss,
            "log_loss_interval": log_loss and list(log_loss),
            "brier": self.brier,
            "brier_interval": brier and list(brier),
            "ece": reliability and reliability.ece,
            "ece_interval": reliability and list(reliability.interval),
            "reliability": reliability and reliability.to_json(),
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
        return f"{told}; without: {percent(self.without.accuracy)} ({self.without.correct} / {self.without.total})"

    def line(self, name: str = "test") -> str:
        """Return the published line: `Accuracy on test set: 78.81% (7881 / 10000)`."""
        return f"Accuracy on {name} set: {self.accuracy:.2%} ({self.correct} / {self.total})"

    def uneven_line(self) -> str:
        """Return the figures that belong beside accuracy where classes are uneven; empty where they are not."""
        if not self.uneven:
            return ""
        return f"balanced accuracy {percent(self.balanced_accuracy)}, macro F1 {percent(self.macro_f1)}"

    def views_line(self) -> str:
        """Return what must be said of figures that rest on several views of each image; empty where they do not."""
        if not self.alone:
            return ""
        return (
            f"predictions averaged over {self.views} views of each image; "
            f"without: {percent(self.alone.accuracy)} ({self.alone.correct} / {self.alone.total})"
        )

    def __repr__(self) -> str:
        return f"<Evaluation: {self}>"

    def __str__(self) -> str:
        low, high = self.interval
        text = f"accuracy {percent(self.accuracy)} ({self.correct} / {self.total}), "
        text += f"95 % interval {percent(low)} to {percent(high)}{self.counted}"
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
    return evaluate_outcomes(Outcomes.of(probabilities, labels), classes, notes, groups)


def evaluate_outcomes(
    outcomes: Outcomes,
    classes: Sequence[str],
    notes: Sequence[str] = (),
    groups: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> Evaluation:
    """Return the evaluation of what was said of n images, labels being indices into `classes` (k,).

    Arguments:
        notes: for the reader of the figures.
        groups: int (n,), equal for images that belong together, which intervals count; None: each stands alone.
        names: (n,) the images' names.
    """
    labels, predicted, k = outcomes.labels, outcomes.predicted, len(classes)
    sizes: tuple[SampleSize, ...] = ()
    called: tuple[SampleSize, ...] = ()
    if groups is not None and len(np.unique(groups)) < len(labels):
        sizes = (sample_size(outcomes.right, groups), *_sizes_by(labels, outcomes.right, groups, k))
        called = _sizes_by(predicted, outcomes.right, groups, k)
    return Evaluation(
        tuple(classes),
        count_pairs(labels, predicted, k),
        tuple(notes),
        sizes=sizes,
        called_sizes=called,
        outcomes=outcomes,
        names=names,
        group_ids=groups if sizes else None,
    )


def _sizes_by(classes: np.ndarray, right: np.ndarray, groups: np.ndarray, count: int) -> tuple[SampleSize, ...]:
    """Return what the images of each class are worth: one pass over the images, however many classes there are."""
    order = np.argsort(classes, kind="stable")
    ends = np.searchsorted(classes[order], np.arange(count + 1)).tolist()
    parts = (order[start:end] for start, end in itertools.pairwise(ends))
    return tuple(sample_size(right[part], groups[part]) for part in parts)
