"""Linear discriminant analysis: planes between the centres of classes, given how images spread about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from striate.baselines.examples import Examples, log_loss, sample_rows
from striate.classifier.heads.linear import Linear
from striate.data.balancing import class_weights
from striate.errors import ArgumentError

# Of ten to fifty photographs a class on some 3,000 features 0.6 to 0.9 are equal within a point; of few 0.8 is the best
# of them by half a point.
SHRINKAGE = 0.8
# What it does within about a minute: images² × features.
LDA_NUMBERS = 50_000_000_000
# Factors of the scores before their softmax; validation images choose, or so many of the examples in so many turns.
SHARPNESSES = tuple(np.geomspace(0.0001, 1, 41))
MOST_IN_TURNS, FOLDS = 400, 5
# Fewer numbers than this are computed by one thread.
FEW_NUMBERS = 2_000_000
_LEAST = 1e-6


def lda(examples: Examples, *, shrinkage: float = SHRINKAGE) -> Linear:
    """Linear discriminant analysis, the covariance within classes shrunk towards one variance for all features.

    Arguments:
        shrinkage: from above 0, as the images spread, to 1, as if they spread alike in every direction.
    """
    if not 0 < shrinkage <= 1:
        raise ArgumentError(f"shrinkage must be above 0 and at most 1; got {shrinkage}")
    examples = examples.at_most(max(examples.classes, int((LDA_NUMBERS / examples.features.shape[1]) ** 0.5)), "lda")
    examples.observer.prepare("fitting discriminants", 0, 0)
    # Threads of NumPy's that wait for each other beside torch's make a hundredth of a second of few images one second.
    with threadpool_limits(1 if examples.features.size < FEW_NUMBERS else None, "blas"):
        weight, bias = _planes(examples, np.arange(len(examples)), shrinkage)
        factor = _sharpness(examples, weight, bias, shrinkage)
    return Linear(weight=torch.from_numpy(factor * weight).float(), bias=torch.from_numpy(factor * bias).float())


def _planes(examples: Examples, rows: np.ndarray, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """Return weight (k, d) and bias (k,) of the planes between the centres of the examples at `rows`."""
    features, labels = np.asarray(examples.features[rows], np.float64), examples.labels[rows]
    # Within the span of the images, which are mostly fewer than the features, the planes are the same and soon found.
    mean = features.mean(0)
    left, spread, axes = np.linalg.svd(features - mean, full_matrices=False)
    kept = spread > _LEAST * max(spread.max(), _LEAST)
    inside, axes = (left * spread)[:, kept], axes[kept]
    shares = class_weights(labels, examples.classes) if examples.balanced else np.ones(examples.classes)
    each = shares[labels] / shares[labels].sum()
    centres = np.stack([inside[labels == k].mean(0) for k in range(examples.classes)])
    weight = np.linalg.solve(_covariance(inside - centres[labels], each, shrinkage, axes), centres.T).T
    bias = np.log(np.bincount(labels, each)) - (weight * centres).sum(1) / 2
    weight = weight @ axes
    return weight, bias - weight @ mean


def _covariance(around: np.ndarray, each: np.ndarray, shrinkage: float, axes: np.ndarray) -> np.ndarray:
    """Return the shrunk covariance (q, q) of images about the centres of their classes.

    Arguments:
        around: (n, q), what is left of each image, along the axes (q, d) that the images span of d features.
        each: what each image counts, of a sum of 1.
    """
    covariance = (around * each[:, None]).T @ around
    variance = np.trace(covariance) / axes.shape[1]
    if variance == 0:  # one image a class: the nearest centre is all that there is to say
        return np.eye(len(axes))
    return (1 - shrinkage) * covariance + shrinkage * variance * np.eye(len(axes))


def _sharpness(examples: Examples, weight: np.ndarray, bias: np.ndarray, shrinkage: float) -> float:
    """Return the factor of the scores with the least loss: from few images they seem sure.

    By the validation images; where there are none, by the examples themselves, each judged by planes of the others.
    """
    if examples.can_choose:
        labels, scores = examples.valid_labels, examples.valid_features @ weight.T + bias
    else:
        labels, scores = _in_turns(examples, shrinkage)
    if not len(labels):  # one example of each class
        return SHARPNESSES[len(SHARPNESSES) // 2]
    counts = class_weights(examples.labels, examples.classes)[labels] if examples.balanced else None
    losses = [log_loss(torch.from_numpy(factor * scores).softmax(1).numpy(), labels, counts) for factor in SHARPNESSES]
    return float(SHARPNESSES[int(np.argmin(losses))])


def _in_turns(examples: Examples, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of examples and their scores (m, k) by planes of others, fold by fold.

    The only example of a class is always learned from, and not judged.
    """
    if len(examples) > MOST_IN_TURNS:
        rows = sample_rows(examples.labels, MOST_IN_TURNS, examples.seed)
        examples = replace(examples, features=examples.features[rows], labels=examples.labels[rows])
    sizes = np.bincount(examples.labels)
    by_class = np.argsort(examples.labels, kind="stable")
    place = np.empty(len(examples), np.int64)
    place[by_class] = np.arange(len(examples)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    fold = np.where(sizes[examples.labels] > 1, place % FOLDS, -1)
    labels, scores = [examples.labels[:0]], [np.zeros((0, examples.classes))]
    for held in range(FOLDS):
        rows = np.flatnonzero(fold == held)
        if len(rows):
            weight, bias = _planes(examples, np.flatnonzero(fold != held), shrinkage)
            labels.append(examples.labels[rows])
            scores.append(examples.features[rows] @ weight.T + bias)
    return np.concatenate(labels), np.concatenate(scores)
