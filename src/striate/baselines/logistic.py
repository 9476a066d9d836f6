"""Logistic regression over all classes, also called softmax regression: the baseline, and the last layer of a net."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from striate.baselines.examples import Examples
from striate.classifier.heads.linear import Linear
from striate.data.balancing import class_weights
from striate.errors import ArgumentError

# From strong to weak; each goes on from the weights of the one before.
REGULARISATIONS = (0.0001, 0.001, 0.01, 0.1, 1.0)
# What it does within about a minute: numbers (images × features).
LOGISTIC_NUMBERS, LOGISTIC_STEPS = 40_000_000, 100
# Of a net's last layer, from one that hardly dares to one that hardly holds back; validation images choose.
PENALTIES = (0.5, 0.1, 0.02)
_SOFTMAX_STEPS = 100


def logistic(examples: Examples, *, c: float = 0.0) -> Linear:
    """Logistic regression over all classes at once, with L2 regularisation.

    Arguments:
        c: how weak the regularisation is; 0 chooses from 0.0001 to 1 by the loss on the validation images.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if not 0 <= c < np.inf:
        raise ArgumentError(f"c must be a finite number from 0; got {c}")
    examples = examples.within(LOGISTIC_NUMBERS, "logistic")
    tried = [c] if c else list(REGULARISATIONS) if examples.can_choose else [0.01]
    model: Any = LogisticRegression(
        max_iter=LOGISTIC_STEPS, tol=1e-3, warm_start=True, class_weight=examples.class_weight
    )  # fmt: skip
    best: tuple[np.ndarray, np.ndarray] | None = None
    least, chosen = np.inf, 0.0
    for i, strength in enumerate(tried):
        examples.observer.prepare("fitting logistic regression", i, len(tried))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many steps are enough to choose by
            model.set_params(C=strength).fit(examples.features, examples.labels)
        loss = examples.valid_loss(model.predict_proba(examples.valid_features)) if len(tried) > 1 else 0.0
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


def fit_softmax(
    features: np.ndarray,
    labels: np.ndarray,
    classes: int,
    valid: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    balanced: bool = False,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the weight, bias and penalty of a softmax regression on standardised features.

    The loss is the mean cross-entropy + penalty/2 · Σ w²; L-BFGS minimises it. Of a few penalties the one with
    the lowest loss on the validation images is taken, without such images the middle one.

    Arguments:
        features: float32 (n, d).
        labels: int64 (n,), 0 … classes − 1.
        valid: features and labels to choose the penalty by.
        balanced: whether every class counts as much, however few its images.

    Returns:
        weight float32 (classes, d) and bias float32 (classes,) for features that are not standardised; the penalty.
    """
    mean, scale = features.mean(0), features.std(0)
    scale[scale < 1e-6] = np.inf  # what never varies carries nothing
    standard, targets = torch.from_numpy((features - mean) / scale), torch.from_numpy(labels)
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    counts = torch.from_numpy(class_weights(labels, classes)).float() if balanced else None
    fits = []
    for penalty in PENALTIES if valid else PENALTIES[1:2]:
        _minimise(standard, targets, weight, bias, penalty, counts)
        plain = weight.detach().numpy() / scale
        fit = plain.astype(np.float32), (bias.detach().numpy() - plain @ mean).astype(np.float32), penalty
        fits.append((_cross_entropy(*valid, *fit[:2], counts) if valid else 0.0, len(fits), fit))
    return min(fits)[2]


def _minimise(
    features: torch.Tensor,
    labels: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    penalty: float,
    counts: torch.Tensor | None,
) -> None:
    """Move weight and bias to the minimum, from where they are; `counts` (k,) is what each class counts."""
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=_SOFTMAX_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(F.linear(features, weight, bias), labels, counts)
        value = value + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)  # pyright: ignore[reportArgumentType]


def _cross_entropy(
    features: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray, counts: torch.Tensor | None
) -> float:
    logits = torch.from_numpy(features @ weight.T + bias)
    return float(F.cross_entropy(logits, torch.from_numpy(labels), counts))
