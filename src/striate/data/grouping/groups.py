"""Groups: images that belong together and must stay on one side of every split."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from striate.data.grouping.chains import tied_together
from striate.data.grouping.choice import GroupBy
from striate.data.grouping.content import find_ties
from striate.data.grouping.known import pack
from striate.data.grouping.looks import TooSlowError, look_at
from striate.data.grouping.names import find_bursts
from striate.data.grouping.sketches import VIEWS
from striate.data.imageset import ImageSet
from striate.data.splitting import unit_keys
from striate.errors import ArgumentError
from striate.observer import Progress, silent
from striate.units import say_count

# What is told where the budget leaves no time.
UNSEEN = (
    "there was no time to look for near copies: only equal images are kept together, and figures may flatter where "
    "others are alike. Give a longer budget, or say with --groups what belongs together"
)
BY_LOOKS = ("content", "names", "content and names")
UNKNOWN_LATER = "there was no time to look at all images: near copies of them will not be known later"
HURRIED = "near copies were looked for in a hurry, and some may be missed: give a longer budget to look for all"


@dataclass(frozen=True, eq=False)
class Groups:
    """Which images belong together.

    Arguments:
        ids: int64 (n,), equal for images of one group; an image that stands alone has an id of its own.
        by: what they were found by: content, names, content and names, folder, a column, a pattern, none.
        notes: what a user should be told of what was not grouped.
        sketches: int8 (n, d), by which near copies of the images are known later; None where nobody looked.
        hurried: whether there was no time to look for all.
    """

    ids: np.ndarray
    by: str
    notes: tuple[str, ...] = ()
    sketches: np.ndarray | None = None
    hurried: bool = False

    @property
    def sizes(self) -> np.ndarray:
        """int (count,), how many images each group of more than one has."""
        sizes = np.unique(self.ids, return_counts=True)[1]
        return sizes[sizes > 1]

    @property
    def count(self) -> int:
        """How many groups of more than one image there are."""
        return len(self.sizes)

    @property
    def by_looks(self) -> bool:
        """Whether all images were compared with each other, in no hurry."""
        return self.by in BY_LOOKS and not self.hurried

    @property
    def sentence(self) -> str:
        """What a user is told; empty where there are no groups.

        >>> Groups(np.array([0, 0, 0, 1, 2, 2, 2]), "content").sentence
        '2 groups of 3 near copies: kept together; --groups none turns that off'
        """
        if not self.count:
            return ""
        size = f"{'' if len(set(self.sizes.tolist())) == 1 else 'about '}{np.median(self.sizes):.0f}"
        count = f"{self.count:,} group{'s' * (self.count > 1)}"
        if self.by in BY_LOOKS:
            told = f"{count} of {size} near copies: kept together"
            named = " (told by their names)" if self.by == "names" else ""
            return f"{told}{named}; --groups none turns that off"
        return f"{count} of {size} images by {self.by}: kept together"

    def with_known(self, keys: Sequence[str]) -> Groups:
        """Return the groups with the images of equal keys (n,) tied together too; an empty key ties nothing."""
        tied = unit_keys(_ranks(self.ids), _numbered([key or None for key in keys]))
        return replace(self, ids=np.unique(tied, return_inverse=True)[1])

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        largest = int(self.sizes.max()) if self.count else 1
        return {"count": self.count, "by": self.by, "images": int(self.sizes.sum()), "largest": largest}


def group_images(
    images: ImageSet,
    by: GroupBy = GroupBy("auto"),  # noqa: B008
    columns: Mapping[str, Mapping[str, str]] | None = None,
    progress: Progress = silent,
    until: float = math.inf,
) -> Groups:
    """Return which images belong together, by what the user says or by looking.

    Arguments:
        by: from `parse_groups`.
        columns: {column: {name of an image: cell}} of the table, where the source is one.
        progress: told how far it is.
        until: when looking is to be done, by `time.perf_counter`.

    Raises:
        ArgumentError: every class would be one group.
    """
    if by.kind == "none":
        return Groups(np.arange(len(images)), "none")
    if by.kind == "auto":
        return _found(images, progress, until)
    names, notes = list(images.names), ()
    if by.kind == "folder":
        keys = [name.replace("\\", "/").rpartition("/")[0] for name in names]  # a table may be of Windows
    elif by.kind == "column":
        cells = (columns or {})[by.value]
        keys = [cells[name] or None for name in names]
        notes = _left_alone(names, keys, f"have no {by.value}")
    else:
        found = [re.search(by.value, name) for name in names]
        keys = [one[1] if one else None for one in found]
        notes = _left_alone(names, keys, f"do not match {by.value!r}")
    ids = _numbered(keys)
    _check_apart(ids, images, by)
    # What the user knows says nothing of images that come later: those are known again by their looks.
    try:
        sketches = pack(look_at(images, progress, until).views[: len(VIEWS)]) if len(images) else None
    except TooSlowError:
        sketches, notes = None, (*notes, UNKNOWN_LATER)
    return Groups(ids, str(by), notes, sketches)


def _numbered(keys: Sequence[str | None]) -> np.ndarray:
    """Return int64 (n,), equal for equal keys; None stands alone."""
    place = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    ids = np.array([place[key] for key in keys], np.int64)
    alone = np.array([key is None for key in keys], bool)
    ids[alone] = len(place) + np.arange(alone.sum())
    return ids


def _left_alone(names: Sequence[str], keys: Sequence[str | None], why: str) -> tuple[str, ...]:
    alone = [name for name, key in zip(names, keys, strict=True) if key is None]
    if not alone:
        return ()
    return (f"{len(alone):,} of {len(names):,} images {why} and stand alone, the first {alone[0]}",)


def _check_apart(ids: np.ndarray, images: ImageSet, by: GroupBy) -> None:
    """Refuse groups that leave nothing to split: each class one group of what the source does not split itself."""
    known = (images.labels >= 0) & np.isin(images.splits, ("", "train")) & ("valid" not in images.splits)
    pairs = np.unique(np.stack([images.labels[known], ids[known]], 1), axis=0)
    classes = len(np.unique(images.labels[known]))
    if known.sum() > classes > 0 and len(pairs) == classes:
        raise ArgumentError(
            f"--groups {by.value or by.kind} puts each of the {classes} classes into one group, which leaves nothing "
            "to choose and judge by. Name what tells the objects of a class apart"
        )


def _found(images: ImageSet, progress: Progress, until: float) -> Groups:
    """Return the groups that names and content tell, none of them most of a class unless names tell it."""
    if not len(images):
        return Groups(np.zeros(0, np.int64), "content")
    # Equal images are one from here on: they are no evidence of how crowded it is.
    _, kept, inverse = np.unique(images.hashes, return_index=True, return_inverse=True)
    try:
        looks = look_at(images, progress, until)
    except TooSlowError:
        return Groups(inverse, "content", (UNSEEN,), hurried=True)
    copies = find_ties(looks.at(kept), progress=progress, until=until)
    alike = tied_together(len(kept), copies.first, copies.second)[inverse]
    found = groups_of_copies(images, alike, looks.views[0], len(copies.held_back))
    notes = (*found.notes, HURRIED) if copies.hurried else found.notes
    return replace(found, notes=notes, sketches=pack(looks.views[: len(VIEWS)]), hurried=copies.hurried)


def groups_of_copies(images: ImageSet, alike: np.ndarray, sketches: np.ndarray, held_back: int = 0) -> Groups:
    """Return the groups that near copies and names make, none of them most of a class unless names tell it.

    Arguments:
        alike: int (n,), equal for near copies, and for equal images.
        sketches: float32 (n, d), of the whole images.
        held_back: how many images that resemble others are in none of these already.
    """
    _, kept, inverse = np.unique(images.hashes, return_index=True, return_inverse=True)
    group = np.unique(alike[kept], return_inverse=True)[1]
    group, too_large = _without_swallowed(group, inverse, images.labels)
    by_content = len(np.unique(group)) < len(kept)
    runs = find_bursts(list(images.names), images.labels, sketches)
    ids = tied_together(len(images), runs.first, runs.second)
    ids = np.unique(unit_keys(_ranks(group[inverse]), ids), return_inverse=True)[1]
    held = held_back + too_large
    notes = (
        f"{say_count(held, 'image that resembles others is', 'images that resemble others are')} not kept together "
        "with them: too many, too loosely alike; "
        "--groups COLUMN, folder or a pattern on names says what belongs together",
    )
    by = " and ".join(["content"] * by_content + ["names"] * bool(runs.bursts)) or "content"
    return Groups(ids, by, notes if held else ())


def _ranks(ids: np.ndarray) -> np.ndarray:
    return ids.astype(np.uint64)


def _without_swallowed(group: np.ndarray, inverse: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the groups (m,) of distinct images without those that hold most of a class, and the images in these.

    Arguments:
        inverse: int (n,), which distinct image each image is.
        labels: int64 (n,).
    """
    known = labels >= 0
    of_class = np.bincount(labels[known], minlength=1)
    pairs, counts = np.unique(np.stack([labels[known], group[inverse[known]]], 1), axis=0, return_counts=True)
    several = np.bincount(group)[pairs[:, 1]] > 1
    swallowing = pairs[several & (2 * counts > of_class[pairs[:, 0]]), 1]
    freed = np.isin(group, swallowing)
    group = np.where(freed, len(group) + np.arange(len(group)), group)
    return np.unique(group, return_inverse=True)[1], int(freed.sum())
