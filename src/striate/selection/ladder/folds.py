"""How the rungs are taught and judged: one validation part, or folds where images are few."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from striate.data.decoding.pixels import Fit
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits, unit_hash
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.selection.ladder.climb import Parts
from striate.selection.ladder.memory import RUNGS
from striate.selection.ladder.rungs import Ground
from striate.units import say_duration

FOLDS = 5


# With fewer images of a class, or fewer to choose by, folds take turns.
FEWEST_OF_CLASS, FEWEST_VALID = 10, 20


def _ground(
    images: ImageSet,
    splits: Splits[ImageSet],
    fit: Fit,
    described: dict[str, Any],
    seed: int,
    device: torch.device,
    observer: Observer,
    folder: RunFolder | None,
) -> tuple[Ground, Parts]:
    """Return the images to climb on, and how they teach and judge: one validation part, or folds if they are few."""
    train, valid = splits.train, splits.valid
    rows = np.concatenate([train.rows, valid.rows])
    place = {row: i for i, row in enumerate(images.rows.tolist())}
    known = images.subset(np.array([place[row] for row in rows.tolist()], np.int64))
    below = folder.path / RUNGS if folder else None
    ground = Ground(known, fit, described, seed, device, observer, judged=len(splits.test), folder=below)
    counts = np.bincount(known.labels, minlength=len(known.classes))
    smallest = counts[counts > 0].min()
    own_valid = (images.splits == "valid").any()
    if len(valid) and (own_valid or (smallest >= FEWEST_OF_CLASS and len(valid) >= FEWEST_VALID)):
        return ground, [(np.arange(len(train)), np.arange(len(train), len(known)))]
    return ground, _folds(known, min(FOLDS, max(2, int(smallest))), seed)


def _folds(images: ImageSet, count: int, seed: int) -> Parts:
    """Return (train, valid) positions of each fold: the images of each class are dealt out by their digests."""
    turn = np.empty(len(images), np.int64)
    order = np.lexsort((unit_hash(images.hashes, seed), images.labels))
    turn[order] = np.arange(len(images)) % count
    # Equal images stay together, so that none is judged by its twin.
    _, first, inverse = np.unique(images.hashes, return_index=True, return_inverse=True)
    turn = turn[first][inverse]
    return [(np.flatnonzero(turn != fold), np.flatnonzero(turn == fold)) for fold in range(count)]


def _say_parts(parts: Parts, budget_s: float) -> str:
    train, valid = parts[0]
    told = f"budget {say_duration(budget_s)}; "
    if len(parts) == 1:
        return told + f"{len(train):,} images to learn from, {len(valid):,} to choose by"
    total = len(train) + len(valid)
    return told + f"{total:,} images are few: each rung is cross-validated in {len(parts)} folds, then fitted to all"
