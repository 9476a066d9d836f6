"""Abstention: above which top probability a classifier is right as often as is wanted, with a bound that holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.errors import ArgumentError
from striate.metrics.groups import sample_size

# A threshold is wrong, its true precision below the wanted one, in at most so many of all draws of validation images.
RISK = 0.05
# From so many starts the threshold is lowered, step by step; each has its part of the risk.
STARTS, STEP = 4, 1.05


@dataclass(frozen=True)
class Threshold:
    """From which top probability on a classifier may answer so that it is right as often as is wanted.

    Arguments:
        wanted: the precision, the share of answers that are right.
        value: the least top probability of an answer; None where no threshold can be promised.
        images: validation images by which it was chosen; `groups` of how many groups they are.
        answered: how many of them reach it; `precision` how many of these are right, as a share.
        needed: how many validation images a threshold needs at the least, with as many answers right as here at best;
            None where no number would do.
    """

    wanted: float
    value: float | None
    images: int
    groups: int
    answered: int = 0
    precision: float | None = None
    needed: int | None = None

    def require(self) -> float:
        """Return the threshold.

        Raises:
            ArgumentError: there is none; the message says how many images it needs.
        """
        if self.value is not None:
            return self.value
        grouped = f" of {self.groups:,} groups" if self.groups < self.images else ""
        said = f"sure must be a precision that the validation images can promise; got {self.wanted:g}. "
        if self.needed is None:
            raise ArgumentError(
                f"{said}Among the {self.images:,} there are{grouped}, the model is not right so often however sure it "
                "is. Ask for less"
            )
        raise ArgumentError(
            f"{said}That needs about {self.needed:,} validation images, there are {self.images:,}{grouped}. "
            "Ask for less or train with more images"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "wanted": self.wanted,
            "threshold": self.value,
            "images": self.images,
            "valid": {"answered": self.answered / max(1, self.images), "precision": self.precision},
            "needs": None if self.value is not None else self.needed,
        }


def find_threshold(
    top: np.ndarray, right: np.ndarray, wanted: float, groups: np.ndarray | None = None, risk: float = RISK
) -> Threshold:
    """Return the lowest threshold above which precision is at least `wanted`, but for a `risk` of being wrong.

    Answers are tested from the surest on, ever more of them, each time whether their precision may be below the wanted
    one (Clopper and Pearson's bound), until it may: with an order fixed beforehand no test has to pay for the others.
    A few starts, each with its part of the risk, so that one early mistake does not end it all.

    Arguments:
        top: float (n,), the probabilities of the most probable classes of images that were not trained on; 0 where
            none is said, which is no answer, however low the threshold.
        right: bool (n,), whether these classes are the true ones.
        wanted: in (0, 1).
        groups: int (n,), equal for images that belong together; they count as `sample_size` says. None: each alone.

    Raises:
        ArgumentError: `wanted` is not between 0 and 1.

    Source: Angelopoulos et al. 2021, "Learn then Test", fixed-sequence testing with several starts; the bound Clopper
    and Pearson 1934, on effective numbers where images come in groups. `tests/metrics/test_abstention.py` draws it.

    >>> rng = np.random.default_rng(0)
    >>> top = rng.uniform(0.5, 1, 5000)
    >>> found = find_threshold(top, rng.uniform(size=5000) < top, 0.9)
    >>> bool(0.78 < found.value < 0.86)  # above 0.8, 0.9 of them are right
    True
    """
    if not 0 < wanted < 1:
        raise ArgumentError(f"sure must be a precision between 0 and 1, such as 0.99; got {wanted:g}")
    order = np.argsort(-top, kind="stable")
    top, right = top[order], np.asarray(right, bool)[order]
    groups = None if groups is None else groups[order]
    n, unique = len(top), len(top) if groups is None else len(np.unique(groups))
    answers, fewest = int(np.count_nonzero(top > 0)), _fewest(wanted, risk / STARTS)
    right, groups = right[:answers], None if groups is None else groups[:answers]
    best = 0
    for start in [fewest * 2**i for i in range(STARTS)]:
        count = float(start)
        while count <= answers:
            reached = _with_equals(top, math.ceil(count))
            if not _holds(right[:reached], groups if groups is None else groups[:reached], wanted, risk / STARTS):
                break
            best, count = max(best, reached), max(count * STEP, reached + 1.0)
        # The last step goes to the end, so that a model that is good enough answers always.
        if count > answers >= start and _holds(right, groups, wanted, risk / STARTS):
            best = answers
    if best:
        return Threshold(wanted, float(top[best - 1]), n, unique, best, float(right[:best].mean()))
    return Threshold(wanted, None, n, unique, needed=_needed(right, groups, wanted, risk / STARTS, n))


def _with_equals(top: np.ndarray, count: int) -> int:
    """Return how many there are down to the value at place `count`, equals included; `top` descends."""
    return int(np.searchsorted(-top, -top[count - 1], side="right"))


def _holds(right: np.ndarray, groups: np.ndarray | None, wanted: float, risk: float) -> bool:
    """Return whether the precision is at least `wanted`, at this risk."""
    share, size = float(right.mean()), sample_size(right, groups).effective
    return _at_least(share * size, size, wanted, risk)


def _fewest(wanted: float, risk: float) -> int:
    """Return how many images it takes at the least, all of them right."""
    return math.ceil(math.log(risk) / math.log(wanted))


def _needed(right: np.ndarray, groups: np.ndarray | None, wanted: float, risk: float, images: int) -> int | None:
    """Return about how many images it takes where the surest half is as often right as here; None: no number does.

    A higher precision never needs fewer: of the same images the share of errors is the same for each.

    Arguments:
        right, groups: of those that were answered, the surest first; `images` is how many there are in all.
    """
    if images and not len(right):
        return None
    half = max(1, len(right) // 2)
    errors = int((~right[:half]).sum())
    share, each = errors / half, 1.0
    if groups is not None and len(right):
        each = max(1.0, len(right) / sample_size(right, groups).effective)
    if share >= 1 - wanted:
        return None
    each *= images / max(1, len(right)) if images else 1.0
    count = float(_fewest(wanted, risk))
    while not _surely(count, share, wanted, risk) and count < 1e7:
        count *= 1.1
    return math.ceil(max(count * (2 if errors else 1) * each, images + 1))


def _surely(count: float, share: float, wanted: float, risk: float) -> bool:
    return _at_least(count * (1 - share), count, wanted, risk)


def _at_least(right: float, count: float, wanted: float, risk: float) -> bool:
    """Return whether so many right of `count` show a precision of at least `wanted`, at this risk."""
    from scipy.special import betaincinv  # the quantile of scipy.stats.beta, at a tenth of its import

    return bool(betaincinv(right, count - right + 1, risk) >= wanted) if right else False
