"""Linear discriminant analysis: planes between the centres of classes, given how images spread about them."""

from __future__ import annotations

import numpy as np
import torch

from striate.baselines.examples import Examples
from striate.classifier.heads.linear import Linear
from striate.data.balancing import class_weights
from striate.errors import ArgumentError

# Of ten to fifty photographs a class on some 3,000 features 0.6 to 0.9 are equal within a point; of few 0.8 is the best
# of them by half a point.
SHRINKAGE = 0.8
# What it does within about a minute: images² × features.
LDA_NUMBERS = 50_000_000_000
# Factors of the scores before their softmax; validation images choose.
SHARPNESSES = tuple(np.geomspace(0.01, 1, 21))
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
    features, labels = np.asarray(examples.features, np.float64), examples.labels
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
    bias = bias - weight @ mean
    factor = _sharpness(examples, weight, bias)
    return Linear(weight=torch.from_numpy(factor * weight).float(), bias=torch.from_numpy(factor * bias).float())


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


def _sharpness(examples: Examples, weight: np.ndarray, bias: np.ndarray) -> float:
    """Return the factor of the scores with the least loss on the validation images: from few images they seem sure."""
    if not examples.can_choose:
        return SHARPNESSES[len(SHARPNESSES) // 2]
    scores = torch.from_numpy(examples.valid_features @ weight.T + bias)
    losses = [examples.valid_loss((factor * scores).softmax(1).numpy()) for factor in SHARPNESSES]
    return float(SHARPNESSES[int(np.argmin(losses))])
