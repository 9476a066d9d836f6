"""Two classifiers on the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.errors import DataError
from striate.metrics.comparison import Comparison, compare_paired
from striate.metrics.evaluation import Evaluation
from striate.units import percent


@dataclass(frozen=True)
class Against:
    """How a classifier stands to another one on the images that both may be judged on.

    Arguments:
        model: what people call the other one.
        images: how many images both judged.
        accuracy, other_accuracy: of this one and the other one on those.
        comparison: of the two, this one first.
    """

    model: str
    images: int
    accuracy: float
    other_accuracy: float
    comparison: Comparison

    @property
    def sentence(self) -> str:
        """Which is better, by how much, and whether that is beyond noise."""
        one = self.comparison
        low, high = (f"{100 * end:+.2f}" for end in one.interval)
        told = f"against {self.model} on the same {self.images:,} images: {percent(self.accuracy)} and "
        told += f"{percent(self.other_accuracy)}, {100 * one.difference:+.2f} points (95 % interval {low} to {high}); "
        told += f"{one.only_first:,} images only this one gets right, {one.only_second:,} only the other"
        if not one.beyond_noise:
            return f"{told}: within noise (p = {one.p_value:.2g})"
        return f"{told}: {'better' if one.difference > 0 else 'worse'} beyond noise (p = {one.p_value:.2g})"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        one = self.comparison
        return {
            "model": self.model,
            "images": self.images,
            "accuracy": self.accuracy,
            "other_accuracy": self.other_accuracy,
            "difference": one.difference,
            "interval": list(one.interval),
            "p_value": one.p_value,
            "only_first": one.only_first,
            "only_second": one.only_second,
            "beyond_noise": one.beyond_noise,
        }


def compare_evaluations(first: Evaluation, second: Evaluation, model: str) -> Against:
    """Compare two classifiers by the images that both were judged on, told by their names.

    Arguments:
        model: what people call the second one.

    Raises:
        DataError: there is no such image, or one has another label there.
    """
    if first.outcomes is None or second.outcomes is None:
        raise DataError("two evaluations can be compared only where both know what was said of each image")
    place = {name: i for i, name in enumerate(second.names)}
    mine = np.array([i for i, name in enumerate(first.names) if name in place], np.int64)
    if not len(mine):
        raise DataError(f"no image is new to both models, so {model} cannot be compared. Give images that are")
    theirs = np.array([place[first.names[int(i)]] for i in mine], np.int64)
    for i, j in zip(mine.tolist(), theirs.tolist(), strict=True):
        own, other = (one.classes[one.outcomes.labels[at]] for one, at in ((first, i), (second, j)) if one.outcomes)
        if own != other:
            raise DataError(f"{first.names[i]} must have one label for both models; it is {own!r} and {other!r}")
    groups = None if first.group_ids is None else first.group_ids[mine]
    right, other_right = first.outcomes.right[mine], second.outcomes.right[theirs]
    comparison = compare_paired(right, other_right, groups)
    return Against(model, len(mine), float(right.mean()), float(other_right.mean()), comparison)
