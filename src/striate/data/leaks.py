"""What a source's own split leaks: images that choose or judge and belong together with some that teach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from striate.data.imageset import ImageSet
from striate.data.splitting import Splits, groups_learned, shared_notes, split_rows, unit_keys

# With fewer of the validation images apart from training the others are too few to choose by.
APART_SHARE = 0.5


def valid_apart(splits: Splits[ImageSet], images: ImageSet, seed: int) -> Splits[ImageSet]:
    """Return the splits with a validation part that nothing in training belongs together with.

    Only a source's own validation part can overlap: what is drawn here keeps groups on one side. Images of it that
    belong together with training images would flatter every choice: they teach. The others choose alone; where most of
    them leak, or a class would not be judged any more, validation is drawn anew from both parts. The notes say which.

    Arguments:
        images: all that were split.
        seed: of the new draw.
    """
    train, valid = splits.train, splits.valid
    rows = np.concatenate([train.rows, valid.rows])
    units = unit_keys(
        np.concatenate([train.hashes, valid.hashes]), None if train.groups is None or valid.groups is None else
        np.concatenate([train.groups, valid.groups]),
    )  # fmt: skip
    leaks = np.isin(units[len(train) :], units[: len(train)])
    if not leaks.any():
        return splits
    place = {row: i for i, row in enumerate(images.rows.tolist())}

    def at(some: np.ndarray) -> ImageSet:
        return images.subset(np.sort(np.array([place[row] for row in some.tolist()], np.int64)))

    apart = at(valid.rows[~leaks])
    told = f"{leaks.sum():,} of the {len(valid):,} validation images belong together with training images"
    if len(apart) >= APART_SHARE * len(valid) and len(np.unique(apart.labels)) == len(np.unique(valid.labels)):
        told += f" and teach with them: the other {len(apart):,} choose alone; --groups none lets all of them choose"
        return _with(splits, at(np.concatenate([train.rows, valid.rows[leaks]])), apart, (told,))
    known = at(rows)
    ratios = len(train) / len(rows), len(valid) / len(rows), 0.0
    anew = split_rows(known.hashes, known.labels, np.full(len(known), ""), ratios, seed, groups=known.groups)
    train, valid = (known.subset(np.sort(part)) for part in (anew.train, anew.valid))
    told += ", so that choosing by them would flatter: validation is drawn anew from both; --groups none leaves it"
    return _with(splits, train, valid, (told,))


def _with(splits: Splits[ImageSet], train: ImageSet, valid: ImageSet, notes: Sequence[str]) -> Splits[ImageSet]:
    """Return the splits with other parts; what their notes say of identical images is said anew."""
    after = replace(splits, train=train, valid=valid)
    before, now = (shared_notes(one.train.hashes, one.valid.hashes, one.test.hashes) for one in (splits, after))
    return replace(after, notes=(*(note for note in splits.notes if note not in before), *notes, *now))


def leaks_into_test(splits: Splits[ImageSet]) -> tuple[str, ...]:
    """Say how many test images belong together with one that teaches or chooses, where the source's own split does."""
    learned, test = groups_learned(splits), splits.test.groups
    if learned is None or test is None or not (count := int(np.isin(test, learned).sum())):
        return ()
    return (
        f"{count:,} of the {len(test):,} test images are near copies of images that are trained on or chosen by: "
        "figures are given with and without them",
    )
