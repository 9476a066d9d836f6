"""The baselines that divide the space of features: logistic regression by planes, support vectors by a kernel."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from striate.baselines.examples import Examples, log_loss
from striate.classifier.heads.linear import Linear
from striate.errors import ArgumentError

# From strong to weak; each goes on from the weights of the one before.
REGULARISATIONS = (0.0001, 0.001, 0.01, 0.1, 1.0)
# What each does within about a minute: numbers (images × features), and images² × features for the kernel.
LOGISTIC_NUMBERS, LOGISTIC_STEPS = 40_000_000, 100


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


def _not_negative(name: str, value: float) -> None:
    if not 0 <= value < np.inf:
        raise ArgumentError(f"{name} must not be negative; got {value}")
