"""Whether balancing the classes measured better, in one line."""

from __future__ import annotations

import numpy as np

from striate.metrics.by_class import ClassCounts
from striate.metrics.evaluation import Evaluation
from striate.metrics.intervals import Z_95


def suggest_balance(plain: Evaluation, balanced: Evaluation, balance: str = "loss") -> str:
    """Return the advice to balance where that measured more balanced accuracy beyond noise; empty where it did not.

    Noise is that of two independent figures, each the mean of its classes' shares (1 added to what was right and to
    what was wrong of each class). The same images judge both, so their real noise is less: what is suggested holds.

    Arguments:
        plain, balanced: the same method fitted without and with balance, on the same validation images.
        balance: what `--balance` was.
    """
    gain = balanced.balanced_accuracy - plain.balanced_accuracy
    if gain <= Z_95 * float(np.hypot(_noise(plain.counts), _noise(balanced.counts))):
        return ""
    return f"`--balance {balance}` measured {100 * gain:.1f} points more balanced accuracy on the validation images"


def _noise(counts: ClassCounts) -> float:
    """Return the standard error of a balanced accuracy."""
    occurs = counts.actual > 0
    actual = counts.actual[occurs]
    share = (counts.hits[occurs] + 1) / (actual + 2)
    return float(np.sqrt((share * (1 - share) / actual).sum())) / max(1, len(actual))
