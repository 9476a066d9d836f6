"""What a classifier said of each of some labelled images, in a few columns: not a number for each class and image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from striate.errors import ShapeError

# So many probabilities are looked at together: some hundred megabytes with what is made of them.
NUMBERS_AT_ONCE = 1 << 24


def rows_at_once(classes: int) -> int:
    """Return of how many images the probabilities of so many classes are looked at together."""
    return max(1, NUMBERS_AT_ONCE // max(1, classes))


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What was said of n labelled images, as columns (n,).

    Arguments:
        labels: int64, the true classes.
        predicted: int64, the most probable classes; of equals the first.
        top: float32, the probabilities of those.
        true: float32, the probabilities of the true classes.
        squares: float32, the sums of the squares of all probabilities, of which the Brier score is made.
        rank: int64, how many classes come before the true one; 0 is right.
        second: int64, the classes that come next after the most probable ones; these where there is but one class.

    >>> said = Outcomes.of(np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]]), np.array([0, 2]))
    >>> said.right.tolist(), said.rank.tolist(), said.second.tolist()
    ([True, False], [0, 2], [1, 1])
    """

    labels: np.ndarray
    predicted: np.ndarray
    top: np.ndarray
    true: np.ndarray
    squares: np.ndarray
    rank: np.ndarray
    second: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def right(self) -> np.ndarray:
        """bool (n,), whether the most probable class is the true one."""
        return self.predicted == self.labels

    @classmethod
    def of(cls, probabilities: np.ndarray, labels: np.ndarray) -> Outcomes:
        """Return what probabilities (n, k) say of images with these labels, int64 (n,), 0 … k − 1.

        Raises:
            ShapeError: there is not one row for each label.
        """
        if probabilities.ndim != 2 or len(probabilities) != len(labels):
            raise ShapeError(f"probabilities must be (n, k) with n = {len(labels)} labels; got {probabilities.shape}")
        n, k = probabilities.shape
        if n > (size := rows_at_once(k)):  # or copies of all numbers lie in memory at once
            blocks = (slice(start, start + size) for start in range(0, n, size))
            return cls.joined(cls.of(probabilities[block], labels[block]) for block in blocks)
        rows, labels = np.arange(n), np.asarray(labels, np.int64)
        if not n:
            whole, real = np.zeros(0, np.int64), np.zeros(0, np.float32)
            return cls(whole, whole, real, real, real, whole, whole)
        predicted = probabilities.argmax(1)
        true = probabilities[rows, labels]
        # Equals are ranked in the order of the classes, as argmax has it.
        before = (probabilities == true[:, None]) & (np.arange(k) < labels[:, None])
        others = probabilities.copy()
        others[rows, predicted] = -np.inf
        return cls(
            labels,
            predicted,
            probabilities[rows, predicted].astype(np.float32),
            true.astype(np.float32),
            np.square(probabilities, dtype=np.float64).sum(1).astype(np.float32),
            ((probabilities > true[:, None]) | before).sum(1),
            others.argmax(1) if k > 1 else predicted,
        )

    @classmethod
    def joined(cls, parts: Iterable[Outcomes]) -> Outcomes:
        """Return the outcomes of several blocks of images as one, in their order; of no block those of no image."""
        given = list(parts) or [cls.of(np.zeros((0, 1), np.float32), np.zeros(0, np.int64))]
        return cls(*(np.concatenate([getattr(part, one.name) for part in given]) for one in fields(cls)))

    def subset(self, positions: np.ndarray) -> Outcomes:
        """Return the outcomes of the images at `positions`, int (m,) or bool (n,)."""
        return Outcomes(*(getattr(self, one.name)[positions] for one in fields(self)))
