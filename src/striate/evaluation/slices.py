"""Where a classifier is worse than chance would have it: by folder, size, brightness, any column of a table.

Among many slices some are bad by chance alone. So many worse ones as these images make at random are found by giving
what was right and wrong to other images of the same class: a slice is reported if it is worse than the worst of all
slices in 95 of 100 such draws (Westfall and Young 1993, "Resampling-based multiple testing": the step that counts how
slices hang together). Classes are compared with themselves: a slice that holds the difficult classes is not worse for
it. Images of one group stay together, among groups of about their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.metrics.evaluation import Evaluation
from striate.metrics.outcomes import Outcomes
from striate.units import percent

SIGNIFICANT = 0.05
# Of fewer images, or groups, a slice says too little; of more values an attribute is a name rather than a property.
FEWEST_IMAGES, FEWEST_GROUPS, MOST_VALUES = 10, 5, 50
# A number of so many different values is cut at its tenths and quarters.
MANY_NUMBERS = 12
# Of more images some are looked at, evenly: each draw goes through all of them.
MOST_IMAGES = 100_000
MOST_DRAWS, FEWEST_DRAWS, DRAWN_IMAGES = 1_999, 199, 10_000_000
# Classes of fewer images are compared with each other.
CLASS_UNITS, STRATUM_UNITS = 10, 5


@dataclass(frozen=True)
class ImageSlice:
    """Images that have something in common and are told worse than others of their classes.

    Arguments:
        attribute, value: what they have in common: brightness, lowest tenth (at most 41).
        images, groups: how many, of how many groups.
        accuracy: the share that was right.
        expected: what it would be if each class were told as well as elsewhere.
        p_value: how often chance makes any of the slices looked at as bad, in [0, 1].
    """

    attribute: str
    value: str
    images: int
    groups: int
    accuracy: float
    expected: float
    p_value: float

    @property
    def sentence(self) -> str:
        """What a user should know of it."""
        of = f"{self.images:,} images" + (f" of {self.groups:,} groups" if self.groups < self.images else "")
        return (
            f"{self.attribute} {self.value}: {percent(self.accuracy, 1)} of {of} right, "
            f"where others of their classes are at {percent(self.expected, 1)} (p = {self.p_value:.3g})"
        )


@dataclass(frozen=True)
class Slices:
    """What was found in all slices looked at.

    Arguments:
        looked_at: how many there were.
        worse: those worse than chance would have it, at most one of each attribute, the surest first.
    """

    looked_at: int
    worse: tuple[ImageSlice, ...]

    @property
    def sentence(self) -> str:
        """How many were looked at, and what came of it."""
        if not self.looked_at:
            return "where it is worse cannot be said: no slice of the images (by folder, size, light…) is large enough"
        if not self.worse:
            return f"no slice of {self.looked_at:,} is worse than chance would have it"
        return (
            f"{len(self.worse)} of {self.looked_at:,} slices {'is' if len(self.worse) == 1 else 'are'} worse than "
            "chance would have it (p corrected for all of them)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"looked_at": self.looked_at, "worse": [vars(one).copy() for one in self.worse]}


def find_slices(evaluation: Evaluation, attributes: Mapping[str, np.ndarray], seed: int = 0) -> Slices:
    """Return where a classifier is worse than chance would have it.

    Arguments:
        evaluation: with the outcomes of n images.
        attributes: {name: (n,) numbers or texts}, as `attributes_of` makes them.
        seed: of the draws.
    """
    outcomes, groups = evaluation.outcomes, evaluation.group_ids
    if outcomes is None or not len(outcomes):
        return Slices(0, ())
    n = len(outcomes)
    if n > MOST_IMAGES:
        rows = np.linspace(0, n - 1, MOST_IMAGES).astype(np.int64)
        outcomes, groups = outcomes.subset(rows), None if groups is None else groups[rows]
        attributes = {name: values[rows] for name, values in attributes.items()}
    ids = np.arange(len(outcomes)) if groups is None else np.unique(groups, return_inverse=True)[1]
    found = [one for one in _cut(attributes) if _large_enough(one[2], ids)]
    scores, p_values = _permuted(outcomes, ids, [mask for _, _, mask in found], seed)
    kept: dict[str, ImageSlice] = {}
    for i in np.argsort(scores, kind="stable"):
        attribute, value, mask = found[i]
        if p_values[i] < SIGNIFICANT and attribute not in kept:
            kept[attribute] = _described(attribute, value, mask, outcomes, ids, float(p_values[i]))
    return Slices(int(np.isfinite(scores).sum()), tuple(kept.values()))


def _cut(attributes: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield attribute, value and bool (n,) of each slice."""
    for name, values in attributes.items():
        distinct, counts = np.unique(values, return_counts=True)
        if values.dtype.kind == "f" and len(distinct) > MANY_NUMBERS:
            yield from ((name, *one) for one in _tails(values))
        else:
            frequent = distinct[np.argsort(-counts, kind="stable")[:MOST_VALUES]]
            yield from ((name, _text(value), values == value) for value in frequent)


def _tails(values: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the lowest and highest tenth and quarter of numbers, where so many can be told from the others."""
    for name, share in (("tenth", 0.1), ("quarter", 0.25)):
        low, high = np.quantile(values, [share, 1 - share])
        for side, limit, mask in (("lowest", low, values <= low), ("highest", high, values >= high)):
            if mask.mean() <= 2 * share:
                word = "at most" if side == "lowest" else "at least"
                yield f"in the {side} {name} ({word} {_text(limit)})", mask


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _large_enough(mask: np.ndarray, ids: np.ndarray) -> bool:
    inside = int(mask.sum())
    return FEWEST_IMAGES <= inside < len(mask) and len(np.unique(ids[mask])) >= FEWEST_GROUPS


def _permuted(outcomes: Outcomes, ids: np.ndarray, masks: list[np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return of each slice how many standard deviations it is better than chance, and its corrected p-value.

    A slice of which chance cannot tell, as it holds whole classes, has a score of +∞ and a p-value of 1.
    """
    if not masks:
        return np.zeros(0), np.ones(0)
    m = int(ids.max()) + 1
    classes = _class_strata(outcomes.labels)
    off = outcomes.right - (np.bincount(classes, outcomes.right) / np.bincount(classes))[classes]
    sizes, sums = np.bincount(ids), np.bincount(ids, off)
    inside = np.stack([np.bincount(ids, mask, m) / sizes for mask in masks], 1).astype(np.float32)
    strata = _unit_strata(classes, ids, sizes)
    order = np.argsort(strata, kind="stable")
    sums, inside, strata = sums[order].astype(np.float32), inside[order], strata[order]
    rng, draws = np.random.default_rng(seed), int(np.clip(DRAWN_IMAGES // m, FEWEST_DRAWS, MOST_DRAWS))
    seen, drawn = sums @ inside, np.empty((draws, len(masks)))
    for draw in range(draws):
        drawn[draw] = sums[np.argsort(strata + rng.random(m))] @ inside
    spread = drawn.std(0)
    told = spread > 1e-6
    scores = np.full(len(masks), np.inf)
    scores[told] = (seen - drawn.mean(0))[told] / spread[told]
    if not told.any():
        return scores, np.ones(len(masks))
    worst = np.sort(((drawn - drawn.mean(0))[:, told] / spread[told]).min(1))
    p_values = (1 + np.searchsorted(worst, scores + 1e-4, side="right")) / (1 + draws)
    return scores, np.where(told, p_values, 1.0)


def _class_strata(labels: np.ndarray) -> np.ndarray:
    """Return int (n,), equal for images that are compared: those of a class, all of those of few images together."""
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return np.unique(np.where(counts[classes] < CLASS_UNITS, -1, classes), return_inverse=True)[1]


def _unit_strata(classes: np.ndarray, ids: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return int (m,), equal for groups that are compared: of one class and about one size, or of one size."""
    first = np.unique(ids, return_index=True)[1]
    bucket = np.log2(sizes).astype(np.int64)
    strata = classes[first] * 64 + bucket
    _, place, counts = np.unique(strata, return_inverse=True, return_counts=True)
    strata = np.where(counts[place] < STRATUM_UNITS, -1 - bucket, strata)
    return np.unique(strata, return_inverse=True)[1]


def _described(
    attribute: str, value: str, mask: np.ndarray, outcomes: Outcomes, ids: np.ndarray, p_value: float
) -> ImageSlice:
    labels, right = outcomes.labels, outcomes.right
    elsewhere = np.bincount(labels[~mask], minlength=int(labels.max()) + 1)
    hits = np.bincount(labels[~mask], right[~mask], len(elsewhere))
    # A class that is hardly anywhere else is taken to be as good as all are.
    shares = (hits + right.mean()) / (elsewhere + 1)
    return ImageSlice(
        attribute,
        value,
        int(mask.sum()),
        len(np.unique(ids[mask])),
        float(right[mask].mean()),
        float(shares[labels[mask]].mean()),
        p_value,
    )
