"""Whether balancing uneven classes would pay: the quickest method that can do it, fitted without and with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from striate.metrics.by_class import UNEVEN
from striate.metrics.evaluation import Evaluation, evaluate_probabilities
from striate.metrics.intervals import difference_interval
from striate.observer import Observer
from striate.selection.ladder.ground import Ground, Parts
from striate.selection.ladder.pretrained_rungs import FROZEN, FrozenRung
from striate.selection.ladder.results import Result
from striate.selection.ladder.rungs import SIMPLE, Rung

# What the question may take of the time that is left.
ASKED_SHARE = 0.05
LINEAR = next(one for one in SIMPLE if one.name == "linear")


def balance_advice(results: Sequence[Result], ground: Ground, parts: Parts) -> str:
    """Return the advice to balance where that measured better beyond noise; empty where it did not, or nobody tried.

    Tried is a head on those features of a borrowed net that are there, else a linear classifier of pixels.
    """
    train, valid = parts[0]
    sizes = np.unique(ground.images.labels[train], return_counts=True)[1]
    if ground.balance != "none" or not len(valid) or sizes.max() < UNEVEN * sizes.min():
        return ""
    quiet = replace(ground, observer=Observer(), folder=None, judged=0)
    if ground.borrowed:
        bank = ground.borrowed.bank
        rung, train, valid = FROZEN, bank.known(train), bank.known(valid)
        seconds = FROZEN.foresee(quiet, train, valid[:0])  # of the head alone: the features are there
    else:
        done = [one for one in results if one.name == LINEAR.name]
        rung, seconds = LINEAR, done[0].fit_s if done else np.inf
    if 2 * seconds > ASKED_SHARE * ground.clock.left_s:
        return ""
    if len(np.unique(ground.images.labels[train])) < 2 or not len(valid):
        return ""
    plain, balanced = (
        _judged(rung, replace(quiet, balance=balance), train, valid, seconds) for balance in ("none", "loss")
    )
    return suggest_balance(plain, balanced)


def _judged(rung: Rung, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Evaluation:
    if isinstance(rung, FrozenRung):
        model = rung.head(ground, train, valid[:0])
    else:
        model = rung.fit(ground, train, valid[:0], seconds)
    said = rung.probabilities(ground, model, valid)
    images = ground.images.subset(valid)
    return evaluate_probabilities(said, images.labels, images.classes, groups=images.groups)


def suggest_balance(plain: Evaluation, balanced: Evaluation) -> str:
    """Return the advice to balance where that measured more balanced accuracy beyond noise; empty where it did not.

    Noise is that of two independent figures, whose intervals count groups. The same images judge both, so their real
    noise is less: what is suggested holds.

    Arguments:
        plain, balanced: the same method fitted without and with balance, judged on the same images.
    """
    gain = balanced.balanced_accuracy - plain.balanced_accuracy
    sides = (balanced.balanced_accuracy, plain.balanced_accuracy), (balanced.balanced_interval, plain.balanced_interval)
    if difference_interval(*sides[0], *sides[1])[0] <= 0:
        return ""
    return f"--balance loss measured {100 * gain:.1f} points more balanced accuracy on the validation images"
