"""Support vectors with a Gaussian kernel; scikit-learn finds them, `Vectors` holds them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from striate.baselines.examples import Examples
from striate.classifier.heads.svm import Vectors
from striate.errors import ArgumentError

# What it does within about a minute: images² × features.
SVM_NUMBERS = 50_000_000_000
SVM_IMAGES, SVM_CLASSES = 10_000, 200
# Factors of the scores before their softmax, and of the decisions before each votes; validation images choose. A slope
# of 0 counts whole votes.
SHARPNESSES, SLOPES = tuple(np.geomspace(0.125, 16, 29)), (0.0, *np.geomspace(0.5, 32, 13))


def svm(examples: Examples, *, c: float = 0.0) -> Vectors:
    """Support vectors with a Gaussian kernel of the default width, one class against one.

    Arguments:
        c: how much a wrong training image costs; 0 takes 10.
    """
    from sklearn.svm import SVC

    if not 0 <= c < np.inf:
        raise ArgumentError(f"c must be a finite number from 0; got {c}")
    if examples.classes > SVM_CLASSES:
        raise ArgumentError(
            f"svm compares each class with each and takes at most {SVM_CLASSES}; got {examples.classes}. Try logistic"
        )
    examples = examples.at_most(min(SVM_IMAGES, math.isqrt(SVM_NUMBERS // examples.features.shape[1])), "svm")
    examples.observer.prepare("fitting support vectors", 0, 0)
    model = SVC(C=c or 10.0, kernel="rbf", gamma="scale", cache_size=1000, class_weight=examples.class_weight)
    model.fit(examples.features, examples.labels)
    head = from_svc(model)
    if examples.can_choose:
        _choose_probabilities(head, examples)
    return head


def from_svc(model: Any) -> Vectors:
    """Return the head of scikit-learn's SVC with a Gaussian kernel."""
    k = len(model.classes_)
    dual, pairs = model.dual_coef_, model.intercept_
    if k == 2:  # scikit-learn turns the sign of two classes over
        dual, pairs = -dual, -pairs
    intercept = np.zeros((k, k))
    intercept[np.triu_indices(k, 1)] = pairs
    return Vectors(
        vectors=torch.from_numpy(np.asarray(model.support_vectors_)).float(),
        owner=torch.from_numpy(np.repeat(np.arange(k), model.n_support_)),
        dual=torch.from_numpy(np.asarray(dual)).float(),
        intercept=torch.from_numpy(intercept).float(),
        gamma=float(model._gamma),
        sharpness=1.0,
        slope=0.0,
    )


def _choose_probabilities(head: Vectors, examples: Examples) -> None:
    """Set slope and sharpness to those with the least loss on the validation images, none of which they may cost."""
    features = torch.from_numpy(examples.valid_features).float()
    tried: list[tuple[float, float, float]] = []
    right = 0
    for slope in SLOPES if examples.classes > 2 else SLOPES[:1]:
        head.slope = float(slope)
        scores = head.scores(features)
        hits = int((scores.argmax(1).numpy() == examples.valid_labels).sum())
        right = right or hits
        if hits >= right:
            losses = [examples.valid_loss((sharpness * scores).softmax(1).numpy()) for sharpness in SHARPNESSES]
            best = int(np.argmin(losses))
            tried.append((losses[best], head.slope, float(SHARPNESSES[best])))
    _, head.slope, head.sharpness = min(tried)
