"""What a head is fitted to: matrices of features with labels, a part of them held back for choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from striate.data.balancing import class_weights
from striate.observer import Observer


@dataclass(frozen=True, eq=False)
class Examples:
    """Features and labels to fit to, and others to choose by.

    Arguments:
        features: float32 or uint8 (n, d).
        labels: int64 (n,), 0 … classes − 1, each of them there at least once.
        valid_features, valid_labels: the same for choosing; none of them if there is nothing to choose by.
        classes: how many there are.
        seed: of every random choice.
        observer: hears what is left out, what is chosen and how far it is.
        balanced: whether every class is to count as much, however few its examples.
    """

    features: np.ndarray
    labels: np.ndarray
    valid_features: np.ndarray
    valid_labels: np.ndarray
    classes: int
    seed: int = 0
    observer: Observer = field(default_factory=Observer)
    balanced: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def can_choose(self) -> bool:
        """Whether there is anything to choose by."""
        return len(self.valid_labels) > 0

    @property
    def class_weight(self) -> dict[int, float] | None:
        """What an example of each class counts, as scikit-learn takes it; None: all as much."""
        return dict(enumerate(class_weights(self.labels, self.classes).tolist())) if self.balanced else None

    @property
    def valid_counts(self) -> np.ndarray | None:
        """What each example to choose by counts, float64 (m,): its class as in fitting; None: all as much."""
        return class_weights(self.labels, self.classes)[self.valid_labels] if self.balanced else None

    def valid_loss(self, probabilities: np.ndarray) -> float:
        """Return the log-loss of probabilities (m, k) of the examples to choose by, classes counted as in fitting."""
        return log_loss(probabilities, self.valid_labels, self.valid_counts)

    def at_most(self, count: int, why: str) -> Examples:
        """Return at most `count` examples to fit to, an even share of each class, and say so if some are left out."""
        if len(self) <= count:
            return self
        rows = sample_rows(self.labels, count, self.seed)
        self.observer.note(f"{why}: fitted to {len(rows):,} of the {len(self):,} training images, to be done in time")
        return replace(self, features=self.features[rows], labels=self.labels[rows])

    def changed(self, change: Callable[[np.ndarray], np.ndarray]) -> Examples:
        """Return the examples with `change` applied to their features (n, d), those to choose by as well."""
        valid = change(self.valid_features) if self.can_choose else self.valid_features
        return replace(self, features=change(self.features), valid_features=valid)

    def within(self, numbers: int, why: str) -> Examples:
        """Return as many examples as hold `numbers` features in all."""
        return self.at_most(max(self.classes, numbers // self.features.shape[1]), why)


def sample_rows(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return about `count` rows, ascending: from each class its share, at least one.

    >>> sample_rows(np.array([0, 0, 0, 0, 1, 1, 2]), 4, seed=0).shape
    (4,)
    """
    order = np.random.default_rng([seed, len(labels)]).permutation(len(labels))
    # The place of each row within its class, as a share of the class: the lowest are taken.
    sizes = np.bincount(labels)
    by_class = order[np.argsort(labels[order], kind="stable")]
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.arange(len(labels)) - firsts[labels[by_class]]
    keep = place < np.maximum(1, np.rint(sizes[labels[by_class]] * count / len(labels)))
    return np.sort(by_class[keep])


def log_loss(probabilities: np.ndarray, labels: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Return the mean negative log-probability of the labels (n,) under probabilities (n, k).

    Arguments:
        counts: what each counts in the mean, (n,); None: all as much.
    """
    each = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-9))
    return float(each.mean() if counts is None else np.average(each, weights=counts))
