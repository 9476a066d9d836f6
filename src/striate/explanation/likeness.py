"""How like a map is to the same map of a copy of the model with shuffled weights."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from striate.explanation.gradcam import joined_map, layer_maps
from striate.explanation.gradients import integrate
from striate.explanation.occlusion import occlude
from striate.explanation.shuffling import shuffled
from striate.explanation.subject import Subject, make_subject

# Occlusion is compared by what patches take that move by their own side: that is quick, and of the model alone.
_COARSE = 1


def shuffled_subject(subject: Subject) -> Subject:
    """Return the image before a copy of its model with shuffled weights; asked about the class of the same rank."""
    model = shuffled(subject.model, 0)
    rank = int((subject.logits > subject.logits[subject.target]).sum())
    first = make_subject(model, subject.pixels)
    return make_subject(model, subject.pixels, int(np.argsort(-first.logits, kind="stable")[rank]))


def likenesses(
    subject: Subject, cam: np.ndarray | None, weights: dict[str, float], gradients: np.ndarray | None
) -> dict[str, float]:
    """Return the rank correlations of maps (h, w), by kind, with those of a copy with shuffled weights.

    Arguments:
        cam, gradients: the maps that there are; None where the model has no gradient.
        weights: of the layers in `cam`, by their paths.
    """
    other = shuffled_subject(subject)
    pairs = {"occlusion": (occlude(subject, _COARSE).lost(subject.target), occlude(other, _COARSE).lost(other.target))}
    if cam is not None:
        pairs["grad-cam"] = cam, joined_map(layer_maps(other, shifted=False), weights, other.size)
    if gradients is not None and (found := integrate(other, quick=True)):
        pairs["integrated-gradients"] = gradients, found.smoothed
    return {kind: rank_correlation(*pair) for kind, pair in pairs.items()}


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two maps; 0 where one is the same everywhere.

    >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0, 100.0]))
    1.0
    """
    x, y = (rankdata(one.ravel()) for one in (a, b))
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0
