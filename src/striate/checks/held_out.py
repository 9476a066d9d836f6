"""What a head says of images that did not teach it: linear discriminants, cross-validated in closed form.

One pass over the features gives the scatter of each fold; what a fold's judge is taught by is the whole less that fold.
Discriminants are means, so that a wrong label among many moves them little, and a class of a few images has one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from striate.data.splitting import fold_rows
from striate.observer import Progress, silent

FOLDS = 5
# Shares of the pooled covariance that are replaced by a multiple of the identity; the first fold chooses.
SHRINKAGES = (0.1, 0.3, 0.6, 0.9)
# Of each image so many classes are kept: those that it may be of, and the one of its label.
MOST_CLASSES = 200
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class HeldAnswers:
    """What was said of n images by a head that neither they nor their likes had taught.

    Arguments:
        logits: float32 (n, c), the discriminant of each candidate.
        candidates: int64 (n, c), the class of each, ascending: all k, or of very many the nearest and the label's own.
        given: int64 (n,), the place of the image's own label among the candidates.
        taught: bool (n,), whether any image of the label's class was among those that taught.
        shrinkage: by which the covariance was shrunk.
    """

    logits: np.ndarray
    candidates: np.ndarray
    given: np.ndarray
    taught: np.ndarray
    shrinkage: float = SHRINKAGES[0]

    def only(self, positions: np.ndarray) -> HeldAnswers:
        """Return what was said of the images at `positions`."""
        one, two, three, four = (each[positions] for each in (self.logits, self.candidates, self.given, self.taught))
        return HeldAnswers(one, two, three, four, self.shrinkage)

    def of_given(self, values: np.ndarray) -> np.ndarray:
        """Return those of values (n, c) that belong to the labels, (n,)."""
        return np.take_along_axis(values, self.given[:, None], 1)[:, 0]


def held_out(
    features: np.ndarray,
    labels: np.ndarray,
    hashes: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> HeldAnswers:
    """Return what linear discriminants say of each image, taught by the folds in which neither it nor its likes are.

    Arguments:
        features: float32 (n, d), of one scale (see `standardised`).
        labels: int64 (n,), 0 … k − 1, some perhaps of no image.
        hashes: uint64 (n,), equal for identical images.
        groups: int (n,), equal for images that stay together; None: each stands alone.

    Source: linear discriminant analysis (Fisher 1936; Rao 1948) with a covariance shrunk towards the identity
    (Friedman 1989, Ledoit and Wolf 2004); the share is the one of `SHRINKAGES` with the least log loss on the first
    fold.
    """
    folds = [valid for _, valid in fold_rows(hashes, labels, groups, FOLDS, seed)]
    present, own = np.unique(labels, return_inverse=True)
    parts = []
    for i, rows in enumerate(folds):
        progress("cross-validating", i, len(folds))
        parts.append(_Sums.of(features[rows], own[rows], len(present)))
    sums = _Sums(*(np.sum(each, 0) for each in zip(*((p.counts, p.sums, p.squares) for p in parts), strict=True)))
    shrinkage = _chosen_shrinkage(features[folds[0]], own[folds[0]], sums.less(parts[0]))
    width = min(MOST_CLASSES, len(present))
    logits, candidates = np.empty((len(labels), width), np.float32), np.empty((len(labels), width), np.int64)
    taught = np.empty(len(labels), bool)
    for i, (rows, part) in enumerate(zip(folds, parts, strict=True)):
        progress("judging labels", i, len(folds))
        judge = Discriminant.fitted(sums.less(part), shrinkage)
        taught[rows] = judge.counts[own[rows]] > 0
        for start in range(0, len(rows), _BLOCK):
            some = rows[start : start + _BLOCK]
            logits[some], candidates[some] = _nearest(judge.logits(features[some]), own[some], width)
    progress("judging labels", len(folds), len(folds))
    given = (candidates < own[:, None]).sum(1)
    return HeldAnswers(logits, present[candidates], given, taught, shrinkage)


def standardised(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features float32 (n, d) less their mean over their standard deviation, and both, float32 (d,).

    What never varies is 0: its standard deviation is told as infinite.
    """
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    scale[scale < 1e-6] = np.inf
    mean, scale = mean.astype(np.float32), scale.astype(np.float32)
    scaled = np.subtract(features, mean, dtype=np.float32)
    scaled /= scale  # in place: of many images features fill gigabytes
    return scaled, mean, scale


@dataclass(frozen=True, eq=False)
class _Sums:
    """Images by class (k,), their sums (k, d), and Σ x xᵀ (d, d): all that a discriminant needs to know."""

    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray, classes: int) -> _Sums:
        from scipy.sparse import csr_array

        members = csr_array(
            (np.ones(len(labels), np.float32), (labels, np.arange(len(labels)))), (classes, len(labels))
        )
        return cls(np.bincount(labels, minlength=classes), members @ features, features.T @ features)

    def less(self, other: _Sums) -> _Sums:
        return _Sums(self.counts - other.counts, self.sums - other.sums, self.squares - other.squares)


@dataclass(frozen=True, eq=False)
class Discriminant:
    """Linear discriminants of k classes.

    Arguments:
        weight: float32 (d, k).
        bias: float32 (k,), −∞ for a class that nothing has taught.
        counts: int64 (k,), how many images taught each.
    """

    weight: np.ndarray
    bias: np.ndarray
    counts: np.ndarray

    @classmethod
    def taught_by(cls, features: np.ndarray, labels: np.ndarray, classes: int, shrinkage: float) -> Discriminant:
        """Return the discriminants of features float32 (n, d) with labels int64 (n,)."""
        return cls.fitted(_Sums.of(features, labels, classes), shrinkage)

    @classmethod
    def fitted(cls, taught: _Sums, shrinkage: float) -> Discriminant:
        """Return Σ⁻¹μ and log π − ½ μᵀΣ⁻¹μ of each class, of one that nobody taught −∞."""
        counts, n, d = taught.counts, max(1, taught.counts.sum()), len(taught.squares)
        means = (taught.sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        within = (taught.squares - taught.sums.T @ means) / n
        scale = max(float(np.trace(within)) / d, 1e-6)
        covariance = (1 - shrinkage) * within + shrinkage * scale * np.eye(d, dtype=np.float32)
        factor = torch.linalg.cholesky(torch.from_numpy(covariance.astype(np.float32)))
        weight = torch.cholesky_solve(torch.from_numpy(means.T.copy()), factor).numpy()
        with np.errstate(divide="ignore"):
            bias = np.log(counts / n) - 0.5 * (means * weight.T).sum(1)
        return cls(weight, bias.astype(np.float32), counts)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return the logits float32 (n, k) of features (n, d)."""
        return features @ self.weight + self.bias


def _chosen_shrinkage(features: np.ndarray, labels: np.ndarray, taught: _Sums) -> float:
    """Return the shrinkage with the least log loss on these images, each at its best temperature."""
    known = np.flatnonzero(taught.counts[labels] > 0)[:_BLOCK]
    if not len(known):
        return SHRINKAGES[-1]
    losses = []
    for shrinkage in SHRINKAGES:
        logits = Discriminant.fitted(taught, shrinkage).logits(features[known])
        losses.append(_least_loss(logits, labels[known]))
    return SHRINKAGES[int(np.argmin(losses))]


def _least_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    own = logits[np.arange(len(labels)), labels]

    def loss(log_scale: float) -> float:
        scale = np.exp(log_scale)
        return float((logsumexp(scale * logits, 1) - scale * own).mean())

    return minimize_scalar(loss, bounds=(-14, 3), method="bounded").fun


def _nearest(logits: np.ndarray, labels: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `width` largest logits of each row, the label's own always among them, and whose they are."""
    if width == logits.shape[1]:
        return logits, np.broadcast_to(np.arange(width), logits.shape)
    rows = np.arange(len(logits))
    lifted = logits.copy()
    lifted[rows, labels] = np.inf
    chosen = np.sort(np.argpartition(-lifted, width - 1, axis=1)[:, :width], 1)
    return np.take_along_axis(logits, chosen, 1), chosen
