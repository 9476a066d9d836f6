"""How the rungs are taught and judged: one validation part, or folds where images are few."""

from __future__ import annotations

import numpy as np

from striate.data.dataset import Dataset
from striate.data.imageset import ImageSet
from striate.data.preparing.detail import detail_side
from striate.data.splitting import fold_rows, unit_keys
from striate.errors import DataError
from striate.observer import Observer
from striate.runs.session import Session
from striate.selection.ladder.clock import Clock
from striate.selection.ladder.ground import Ground, Parts
from striate.selection.ladder.memory import CHECKPOINTS
from striate.units import say_count, say_duration

FOLDS = 5
# With fewer images of a class, or fewer distinct images or groups to choose by, folds take turns.
FEWEST_OF_CLASS, FEWEST_VALID = 10, 20


def make_ground(dataset: Dataset, seed: int, session: Session, clock: Clock) -> tuple[Ground, Parts]:
    """Return the images to climb on, and how they teach and judge: one validation part, or folds if they are few."""
    images, train, valid = dataset.images, dataset.splits.train, dataset.splits.valid
    rows = np.concatenate([train.rows, valid.rows])
    place = {row: i for i, row in enumerate(images.rows.tolist())}
    known = images.subset(np.array([place[row] for row in rows.tolist()], np.int64))
    ground = Ground(
        known, dataset.options.fit or "crop", dataset.described, seed, session.device, session.observer, clock,
        detail_side(known), dataset.options.size is not None, judged=len(dataset.splits.test),
        folder=session.folder.path / CHECKPOINTS if session.folder else None,
        barred=np.flatnonzero(np.isin(known.rows, dataset.splits.barred)),
    )  # fmt: skip
    counts = np.bincount(known.labels, minlength=len(known.classes))
    smallest, choosing = counts[counts > 0].min(), len(np.unique(unit_keys(valid.hashes, valid.groups)))
    own_valid = (valid.splits == "valid").all()
    if len(valid) and (own_valid or (smallest >= FEWEST_OF_CLASS and choosing >= FEWEST_VALID)):
        return ground, [(np.arange(len(train)), np.arange(len(train), len(known)))]
    _check_folds(known, session.observer)
    count = min(FOLDS, max(2, int(smallest)))
    folds = fold_rows(known.hashes, known.labels, known.groups, count, seed)
    return ground, [(ground.teaching(train), valid) for train, valid in folds]


def _check_folds(images: ImageSet, observer: Observer) -> None:
    """Refuse images of which none can teach while others judge; say which classes can do but one of the two.

    Raises:
        DataError: all images are alike, or of one group.
    """
    units, labels = np.unique(unit_keys(images.hashes, images.groups), return_inverse=True)[1], images.labels
    if len(images) and not units.any():
        alike = len(np.unique(images.hashes)) == 1
        why = "are identical" if alike else "belong to one group, near copies of each other or as --groups says"
        raise DataError(
            f"nothing can be learned: all {len(images):,} images {why}, so that none can judge what others taught. "
            "Add images that differ" + ("" if alike else ", or give --groups none")
        )
    pairs = np.unique(np.stack([labels, units], 1), axis=0)[:, 0]
    alone = np.flatnonzero(np.bincount(pairs, minlength=len(images.classes)) == 1)
    if len(alone):
        named = ", ".join(images.classes[c] for c in alone[:5]) + (" …" if len(alone) > 5 else "")
        of = f"of {len(np.unique(labels)):,}"
        have = say_count(len(alone), f"class {of} has", f"classes {of} have")
        observer.warn(
            f"{have} one distinct image or group ({named}): while that judges, nothing has taught its class, and the "
            "figures say nothing of it. Add images"
        )


def say_parts(parts: Parts, budget_s: float, images: ImageSet) -> str:
    """Return what the user is told of them, the budget too."""
    train, valid = parts[0]
    told = f"budget {say_duration(budget_s)}; "
    if len(parts) == 1:
        return told + f"{len(train):,} training images, {len(valid):,} validation images to choose by"
    total, units = len(train) + len(valid), len(np.unique(unit_keys(images.hashes, images.groups)))
    of = f" of {units:,} groups" if units < total / 2 else ""
    return (
        told + f"{total:,} images{of} are few: each rung is cross-validated in {len(parts)} folds, then fitted to all"
    )
