"""The mistakes of a classifier, by file name: the worst first, and for each its likely cause where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from striate.evaluation.grounds import NEIGHBOURS, Grounds
from striate.metrics.evaluation import Evaluation
from striate.system.cells import table_text
from striate.system.files import write_atomically
from striate.units import percent

Kind = Literal["", "near-copy", "label", "odd-one-out", "between", "unlike-its-class"]
# Of its ten nearest, so many of the predicted class and none of its own make its label doubtful.
MOSTLY = 9
# The true class comes second, with at least this share of the first one's probability: between the two.
NEARLY = 0.5


@dataclass(frozen=True)
class Mistake:
    """An image that was told wrong.

    Arguments:
        index: its place among the images judged.
        name: of the image, within its source.
        true, predicted: class names.
        probability, true_probability: of the predicted and of the true class, in [0, 1].
        kind: of the cause; empty where none is known.
        cause: the same in words.
        like: the training image that the cause is about; empty where there is none.
    """

    index: int
    name: str
    true: str
    predicted: str
    probability: float
    true_probability: float
    kind: Kind = ""
    cause: str = ""
    like: str = ""

    @property
    def sentence(self) -> str:
        """The mistake in one line."""
        said, true = percent(self.probability, 1), percent(self.true_probability, 1)
        told = f"{self.name}: {self.predicted} ({said}), not {self.true} ({true})"
        return f"{told}; {self.cause}" if self.cause else told

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        told = asdict(self)
        return {"image": told.pop("name"), **told}


def mistake_positions(evaluation: Evaluation, most: int | None = None) -> np.ndarray:
    """Return where the mistakes are, int64 (m,): those first whose true class was given the least probability."""
    outcomes = evaluation.outcomes
    if outcomes is None:
        return np.zeros(0, np.int64)
    wrong = np.flatnonzero(~outcomes.right)
    return wrong[np.lexsort((-outcomes.top[wrong], outcomes.true[wrong]))][:most]


def worst_mistakes(
    evaluation: Evaluation, most: int | None = None, grounds: Grounds | None = None
) -> tuple[Mistake, ...]:
    """Return the mistakes, those first whose true class was given the least probability.

    Arguments:
        evaluation: with the outcomes of the images.
        most: so many at most; None: all.
        grounds: what is known of the images beside; None: only what the probabilities say.
    """
    outcomes = evaluation.outcomes
    if outcomes is None:
        return ()
    mistakes: list[Mistake] = []
    names = list(evaluation.names) or [f"image {i}" for i in range(len(outcomes))]
    for i in mistake_positions(evaluation, most).tolist():
        true, predicted = (evaluation.classes[int(of[i])] for of in (outcomes.labels, outcomes.predicted))
        kind, cause, like = _cause(i, evaluation, grounds or Grounds())
        top, own = float(outcomes.top[i]), float(outcomes.true[i])
        mistakes.append(Mistake(i, names[i], true, predicted, top, own, kind, cause, like))
    return tuple(mistakes)


def _cause(i: int, evaluation: Evaluation, grounds: Grounds) -> tuple[Kind, str, str]:
    """Return kind, words and the training image of the likeliest cause of the mistake at place i."""
    outcomes, classes = evaluation.outcomes, evaluation.classes
    assert outcomes is not None
    own, other = int(outcomes.labels[i]), int(outcomes.predicted[i])
    copy, around = grounds.copies.get(i), grounds.neighbourhoods.get(i)
    if copy and copy.label != own:
        return "near-copy", f"near copy of the training image {copy.name}, labelled {classes[copy.label]}", copy.name
    if not grounds.compared and evaluation.near is not None and evaluation.near[i]:
        return "near-copy", "near copy of a training image, perhaps of another label", ""
    if around:
        share = {label: around.labels.count(label) for label in (own, other)}
        if share[other] >= MOSTLY and not share[own]:
            told = f"{share[other]} of the {NEIGHBOURS} training images most like it are {classes[other]}"
            return "label", f"{told}, none is {classes[own]}: is its label right?", around.nearest
        if around.odd:
            return "odd-one-out", "further from all training images than 99 of 100 of those from each other", ""
    if outcomes.rank[i] == 1 and outcomes.true[i] >= NEARLY * outcomes.top[i]:
        return "between", f"between {classes[own]} and {classes[other]}", ""
    if around and own not in around.labels:
        return "unlike-its-class", f"none of the {NEIGHBOURS} training images most like it is {classes[own]}", ""
    return "", "", ""


def write_mistakes(mistakes: Sequence[Mistake], path: str | Path) -> None:
    """Write mistakes as CSV, one a row (UTF-8): image, true, predicted, the probabilities, and the likely cause.

    Raises:
        StorageError: the disk is full or the folder cannot be written to.
    """
    rows: list[Sequence[object]] = [
        ("image", "true", "predicted", "probability", "true_probability", "kind", "cause", "like")
    ]
    for one in mistakes:
        shares = (f"{share:.6f}" for share in (one.probability, one.true_probability))
        rows.append([one.name, one.true, one.predicted, *shares, one.kind, one.cause, one.like])
    write_atomically(path, table_text(rows))
