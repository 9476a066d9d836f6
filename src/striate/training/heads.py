"""The last layer of a net: another number of outputs, and weights fitted to features."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

# From a head that hardly dares to one that hardly holds back; validation images choose.
PENALTIES = (0.5, 0.1, 0.02)
_ITERATIONS = 100


def fit_head(
    features: np.ndarray,
    labels: np.ndarray,
    classes: int,
    valid: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the weight, bias and penalty of a softmax regression on standardised features.

    The loss is the mean cross-entropy + penalty/2 · Σ w²; L-BFGS minimises it. Of a few penalties the one with
    the lowest loss on the validation images is taken, without such images the middle one.

    Arguments:
        features: float32 (n, d).
        labels: int64 (n,), 0 … classes − 1.
        valid: features and labels to choose the penalty by.

    Returns:
        weight float32 (classes, d) and bias float32 (classes,) for features that are not standardised; the penalty.
    """
    mean, scale = features.mean(0), features.std(0)
    scale[scale < 1e-6] = np.inf  # what never varies carries nothing
    standard, targets = torch.from_numpy((features - mean) / scale), torch.from_numpy(labels)
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    fits = []
    for penalty in PENALTIES if valid else PENALTIES[1:2]:
        _minimise(standard, targets, weight, bias, penalty)
        plain = weight.detach().numpy() / scale
        fit = plain.astype(np.float32), (bias.detach().numpy() - plain @ mean).astype(np.float32), penalty
        fits.append((_loss(*valid, *fit[:2]) if valid else 0.0, len(fits), fit))
    return min(fits)[2]


def _minimise(
    features: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, penalty: float
) -> None:
    """Move weight and bias to the minimum, from where they are."""
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(F.linear(features, weight, bias), labels)
        value = value + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)  # pyright: ignore[reportArgumentType]


def _loss(features: np.ndarray, labels: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> float:
    logits = torch.from_numpy(features @ weight.T + bias)
    return float(F.cross_entropy(logits, torch.from_numpy(labels)))
