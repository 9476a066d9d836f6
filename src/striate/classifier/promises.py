"""What a classifier promised by its validation images, held against images that it has never seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.outputs import Outputs
from striate.classifier.trust import Trust
from striate.errors import ArgumentError
from striate.metrics.groups import grouped_interval
from striate.metrics.intervals import Z_95
from striate.units import percent

# What is checked at the end of each run.
SURE, SETS = (0.99, 0.95), (0.95,)
# Of a promise that few images miss by no more than they may by chance.
CHANCE = "; the difference may be chance"


class PromiseCheck:
    """Watches a model judge labelled images, block by block, and says afterwards what its promises were worth.

    Arguments:
        trust: of the model.
        classes: (k,) class names.
        sure: wanted precisions; those that the validation images cannot promise are told so.
        sets: wanted coverages, likewise.
    """

    def __init__(
        self, trust: Trust, classes: Sequence[str], sure: Sequence[float] = SURE, sets: Sequence[float] = SETS
    ):
        self.trust, self.classes = trust, classes
        self.thresholds = [trust.threshold(one) for one in sure] if trust.scores else []
        self.rules, self.refused = [], []
        for wanted in sets if trust.scores else ():
            try:
                self.rules.append(trust.sets(wanted, len(classes)))
            except ArgumentError as why:
                told = str(why).removeprefix(f"sets {wanted:g} cannot be promised: ")
                self.refused.append({"wanted": wanted, "why": told, "test": None})
        self.columns: list[tuple[np.ndarray, ...]] = []

    def __call__(self, block: Outputs, probabilities: np.ndarray, labels: np.ndarray) -> None:
        """Take note of a block of images: calibrated probabilities (m, k) and the true classes (m,)."""
        known = np.ones(len(labels), bool)
        if self.trust.novelty and len(labels):
            known = self.trust.novelty.known(block.pixels, block.features, block.alone)
        rows, members = np.arange(len(labels)), [rule.members(probabilities) for rule in self.rules]
        top = probabilities.argmax(1)
        covered = np.stack([one[rows, labels] for one in members], 1) if members else np.zeros((len(labels), 0), bool)
        sizes = np.stack([one.sum(1) for one in members], 1) if members else np.zeros((len(labels), 0), int)
        self.columns.append((known, probabilities[rows, top], top == labels, covered, sizes, labels))

    def result(self, groups: np.ndarray | None = None) -> dict[str, Any]:
        """Return what each promise was worth, as plain values: `sure`, `sets`, `known`.

        Arguments:
            groups: int (n,), equal for images that belong together, which intervals count.
        """
        if not self.columns:
            return {
                "sure": [one.to_json() | {"test": None} for one in self.thresholds],
                "sets": list(self.refused),
                "known": self._known(None),
            }
        known, top, right, covered, sizes, labels = (np.concatenate(one) for one in zip(*self.columns, strict=True))
        sure = []
        for one in self.thresholds:
            answered = known & (top >= np.float32(one.value if one.value is not None else np.inf))
            sure.append(one.to_json() | {"test": _precision(answered, right, groups, one.wanted)})
        sets: list[dict[str, Any]] = list(self.refused)
        for i, rule in enumerate(self.rules):
            told = _share(covered[:, i], groups)
            worst = _worst_class(covered[:, i], labels, self.classes)
            kept = told["interval"][1] + _noise(rule.wanted, rule.groups) >= rule.wanted
            test = {"coverage": told.pop("share"), **told, "mean_size": float(sizes[:, i].mean()), "kept": kept}
            own = int(rule.own.sum())
            sets.append(
                {"wanted": rule.wanted, "classes_of_their_own": own, "images": rule.images}
                | {"test": {**test, "worst_class": worst}}
            )
        refused = None
        if self.trust.novelty:
            told = _share(~known, groups)
            allowed, scores = self.trust.novelty.false_alarm, self.trust.scores
            drawn = len(np.unique(scores.groups)) if scores else 0
            kept = told["interval"][0] - _noise(allowed, drawn) <= allowed
            refused = {"refused": told.pop("share"), **told, "kept": kept}
        return {"sure": sure, "sets": sets, "known": self._known(refused)}

    def _known(self, test: dict[str, Any] | None) -> dict[str, Any]:
        novelty = self.trust.novelty
        if novelty is None:
            return {"score": None, "why": "nothing was learned of that in training", "test": None}
        return {"score": novelty.name, "false_alarm": novelty.false_alarm, "test": test}

    def checked(self, groups: np.ndarray | None = None) -> CheckedPromises:
        """Return the same as a value that says it in words too."""
        return CheckedPromises(self.result(groups))


@dataclass(frozen=True, eq=False)
class CheckedPromises:
    """What promises were worth, as `PromiseCheck.result` has it."""

    values: Mapping[str, Any]

    @property
    def sentence(self) -> str:
        """What people are told, a line a promise."""
        return "\n".join(say_promises(self.values))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return dict(self.values)


def watching(model: Classifier, sure: float | None, sets: float | None, views: str | None) -> PromiseCheck | None:
    """Return what watches a model judge images for a wanted precision and coverage; None where neither is wanted.

    Arguments:
        views: other ones than the model's own, by which nothing was promised.

    Raises:
        ArgumentError: the validation images cannot promise that, or the views are others.
    """
    if sure is None and sets is None:
        return None
    if views is not None and views != model.views:
        raise ArgumentError(f"sure and sets are promised of the model's own views, {model.views}. Leave out views")
    model.trust.asked(sure, sets, len(model.classes))
    asked = ([] if one is None else [one] for one in (sure, sets))
    return PromiseCheck(model.trust, model.classes, *asked)


def _share(which: np.ndarray, groups: np.ndarray | None) -> dict[str, Any]:
    low, high = grouped_interval(which, groups)
    return {"share": float(which.mean()), "interval": [low, high], "images": len(which)}


def _noise(share: float, groups: int) -> float:
    """Return how far a limit may be off by chance: the promise is of all draws of validation images, these are one."""
    return Z_95 * math.sqrt(share * (1 - share) / max(1, groups))


def _precision(
    answered: np.ndarray, right: np.ndarray, groups: np.ndarray | None, wanted: float
) -> dict[str, Any] | None:
    """Return how many images were answered and how many of these rightly; None where no threshold was promised."""
    if not answered.any():
        return None
    told = _share(right[answered], None if groups is None else groups[answered])
    kept = told["interval"][1] >= wanted
    return {"answered": float(answered.mean()), "precision": told.pop("share"), **told, "kept": kept}


def _worst_class(covered: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> list[Any]:
    """Return the class whose images are covered least often, and how often."""
    totals = np.bincount(labels, minlength=len(classes))
    shares = np.bincount(labels, weights=covered, minlength=len(classes)) / np.maximum(1, totals)
    worst = int(np.where(totals > 0, shares, np.inf).argmin())
    return [classes[worst], float(shares[worst])]


def with_check(found: Mapping[str, Any], checked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what calibrating found and what a check said of it, as one."""
    return {**checked, **found, "known": {**checked["known"], **found["known"]}}


def say_promises(promises: Mapping[str, Any] | None) -> list[str]:
    """Return the lines that tell people what was promised and what it was worth; none of models without."""
    if not promises:
        return []
    lines = []
    if temperature := promises.get("temperature"):
        kept = f"temperature {temperature['value']:.2f}" if temperature["kept"] else "temperature left at 1"
        unsure = "" if temperature["kept"] or promises.get("sure") else ": probabilities are mostly too sure"
        lines.append(f"calibration: {kept}, {temperature['why']}{unsure}")
    lines += _say_sures(promises.get("sure", ()))
    lines += [line for one in promises.get("sets", ()) if (line := _say_sets(one))]
    if known := promises.get("known"):
        lines.append(_say_known(known))
    return lines


def _say_sures(several: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each promise; one for those that cannot be made for the same reason."""
    told: dict[str, list[str]] = {}
    for one in several:
        told.setdefault(_say_sure(one), []).append(f"{one['wanted']:.4g}")
    return [f"sure {' and '.join(wanted)}: {line}" for line, wanted in told.items()]


def _say_sure(one: Mapping[str, Any]) -> str:
    if one["threshold"] is None:
        needs = one["needs"]
        if needs is None or needs <= one["images"]:
            return "cannot be promised; the model is not right so often however sure it is"
        return f"cannot be promised; needs about {needs:,} validation images, there are {one['images']:,}"
    told = f"from a probability of {one['threshold']:.3f} on"
    if not (test := one.get("test")):
        return told
    low, high = (f"{100 * end:.2f}" for end in test["interval"])
    broken = "" if test["kept"] else "; NOT kept"
    return (
        f"{told} {percent(test['answered'], 1)} of the test images are answered, {percent(test['precision'])} of these "
        f"rightly ({low} to {high} %){broken}"
    )


def _said_of(kept: bool, reached: bool) -> str:
    """Return what is said of a promise: nothing where it was reached; that chance is enough where that may be so."""
    return "; NOT kept" if not kept else "" if reached else CHANCE


def _say_sets(one: Mapping[str, Any]) -> str:
    if "why" in one:
        return f"sets {one['wanted']:.4g}: cannot be promised: {one['why']}"
    if not (test := one.get("test")):
        return ""
    broken = _said_of(test["kept"], test["coverage"] >= one["wanted"])
    return (
        f"sets {one['wanted']:.4g}: {percent(test['coverage'])} of the test images have their class in the set, of "
        f"{test['mean_size']:.2f} classes on average{broken}"
    )


def _say_known(known: Mapping[str, Any]) -> str:
    if "why" in known:
        return f"none of these: cannot be told; {known['why']}"
    told = "none of these: "
    if test := known.get("test"):
        broken = _said_of(test["kept"], test["refused"] <= known["false_alarm"])
        allowed = percent(known["false_alarm"], 0)
        told += f"{percent(test['refused'], 1)} of the test images, {allowed} were allowed{broken}; "
    return f"{told}by {known['score']}"
