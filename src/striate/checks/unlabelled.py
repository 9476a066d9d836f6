"""What to label next: images on which the labels so far leave most in doubt, and no two of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.checks.evidence import Evidence
from striate.checks.held_out import Discriminant, held_out
from striate.checks.noise import fit_noise
from striate.data.imageset import ImageSet
from striate.errors import ArgumentError, DataError
from striate.observer import Progress, silent

# Of so many times as many doubtful images as are wanted, those that differ are chosen.
DOUBTFUL = 10
_MOST_CLUSTERED, _CLUSTERED_FEATURES, _ROUNDS = 20_000, 256, 10


@dataclass(frozen=True, eq=False)
class ToLabel:
    """The images that would teach most if they were labelled, the most doubtful first.

    Arguments:
        positions: int64 (m,), which of the unlabelled images.
        likely: int64 (m,), the class that each most probably is of.
        probability: float64 (m,), of that class.
        among: of how many images they were chosen.
    """

    positions: np.ndarray
    likely: np.ndarray
    probability: np.ndarray
    among: int

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def sentence(self) -> str:
        """What a user is told."""
        return f"of {self.among:,} unlabelled images these {len(self):,} would teach most"


def choose_to_label(
    evidence: Evidence, pool: ImageSet, count: int = 100, seed: int = 0, progress: Progress = silent
) -> ToLabel:
    """Return which images to label next: doubtful ones that differ from each other.

    Those with the least margin between their two likeliest classes are clustered by their features, the doubtful
    weighing more, and the one nearest the centre of each cluster is taken.

    Arguments:
        evidence: of the images that have labels.
        pool: images of any size; labels that they have are not looked at.
        count: how many to choose, at least 1.
        seed: of the clusters.
        progress: told how far it is.

    Raises:
        ArgumentError: a count below 1.
        DataError: no images, or labels of fewer than two classes.

    Source: Zhdanov 2019, "Diverse mini-batch active learning"; the margin is Scheffer et al. 2001.
    """
    if count < 1:
        raise ArgumentError(f"count must be at least 1; got {count}. Say how many images you would label")
    if not len(pool):
        raise DataError("there must be images to choose from; got none that can be read")
    labels, labelled = evidence.images.labels, np.flatnonzero(evidence.images.labels >= 0)
    if len(np.unique(labels[labelled])) < 2:
        raise DataError("the labelled images must be of at least two classes, so that images can be in doubt")
    features = evidence.of_others(pool, progress)
    classes, says = _probabilities(evidence, labelled, features, seed)
    ranked = np.sort(says, axis=1)
    margin = ranked[:, -1] - ranked[:, -2]
    doubtful = np.argsort(margin, kind="stable")[: min(DOUBTFUL * count, max(_MOST_CLUSTERED, count))]
    chosen = _spread(features[doubtful], 1 - margin[doubtful], count, seed) if len(doubtful) > count else slice(None)
    positions = doubtful[chosen]
    positions = positions[np.argsort(margin[positions], kind="stable")]
    best = says[positions].argmax(1)
    return ToLabel(positions, classes[best], says[positions, best].astype(np.float64), len(pool))


def _probabilities(
    evidence: Evidence, labelled: np.ndarray, features: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes (k,) that have images, and the probability (m, k) of each for features (m, d).

    A head is taught by all labelled images, and calibrated by what it says of those that did not teach it.
    """
    from scipy.special import softmax

    images, own = evidence.images.subset(labelled), evidence.features[labelled]
    answers = held_out(own, images.labels, images.hashes, images.groups, seed=seed)
    known = np.flatnonzero(answers.taught)
    scale = fit_noise(answers.only(known)).scale if len(known) else 1.0
    classes, labels = np.unique(images.labels, return_inverse=True)
    judge = Discriminant.taught_by(own, labels, len(classes), answers.shrinkage)
    return classes, softmax(scale * judge.logits(features), axis=1)


def _spread(features: np.ndarray, weights: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` positions, ascending, among features (m, d): the nearest to the centres of as many clusters."""
    from sklearn.cluster import KMeans
    from sklearn.random_projection import GaussianRandomProjection

    if features.shape[1] > _CLUSTERED_FEATURES:
        projection: Any = GaussianRandomProjection
        features = projection(_CLUSTERED_FEATURES, random_state=seed).fit_transform(features)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    clusters: Any = KMeans
    found = clusters(count, n_init=1, max_iter=_ROUNDS, random_state=seed).fit(unit, sample_weight=weights + 1e-3)
    away = np.square(unit - found.cluster_centers_[found.labels_]).sum(1)
    order = np.lexsort((away, found.labels_))
    first = order[np.unique(found.labels_[order], return_index=True)[1]]
    # Equal images leave clusters empty: the most doubtful of the others fill up.
    others = np.setdiff1d(np.arange(len(features)), first)
    return np.sort(np.concatenate([first, others[: count - len(first)]]))
