"""How far to trust a classifier: its temperature, what its validation images promise, what is none of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from striate.classifier.novelty.novelty import Novelty
from striate.classifier.prediction import Prediction
from striate.errors import ArgumentError, ModelFileError
from striate.metrics.abstention import Threshold, find_threshold
from striate.metrics.prediction_sets import SetRule, fit_sets, set_scores


@dataclass(frozen=True, eq=False)
class ValidationScores:
    """What is kept of the validation images, so that any precision or coverage can be asked for; columns (n,).

    Arguments:
        top: float32, the calibrated probability of the most probable class; 0 of images that look like none of these.
        right: bool, whether it is the true class.
        late: float32, how late the true class comes into the set: `set_scores`.
        labels: int32, the true classes.
        groups: int32, equal for images that belong together.
    """

    top: np.ndarray
    right: np.ndarray
    late: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(
        cls, probabilities: np.ndarray, labels: np.ndarray, known: np.ndarray, groups: np.ndarray | None
    ) -> ValidationScores:
        """Return what is kept of calibrated probabilities (n, k) of validation images with labels (n,)."""
        rows, top = np.arange(len(labels)), probabilities.argmax(1)
        return cls(
            np.where(known, probabilities[rows, top], 0).astype(np.float32),
            top == labels,
            set_scores(probabilities)[rows, labels],
            labels.astype(np.int32),
            (rows if groups is None else np.unique(groups, return_inverse=True)[1]).astype(np.int32),
        )


@dataclass(frozen=True, eq=False)
class Answering:
    """What was asked for beside classes, and the rules that answer it.

    Arguments:
        threshold: from which probability on a prediction is sure; None where nobody asked.
        rule: which classes are in a set; None where nobody asked.
        novelty: what tells images of no class; None where the model cannot.
    """

    threshold: float | None
    rule: SetRule | None
    novelty: Novelty | None

    def say(
        self,
        names: Sequence[str],
        classes: tuple[str, ...],
        probabilities: np.ndarray,
        pixels: np.ndarray,
        features: dict[str, np.ndarray],
        logits: np.ndarray,
    ) -> list[Prediction]:
        """Return the predictions of a block of images.

        Arguments:
            names: (n,) of the images.
            probabilities: float32 (n, k), calibrated.
            pixels, features, logits: of the images alone, see `Novelty.known`.
        """
        known = self.novelty.known(pixels, features, logits) if self.novelty and len(probabilities) else None
        return self.tell(names, classes, probabilities, known)

    def tell(
        self, names: Sequence[str], classes: tuple[str, ...], probabilities: np.ndarray, like: np.ndarray | None
    ) -> list[Prediction]:
        """Return the predictions of images of which it is known whether they are like some that the model has learned.

        Arguments:
            names, classes, probabilities: as for `say`.
            like: bool (n,), as `Novelty.known` says; None where the model cannot tell.
        """
        n = len(probabilities)
        known: list[bool | None] = [None] * n if like is None else like.tolist()
        sure: list[bool | None] = [None] * n
        if self.threshold is not None:
            enough = probabilities.max(1, initial=0) >= np.float32(self.threshold)
            sure = [bool(one) and like is not False for one, like in zip(enough, known, strict=True)]
        sets: list[tuple[str, ...] | None] = [None] * n
        if self.rule:
            order = np.argsort(-probabilities, axis=1, kind="stable")
            members = np.take_along_axis(self.rule.members(probabilities), order, 1)
            sets = [tuple(classes[i] for i in row[inside]) for row, inside in zip(order, members, strict=True)]
        columns = zip(names, probabilities, known, sure, sets, strict=True)
        return [Prediction(name, classes, row, like, one, few) for name, row, like, one, few in columns]


@dataclass(frozen=True, eq=False)
class Trust:
    """How far to trust a classifier.

    Arguments:
        temperature: what its averaged logits are divided by.
        scores: of its validation images; None where there were none.
        novelty: what tells images of no class; None where nothing could be learned of that.
    """

    temperature: float = 1.0
    scores: ValidationScores | None = None
    novelty: Novelty | None = None

    def threshold(self, wanted: float) -> Threshold:
        """Return from which probability on so many predictions are right; `Threshold.require` raises where none is.

        Raises:
            ArgumentError: `wanted` is no precision, or the model keeps no scores.
        """
        scores = self._scores("sure")
        return find_threshold(scores.top, scores.right, wanted, _grouped(scores))

    def sets(self, wanted: float, classes: int) -> SetRule:
        """Return the rule by which sets hold the true class so often.

        Raises:
            ArgumentError: `wanted` is no coverage, the model keeps no scores, or too few for it.
        """
        scores = self._scores("sets")
        return fit_sets(scores.late, scores.labels, wanted, classes, _grouped(scores))

    def asked(self, sure: float | None, sets: float | None, classes: int) -> Answering:
        """Return the rules for a wanted precision and a wanted coverage.

        Raises:
            ArgumentError: the validation images cannot promise one of them.
        """
        threshold = None if sure is None else self.threshold(sure).require()
        return Answering(threshold, None if sets is None else self.sets(sets, classes), self.novelty)

    def _scores(self, option: str) -> ValidationScores:
        if self.scores is None:
            raise ArgumentError(
                f"{option} must be left out with this model: it keeps no scores of validation images, by which a "
                "threshold could be chosen. Train it again, with a validation split"
            )
        return self.scores

    def describe(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file says of it: plain values, and arrays by names that begin with `trust.`."""
        said: dict[str, Any] = {"temperature": self.temperature}
        tensors: dict[str, np.ndarray] = {}
        if self.scores:
            kinds = {"right": np.uint8}
            columns = {one.name: getattr(self.scores, one.name) for one in fields(self.scores)}
            tensors |= {f"scores.{name}": value.astype(kinds.get(name, value.dtype)) for name, value in columns.items()}
        if self.novelty:
            said["novelty"], arrays = self.novelty.describe()
            tensors |= arrays
        return said, {f"trust.{name}": value for name, value in tensors.items()}

    @classmethod
    def rebuilt(cls, said: Any, tensors: dict[str, np.ndarray], classes: int) -> Trust:
        """Return what `describe` described. Files of before say None, and have no such tensors.

        Raises:
            ModelFileError: anything missing, out of range or that does not fit.
        """
        if said is None and not tensors:
            return cls()
        if not isinstance(said, dict):
            raise ModelFileError("it does not say how far to trust it")
        temperature = said.get("temperature")
        if not isinstance(temperature, int | float) or not 0 < temperature < float("inf"):
            raise ModelFileError(f"the temperature must be above 0; got {temperature!r:.40}")
        own = {name.removeprefix("trust."): value for name, value in tensors.items()}
        scores = _rebuilt_scores(own, classes)
        novelty = Novelty.rebuilt(said["novelty"], own) if "novelty" in said else None
        if own:
            raise ModelFileError(f"spare tensors: {', '.join(sorted(own)[:4])}")
        return cls(float(temperature), scores, novelty)


def _grouped(scores: ValidationScores) -> np.ndarray | None:
    return scores.groups if len(np.unique(scores.groups)) < len(scores.groups) else None


def _rebuilt_scores(own: dict[str, np.ndarray], classes: int) -> ValidationScores | None:
    columns = {one.name: own.pop(f"scores.{one.name}", None) for one in fields(ValidationScores)}
    if all(value is None for value in columns.values()):
        return None
    top, right, late, labels, groups = columns.values()
    if top is None or right is None or late is None or labels is None or groups is None:
        raise ModelFileError(f"the validation scores need {', '.join(columns)}")
    alike = len({one.shape for one in (top, right, late, labels, groups)}) == 1 and top.ndim == 1
    if not alike or not (np.isfinite(top).all() and np.isfinite(late).all()):
        raise ModelFileError("the validation scores must be finite columns of one length")
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ModelFileError(f"the labels of validation scores must be from 0 to {classes - 1}")
    return ValidationScores(top, right.astype(bool), late, labels, groups)
