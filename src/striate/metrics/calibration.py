"""Calibration: one temperature for a classifier's logits, kept only if it helps on images that did not choose it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.errors import ShapeError

FOLDS = 5
# Fewer images, or groups of them, than this say nothing of a temperature that their folds could confirm.
FEWEST = 20
# Of so many logits at most the loss is computed: of thousands of classes an even part of the images will do.
MOST_LOGITS = 2_000_000
# A temperature is looked for between these: beyond them a classifier has other troubles.
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Temperature:
    """What logits are divided by before the softmax, and how that was found.

    Arguments:
        value: 1 leaves them as they are.
        kept: whether the temperature that was found is used.
        images: by which it was found.
        log_loss_before, log_loss_after: on the folds that it was not fitted to; None where there were too few images.
        why: one sentence.
    """

    value: float = 1.0
    kept: bool = False
    images: int = 0
    log_loss_before: float | None = None
    log_loss_after: float | None = None
    why: str = "no validation images"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(vars(self))


def fit_temperature(logits: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> Temperature:
    """Return the temperature at which the log loss is least, if it falls on held-out folds as well; else 1.

    Arguments:
        logits: float (n, k), of images that were not trained on.
        labels: int64 (n,), the true classes.
        groups: int (n,), equal for images that belong together and stay in one fold; None: each stands alone.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2. The check on folds is ours.

    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(2000, 3)) * 2
    >>> labels = np.array([rng.choice(3, p=row) for row in np.exp(logits) / np.exp(logits).sum(1, keepdims=True)])
    >>> round(fit_temperature(3 * logits, labels).value, 1)
    3.0
    """
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ShapeError(f"logits must be (n, k) with n = {len(labels)} labels; got {logits.shape}")
    if logits.size > MOST_LOGITS and len(labels) > FEWEST:
        few = max(FEWEST, MOST_LOGITS // logits.shape[1])
        some = np.linspace(0, len(labels) - 1, few).astype(int)
        logits, labels, groups = logits[some], labels[some], None if groups is None else groups[some]
    n = len(labels)
    known = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    if n == 0:
        return Temperature()
    if known.max() + 1 < FEWEST:
        told = "images" if groups is None else "groups of images"
        return Temperature(images=n, why=f"{known.max() + 1} validation {told} are too few")
    before, after = np.zeros(n), np.zeros(n)
    for fitted, held in _folds(known):
        before[held] = _losses(logits[held], labels[held], 1.0)
        after[held] = _losses(logits[held], labels[held], _coolest(logits[fitted], labels[fitted]))
    value, was, now = _coolest(logits, labels), float(before.mean()), float(after.mean())
    told = f"log loss on held-out folds {was:.4f} → {now:.4f}"
    if now < was:
        return Temperature(value, True, n, was, now, told)
    return Temperature(1.0, False, n, was, now, f"{told}: left as it was")


def softmax_at(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probabilities float32 (n, k) of logits (n, k) at a temperature; rows sum to 1.

    >>> softmax_at(np.array([[0.0, np.log(3)]]), 1.0).tolist()
    [[0.25, 0.75]]
    """
    scaled = logits.astype(np.float32) / np.float32(temperature)
    scaled -= scaled.max(1, keepdims=True, initial=-np.inf)
    np.exp(scaled, out=scaled)
    return scaled / scaled.sum(1, keepdims=True)


def _folds(groups: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (fitted, held out) positions of each fold; whole groups, dealt out at random but always alike."""
    fold = np.random.default_rng(0).permutation(int(groups.max()) + 1) % FOLDS
    for one in range(FOLDS):
        held = fold[groups] == one
        yield np.flatnonzero(~held), np.flatnonzero(held)


def _coolest(logits: np.ndarray, labels: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return float(_losses(logits, labels, np.exp(log_temperature)).mean())

    found: Any = minimize_scalar(loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))


def _losses(logits: np.ndarray, labels: np.ndarray, temperature: float) -> np.ndarray:
    """Return the log loss of each image, float64 (n,)."""
    from scipy.special import logsumexp

    scaled = logits.astype(np.float64) / temperature
    return np.asarray(logsumexp(scaled, axis=1)) - scaled[np.arange(len(labels)), labels]
