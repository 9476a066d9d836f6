"""The baselines that divide the space of features: logistic regression by planes, support vectors by a kernel."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch

from striate.baselines.examples import Examples, log_loss
from striate.classifier.heads.linear import Linear
from striate.classifier.heads.svm import Vectors
from striate.errors import ArgumentError

# From strong to weak; each goes on from the weights of the one before.
REGULARISATIONS = (0.0001, 0.001, 0.01, 0.1, 1.0)
# What each does within about a minute: numbers (images × features), and images² × features for the kernel.
LOGISTIC_NUMBERS, LOGISTIC_STEPS = 40_000_000, 100
SVM_NUMBERS = 50_000_000_000
SVM_IMAGES, SVM_CLASSES = 10_000, 200
SHARPNESSES = tuple(np.geomspace(0.25, 16, 25))


def logistic(examples: Examples, *, c: float = 0.0) -> Linear:
    """Logistic regression over all classes at once, with L2 regularisation.

    Arguments:
        c: how weak the regularisation is; 0 chooses from 0.0001 to 1 by the loss on the validation images.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    _not_negative("c", c)
    examples = examples.within(LOGISTIC_NUMBERS, "logistic")
    tried = [c] if c else list(REGULARISATIONS) if examples.can_choose else [0.01]
    model: Any = LogisticRegression(max_iter=LOGISTIC_STEPS, tol=1e-3, warm_start=True)
    best: tuple[np.ndarray, np.ndarray] | None = None
    least, chosen = np.inf, 0.0
    for i, strength in enumerate(tried):
        examples.observer.prepare("fitting logistic regression", i, len(tried))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many steps are enough to choose by
            model.set_params(C=strength).fit(examples.features, examples.labels)
        loss = log_loss(model.predict_proba(examples.valid_features), examples.valid_labels) if len(tried) > 1 else 0.0
        if loss < least:
            best, least, chosen = (model.coef_.copy(), model.intercept_.copy()), loss, strength
        elif len(tried) > 1:
            break  # the loss rises from here on: less regularisation fits the training images more closely still
    assert best is not None
    if len(tried) > 1:
        examples.observer.note(f"logistic: C = {chosen:g}, chosen on the validation images")
    weight, bias = best
    if len(bias) == 1:  # of two classes only the second has weights
        weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
    return Linear(weight=torch.from_numpy(weight).float(), bias=torch.from_numpy(bias).float())


def svm(examples: Examples, *, c: float = 0.0) -> Vectors:
    """Support vectors with a Gaussian kernel of the default width, one class against one.

    Arguments:
        c: how much a wrong training image costs; 0 takes 10.
    """
    from sklearn.svm import SVC

    _not_negative("c", c)
    if examples.classes > SVM_CLASSES:
        raise ArgumentError(
            f"svm compares each class with each and takes at most {SVM_CLASSES}; got {examples.classes}. Try logistic"
        )
    examples = examples.at_most(min(SVM_IMAGES, math.isqrt(SVM_NUMBERS // examples.features.shape[1])), "svm")
    examples.observer.prepare("fitting support vectors", 0, 0)
    model = SVC(C=c or 10.0, kernel="rbf", gamma="scale", cache_size=1000).fit(examples.features, examples.labels)
    head = from_svc(model)
    if examples.can_choose:
        head.sharpness = _sharpness(head, examples)
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
    )


def _sharpness(head: Vectors, examples: Examples) -> float:
    """Return the sharpness with the least loss on the validation images."""
    scores = head.scores(torch.from_numpy(examples.valid_features).float())
    losses = [
        log_loss((sharpness * scores).softmax(1).numpy(), examples.valid_labels) for sharpness in SHARPNESSES
    ]  # fmt: skip
    return float(SHARPNESSES[int(np.argmin(losses))])


def _not_negative(name: str, value: float) -> None:
    if not 0 <= value < np.inf:
        raise ArgumentError(f"{name} must not be negative; got {value}")
