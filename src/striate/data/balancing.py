"""Uneven classes made even: weights for what is learned from each image, or draws that take each class as often."""

from __future__ import annotations

from typing import Literal

import numpy as np

Balance = Literal["none", "loss", "draw"]


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return what an image of each class counts, float64 (classes,), so that every class counts as much.

    n / (classes that occur · images of the class): the mean over the images is 1, so that a loss keeps its scale. A
    class without an image counts 1.

    Arguments:
        labels: int64 (n,), 0 … classes − 1.

    Source: King and Zeng 2001, "Logistic regression in rare events data"; scikit-learn's "balanced".

    >>> class_weights(np.array([0, 0, 0, 1]), classes=2).round(2).tolist()
    [0.67, 2.0]
    """
    sizes = np.bincount(labels, minlength=classes)
    return np.where(sizes > 0, len(labels) / (max(1, (sizes > 0).sum()) * np.maximum(1, sizes)), 1.0)


def draw_evenly(labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Return as many positions as there are labels, int64 (n,), of each class as many: an epoch drawn evenly.

    Numbers of images of two classes differ by at most one. A class's own images are drawn as often as each other, or
    once more; a frequent class shows another part of its images each epoch. A pure function of (seed, epoch).

    Arguments:
        labels: int64 (n,), at least one.

    >>> labels = np.array([0] * 90 + [1] * 9 + [2])
    >>> np.bincount(labels[draw_evenly(labels, seed=0, epoch=0)]).tolist()
    [33, 34, 33]
    """
    generator = np.random.default_rng([seed, epoch, 1])  # a stream of its own beside that of the order
    present, sizes = np.unique(labels, return_counts=True)
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    wanted = np.full(len(present), len(labels) // len(present))
    wanted[generator.permutation(len(present))[: len(labels) - wanted.sum()]] += 1
    drawn = []
    for rows, count in zip(by_class, wanted.tolist(), strict=True):
        often, more = divmod(count, len(rows))
        drawn += [np.tile(rows, often), generator.permutation(rows)[:more]]
    return np.concatenate(drawn)
