"""The robustness card: how much accuracy is left under each corruption, and what costs most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from striate.errors import ShapeError
from striate.evaluation.robustness.corruptions import CORRUPTIONS, FAMILIES, IMPORTANT, Corruption
from striate.evaluation.robustness.hiding import WINDOWS, Predict, important_centres
from striate.metrics.groups import grouped_interval, sign_flip
from striate.observer import Progress, silent

# The card asks for more than a hundred looks at each image: enough images for ± 2 points, fewer of large ones.
MOST_IMAGES, FEWEST_IMAGES, MOST_PIXELS = 2_000, 200, 2_000 * 64 * 64
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Score:
    """An accuracy in [0, 1] with its 95 % interval, which counts groups."""

    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class CorruptionResult:
    """How a classifier did under one corruption.

    Arguments:
        corruption: what was done to the images.
        scores: at each step, from weak to strong.
    """

    corruption: Corruption
    scores: tuple[Score, ...]

    @property
    def name(self) -> str:
        """What the corruption is called."""
        return self.corruption.name

    @property
    def family(self) -> str:
        """What it belongs to."""
        return self.corruption.family

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps in words."""
        return tuple(self.corruption.say(step) for step in range(len(self.scores)))

    @property
    def mean(self) -> float:
        """The mean accuracy over the steps."""
        return float(np.mean([score.accuracy for score in self.scores]))


@dataclass(frozen=True)
class RobustnessCard:
    """How much accuracy is left when the same images are shown otherwise.

    Arguments:
        clean: on the images as they are.
        rows: one for each corruption, in the order of `CORRUPTIONS`.
        images, groups: how many were judged, and of how many groups they are.
        chance: how often chance alone would make a point as bad as the weakest, of all that were looked at; at most 1.
        left_out: which corruptions mean nothing for these images, and why.
        notes: what the reader must know.
    """

    clean: Score
    rows: tuple[CorruptionResult, ...]
    images: int
    groups: int
    chance: float = 1.0
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def families(self) -> dict[str, float]:
        """The mean accuracy of each family, over its corruptions that leave the class as it is."""
        means = {name: [row.mean for row in self.rows if row.family == name and _counts(row)] for name in FAMILIES}
        return {name: float(np.mean(values)) for name, values in means.items() if values}

    @property
    def mean(self) -> float:
        """The mean over all corruptions that leave the class as it is."""
        return float(np.mean([row.mean for row in self.rows if _counts(row)]))

    @property
    def worst(self) -> tuple[CorruptionResult, int]:
        """The corruption and the step at which most accuracy is lost; the first of equals."""
        found = [(row, step) for row in self.rows if _counts(row) for step in range(len(row.scores))]
        return min(found, key=lambda one: one[0].scores[one[1]].accuracy)

    @property
    def weakest(self) -> str:
        """The weakest point in a sentence."""
        row, step = self.worst
        left = row.scores[step].accuracy
        lost = 100 * (self.clean.accuracy - left)
        if lost <= 0 or self.chance > SIGNIFICANT:
            return f"weakest: nothing; on {self.images:,} images no corruption costs more than chance would"
        return (
            f"weakest: {row.steps[step]} costs {lost:.1f} points: {100 * left:.1f} % instead of "
            f"{100 * self.clean.accuracy:.1f} %"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain values."""
        row, step = self.worst
        return {
            "images": self.images,
            "groups": self.groups,
            "clean": {"accuracy": self.clean.accuracy, "interval": list(self.clean.interval)},
            "mean": self.mean,
            "families": self.families,
            "weakest": {
                "corruption": row.name, "step": step + 1, "accuracy": row.scores[step].accuracy,
                "lost": self.clean.accuracy - row.scores[step].accuracy, "chance": self.chance,
                "sentence": self.weakest,
            },
            "corruptions": [
                {
                    "name": one.name, "family": one.family, "amounts": list(one.corruption.amounts),
                    "steps": list(one.steps), "accuracy": [score.accuracy for score in one.scores],
                    "intervals": [list(score.interval) for score in one.scores], "mean": one.mean,
                    "in_mean": _counts(one),
                }
                for one in self.rows
            ],
            "left_out": list(self.left_out),
            "notes": list(self.notes),
        }  # fmt: skip

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> RobustnessCard:
        """Return the card that `to_json` told.

        Raises:
            ValueError: it is damaged, or of a version that did other things to the images.
        """
        known = {one.name: one for one in CORRUPTIONS}
        try:
            rows = tuple(
                CorruptionResult(known[one["name"]], tuple(map(_told_score, one["accuracy"], one["intervals"])))
                for one in kept["corruptions"]
                if one["amounts"] == list(known[one["name"]].amounts) and one["accuracy"]
            )
            told = [tuple(str(line) for line in kept[name]) for name in ("left_out", "notes")]
            card = cls(
                _told_score(kept["clean"]["accuracy"], kept["clean"]["interval"]), rows, int(kept["images"]),
                int(kept["groups"]), float(kept["weakest"]["chance"]), *told,
            )  # fmt: skip
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"no robustness card: {error}") from None
        if len(rows) < len(kept["corruptions"]) or not any(_counts(row) for row in rows):
            raise ValueError("a robustness card of other corruptions")
        return card


def measure_robustness(
    predict: Predict,
    images: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    progress: Progress = silent,
) -> RobustnessCard:
    """Return how a classifier does on images under each corruption; the same images give the same card.

    Arguments:
        predict: from uint8 (n, h, w, c) to the probabilities of the classes, float (n, k).
        images: uint8 (n, h, w, c); all of them are looked at, see `judged_rows`.
        labels: int64 (n,), as the classes are counted.
        groups: int (n,), equal for images that are counted as one in intervals; None: each stands alone.

    Raises:
        ShapeError: no images, or not as many labels as images.
    """
    if images.ndim != 4 or not len(images) or labels.shape != images.shape[:1]:
        raise ShapeError(
            "the card needs images (n, h, w, c), n at least 1, and n labels; "
            f"got {images.shape} and {labels.shape}. Give labelled images"
        )
    chosen, left_out = meaningful(images.shape[3])
    looks, done = sum(len(one.amounts) for one in chosen) + WINDOWS**2 + 2, 0

    def look(pixels: np.ndarray) -> np.ndarray:
        nonlocal done
        probabilities, done = predict(pixels), done + 1
        progress("corruptions", done, looks)
        return probabilities

    clean = look(images).argmax(1) == labels
    right = [list(_verdicts(look, one, images, labels)) for one in chosen]
    rows = tuple(
        CorruptionResult(one, tuple(_score(verdict, groups) for verdict in verdicts))
        for one, verdicts in zip(chosen, right, strict=True)
    )
    count = len(images) if groups is None else len(np.unique(groups))
    card = RobustnessCard(_score(clean, groups), rows, len(images), count, left_out=left_out)
    worst, step = card.worst
    lost = clean.astype(int) - right[rows.index(worst)][step]
    points = sum(len(row.scores) for row in rows)
    return replace(card, chance=min(1.0, points * sign_flip(_sums(lost, groups))))


def meaningful(channels: int) -> tuple[list[Corruption], tuple[str, ...]]:
    """Return the corruptions that mean something for images of so many channels, and which are left out and why.

    >>> len(meaningful(3)[0]), meaningful(1)[1]
    (22, ('colour cast: it is for images of 3 channels',))
    """
    chosen = [one for one in CORRUPTIONS if not one.channels or channels in one.channels]
    return chosen, tuple(one.lacking for one in CORRUPTIONS if one not in chosen)


def judged_rows(count: int, height: int, width: int) -> np.ndarray:
    """Return which of `count` images of a size are judged, int64 (m,), in order: all, or some drawn with a fixed seed.

    >>> len(judged_rows(500, 32, 32)), len(judged_rows(10_000, 32, 32)), len(judged_rows(10_000, 224, 224))
    (500, 2000, 200)
    """
    most = min(MOST_IMAGES, max(FEWEST_IMAGES, MOST_PIXELS // (height * width)))
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def _verdicts(predict: Predict, one: Corruption, images: np.ndarray, labels: np.ndarray) -> Iterator[np.ndarray]:
    """Yield for each step which images are told right, bool (n,)."""
    where: Sequence[np.ndarray] = [important_centres(images, predict)] if one is IMPORTANT else []
    for amount in one.amounts:
        yield predict(one.apply(images, amount, *where)).argmax(1) == labels


def _score(right: np.ndarray, groups: np.ndarray | None) -> Score:
    return Score(float(right.mean()), grouped_interval(right, groups))


def _told_score(accuracy: Any, interval: Any) -> Score:
    low, high = map(float, interval)
    if not 0 <= low <= accuracy <= high <= 1:
        raise ValueError(f"an accuracy must be in its interval between 0 and 1; got {accuracy} in {low} to {high}")
    return Score(float(accuracy), (low, high))


def _sums(values: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the sums by group, float (m,)."""
    if groups is None:
        return values.astype(float)
    _, inverse = np.unique(groups, return_inverse=True)
    return np.bincount(inverse, weights=values)


def _counts(row: CorruptionResult) -> bool:
    return row.corruption.meaning
