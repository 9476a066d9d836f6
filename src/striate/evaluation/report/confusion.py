"""What is taken for what: the confusion matrix as a table of a page, or the most confused pairs of many classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.metrics.evaluation import Evaluation
from striate.pages.plots import PlotAxis, interval_strip

# Up to so many classes a matrix can be read; so many pairs, and rows of classes at once, are shown of more.
MATRIX_CLASSES, MOST_PAIRS, MOST_ROWS = 30, 30, 60
# The deepest tint of a cell, in percent of the accent: words stay legible on it.
DEEPEST = 45


@dataclass(frozen=True)
class MatrixCell:
    """A cell of the matrix: images, the strength of its tint in percent, and whether it is on the diagonal."""

    images: int
    tint: int
    right: bool


def matrix_rows(evaluation: Evaluation) -> list[tuple[str, list[MatrixCell]]]:
    """Return the confusion matrix as rows of the true classes; none where there are too many classes to read it."""
    if len(evaluation.classes) > MATRIX_CLASSES:
        return []
    matrix = evaluation.confusion
    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    # By the square root, so that a few mistakes in a hundred are seen.
    tints = np.ceil(DEEPEST * np.sqrt(shares)).astype(int)
    return [
        (name, [MatrixCell(int(matrix[i, j]), int(tints[i, j]), i == j) for j in range(len(matrix))])
        for i, name in enumerate(evaluation.classes)
    ]


def confused_pairs(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the pairs of classes that are taken for each other most often, most images first."""
    true, predicted, counts = evaluation.cells.T
    wrong = np.flatnonzero(true != predicted)
    order = wrong[np.lexsort((predicted[wrong], true[wrong], -counts[wrong]))][:MOST_PAIRS]
    actual = evaluation.counts.actual
    return [
        {
            "true": evaluation.classes[true[i]], "predicted": evaluation.classes[predicted[i]],
            "images": int(counts[i]), "of": int(actual[true[i]]),
        }
        for i in order
    ]  # fmt: skip


def class_rows(evaluation: Evaluation, trained: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the table of the classes that were judged, the weakest first, each with its interval drawn.

    Arguments:
        trained: {class: images that were trained on}.
    """
    axis = PlotAxis(0.0, 1.0, "", ())
    rows = [row for row in evaluation.per_class() if row["total"]]
    rows.sort(key=lambda row: (row["accuracy"], row["class"]))
    drawn = len(rows) <= MOST_ROWS
    for row in rows:
        low, high = row["interval"]
        said = f"{100 * row['accuracy']:.1f} %, interval {100 * low:.1f} to {100 * high:.1f} %"
        row |= {
            "trained": trained.get(row["class"], 0),
            "strip": interval_strip(axis, row["accuracy"], (low, high), said) if drawn else "",
        }
    return rows
