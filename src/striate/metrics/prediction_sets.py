"""Prediction sets: as many classes as it takes to hold the true one as often as is wanted (split conformal)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.errors import ArgumentError
from striate.metrics.quantiles import conformal_quantile, fewest_for

# A class past the fifth costs something beside its probability: sets stay small where thousands share a little.
FREE_CLASSES, PENALTY = 5, 0.01
# A quantile of its own is a class's with so many images (or groups) times what the quantile needs at the least.
CLASS_FACTOR = 5


def set_scores(probabilities: np.ndarray) -> np.ndarray:
    """Return how late each class would come into the set of each image, float32 (n, k); that of the top class is 0.

    The probabilities of all that are more probable, and a penalty for each class beyond the fifth. Equals come in the
    order of the classes. Nothing is drawn at random, so that an image always gets the same set, never an empty one.

    Source: Romano, Sesia and Candès 2020, "Classification with Valid and Adaptive Coverage", without the class itself
    and without randomisation; the penalty of Angelopoulos et al. 2021, "Uncertainty Sets for Image Classifiers".

    >>> np.round(set_scores(np.array([[0.2, 0.7, 0.1]])), 3).tolist()
    [[0.699999988079071, 0.0, 0.8999999761581421]]
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities, order, 1).astype(np.float32)
    before = np.cumsum(ranked, axis=1, dtype=np.float32)
    before = np.concatenate([np.zeros_like(before[:, :1]), before[:, :-1]], axis=1)
    before += np.float32(PENALTY) * np.maximum(0, np.arange(before.shape[1]) + 1 - FREE_CLASSES).astype(np.float32)
    scores = np.empty_like(before)
    np.put_along_axis(scores, order, before, 1)
    return scores


@dataclass(frozen=True, eq=False)
class SetRule:
    """Up to which score a class is in the set.

    Arguments:
        wanted: the coverage: how often the set is to hold the true class.
        limits: float64 (k,), of each class.
        own: bool (k,), which of them rest on images of that class alone; the others on all.
        images, groups: validation images and the groups that they are of.
    """

    wanted: float
    limits: np.ndarray
    own: np.ndarray
    images: int
    groups: int

    def members(self, probabilities: np.ndarray) -> np.ndarray:
        """Return which classes are in the set of each image, bool (n, k), from probabilities (n, k)."""
        return set_scores(probabilities) <= self.limits


def fit_sets(
    scores: np.ndarray, labels: np.ndarray, wanted: float, classes: int, groups: np.ndarray | None = None
) -> SetRule:
    """Return the rule by which sets hold the true class at least as often as is wanted, on average over all draws.

    A class with enough images gets a limit of its own, so that its images are covered as often (Mondrian); the others
    share that of all images.

    Arguments:
        scores: float (n,), `set_scores` of the true classes of images that were not trained on.
        labels: int (n,), the true classes.
        wanted: the coverage, in (0, 1).
        classes: k.
        groups: int (n,), equal for images that belong together: each group weighs as much, and the promise is of an
            image of a new group. None: each stands alone.

    Raises:
        ArgumentError: `wanted` is not between 0 and 1, or there are too few images; the message says how many it needs.

    Source: Vovk, Gammerman and Shafer 2005, by class section 4.5; with groups Lee, Barber and Willett 2023,
    "Distribution-free inference with hierarchical data".
    """
    if not 0 < wanted < 1:
        raise ArgumentError(f"sets must be a coverage between 0 and 1, such as 0.95; got {wanted:g}")
    groups = np.arange(len(scores)) if groups is None else groups
    fewest, found = fewest_for(wanted), len(np.unique(groups))
    if found < fewest:
        told = "validation images" if found == len(scores) else "groups of validation images"
        raise ArgumentError(
            f"sets {wanted:g} cannot be promised: that needs about {fewest:,} {told}, there are {found:,}. "
            "Ask for less or train with more images"
        )
    limits, own = np.full(classes, conformal_quantile(scores, wanted, groups)), np.zeros(classes, bool)
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    for label, part in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
        if len(part) >= CLASS_FACTOR * fewest and len(np.unique(groups[part])) >= CLASS_FACTOR * fewest:
            limits[label], own[label] = conformal_quantile(scores[part], wanted, groups[part]), True
    return SetRule(wanted, limits, own, len(scores), found)
