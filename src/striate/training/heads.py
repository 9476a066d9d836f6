"""The last layer of a net: another number of outputs, and weights fitted to features."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from striate.errors import ArgumentError
from striate.nets import Net
from striate.nets.layers import Fc, Shape
from striate.nets.structure import Aux
from striate.nets.surgery import with_taps
from striate.nets.windows import Conv

# From a head that hardly dares to one that hardly holds back; validation images choose.
PENALTIES = (0.5, 0.1, 0.02)
_ITERATIONS = 100


def with_outputs(net: Net, outputs: int) -> Net:
    """Return `net` with so many outputs: its last fc layer, or convolution if it ends in one, is changed.

    Raises:
        ArgumentError: the net has neither.

    >>> from striate.nets import parse
    >>> print(with_outputs(parse("conv(8, 3) relu classifier: [dropout(0.2) fc(1000)]"), 6))
    conv(8, 3) relu classifier: [dropout(0.2) fc(6)]
    """
    changed, found = _changed(net.chain, outputs)
    if not found:
        raise ArgumentError(f"the net must have an fc layer or a convolution to take other classes; got {net}")
    return Net(changed)


def with_new_head(net: Net, outputs: int, input_shape: Shape, head: str) -> Net:
    """Return `net` with so many outputs, whose last fc layer gets what the recipe's `head` says.

    Arguments:
        input_shape: (c, h, w) of the images.
        head: "last" or "parts", as in a recipe.
    """
    return with_outputs(with_taps(net, input_shape) if head == "parts" else net, outputs)


def _changed(node: Any, outputs: int) -> tuple[Any, bool]:
    """Return the node with its last weighted layer changed, and whether it has one."""
    if isinstance(node, Fc):
        return dataclasses.replace(node, units=outputs), True
    if isinstance(node, Conv):
        return dataclasses.replace(node, filters=outputs), True
    if isinstance(node, tuple):
        for i in reversed(range(len(node))):
            item, found = _changed(node[i], outputs)
            if found:
                return (*node[:i], item, *node[i + 1 :]), True
    elif dataclasses.is_dataclass(node) and not isinstance(node, type | Aux):
        for entry in reversed(dataclasses.fields(node)):
            item, found = _changed(getattr(node, entry.name), outputs)
            if found:
                return dataclasses.replace(node, **{entry.name: item}), True
    return node, False


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
