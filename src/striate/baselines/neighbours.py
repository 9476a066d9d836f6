"""Nearest neighbours: all training images are remembered, and the nearest of them vote."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch

from striate.baselines.examples import Examples, sample_rows
from striate.classifier.heads.distances import METRICS, nearest
from striate.classifier.heads.neighbours import Neighbours
from striate.errors import ArgumentError
from striate.units import percent

KS = (1, 3, 5, 7, 10, 15, 25)
# Enough validation images to tell the ks apart (± 1 % or so), few enough to be quick.
MOST_TO_CHOOSE_BY = 2_000
_AT_ONCE = 256


def neighbours(examples: Examples, *, k: int = 0, metric: str = "") -> Neighbours:
    """The share of each class among the k nearest training images; k and metric are chosen on the validation images.

    Arguments:
        k: how many neighbours vote; 0 chooses.
        metric: l1 or l2; left out, it is chosen.
    """
    if metric and metric not in METRICS:
        raise ArgumentError(f"metric must be l1 or l2; got {metric!r}")
    if k < 0 or k > len(examples):
        raise ArgumentError(f"k must be from 1 to {len(examples):,}, the number of training images; got {k}")
    with warnings.catch_warnings():  # nobody writes into them
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        vectors, labels = torch.from_numpy(examples.features), torch.from_numpy(examples.labels)
    if not k or not metric:
        k, metric = _choose(examples, vectors, [k] if k else KS, [metric] if metric else METRICS)
    return Neighbours(vectors=vectors, labels=labels, k=k, metric=metric, classes=examples.classes)


def _choose(examples: Examples, vectors: torch.Tensor, ks: Sequence[int], metrics: Sequence[str]) -> tuple[int, str]:
    """Return the k and the metric that are right most often on validation images; at a tie the first of them."""
    ks = [k for k in ks if k <= len(examples)]
    if not examples.can_choose:
        k, metric = (5 if 5 in ks else ks[-1]), metrics[-1]
        examples.observer.note(f"neighbours: k = {k}, {metric}; there are no validation images to choose by")
        return k, metric
    rows = np.arange(len(examples.valid_labels))
    if len(rows) > MOST_TO_CHOOSE_BY:
        rows = sample_rows(examples.valid_labels, MOST_TO_CHOOSE_BY, examples.seed)
    queries, truth = torch.from_numpy(examples.valid_features[rows]).float(), examples.valid_labels[rows]
    right = {}
    for i, metric in enumerate(metrics):
        voters = []
        for start in range(0, len(queries), _AT_ONCE):
            found = nearest(queries[start : start + _AT_ONCE], vectors, max(ks), metric)
            voters.append(examples.labels[found.numpy()])
            done = i * len(queries) + min(start + _AT_ONCE, len(queries))
            examples.observer.prepare("comparing", done, len(metrics) * len(queries))
        votes = np.concatenate(voters)
        right |= {(k, metric): float((elected(votes[:, :k], examples.classes) == truth).mean()) for k in ks}
    (k, metric), share = max(right.items(), key=lambda entry: entry[1])
    examples.observer.note(
        f"neighbours: k = {k}, {metric}, the best of k {', '.join(map(str, ks))} and {', '.join(metrics)} on "
        f"{len(queries):,} validation images ({percent(share)})"
    )
    return k, metric


def elected(votes: np.ndarray, classes: int) -> np.ndarray:
    """Return the class with the most of the votes int64 (n, k) of each image, of equals the first; int64 (n,).

    >>> elected(np.array([[2, 1, 1], [2, 0, 1]]), classes=3).tolist()
    [1, 0]
    """
    same = (votes[:, :, None] == votes[:, None, :]).sum(2)  # no table of all classes: there may be thousands
    best = (same * classes - votes).argmax(1)
    return votes[np.arange(len(votes)), best]
