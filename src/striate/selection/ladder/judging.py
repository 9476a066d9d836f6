"""A rung's models judged: what they say of the images that choose, of one part or of folds that take turns."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from striate.classifier.classifier import Classifier
from striate.metrics.outcomes import Outcomes, rows_at_once
from striate.observer import Observers
from striate.selection.ladder.ground import Ground, Parts
from striate.selection.ladder.rungs import Rung


def heard(
    rung: Rung, ground: Ground, model: Classifier, positions: np.ndarray, kept: np.ndarray
) -> tuple[Outcomes, np.ndarray]:
    """Return what a model says of the images at some positions, and the probabilities (m, k) of those that are `kept`.

    Of many classes it is asked block by block: a number for each class and image would fill the memory.

    Arguments:
        kept: int64 (m,), ascending places in `positions`.
    """
    labels, size = ground.images.labels[positions], rows_at_once(len(ground.images.classes))
    said: list[Outcomes] = []
    rows = [np.zeros((0, len(ground.images.classes)), np.float32)]
    for start in range(0, len(positions), size):
        probabilities = rung.probabilities(ground, model, positions[start : start + size])
        said.append(Outcomes.of(probabilities, labels[start : start + size]))
        rows.append(probabilities[kept[(kept >= start) & (kept < start + size)] - start])
    return Outcomes.joined(said), np.concatenate(rows)


def in_turns(
    rung: Rung, ground: Ground, parts: Parts, kept: np.ndarray, seconds: float
) -> tuple[Classifier, Outcomes, np.ndarray]:
    """Return the model that all parts taught, and what those that some taught say of the others, as `heard`."""
    ends, fits = time.perf_counter() + seconds, len(parts) + 1
    said: list[Outcomes] = []
    rows: list[np.ndarray] = []
    aside = replace(ground, folder=None, judged=0, observer=Observers([ground.observer], only=("prepare", "step")))
    before = 0
    for done, (train, valid) in enumerate(parts):
        model = rung.fit(aside, train, valid[:0], max(0.0, ends - time.perf_counter()) / (fits - done))
        own = kept[(kept >= before) & (kept < before + len(valid))] - before
        told, some = heard(rung, ground, model, valid, own)
        said.append(told)
        rows.append(some)
        before += len(valid)
        aside = replace(aside, like=model if aside.like is None else aside.like)
    positions = np.concatenate([valid for _, valid in parts])
    left = max(0.0, ends - time.perf_counter())
    model = rung.fit(replace(ground, like=aside.like), ground.teaching(positions), positions[:0], left)
    return model, Outcomes.joined(said), np.concatenate(rows)
