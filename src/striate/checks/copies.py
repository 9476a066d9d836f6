"""Copies: images that are in a set more than once, as they are or changed, and what that does to its figures."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.decode import WAYS, read_bytes
from striate.data.decoding.paging import file_and_page
from striate.data.grouping.alignment import align, colour_planes, light_between
from striate.data.grouping.chains import tied_together
from striate.data.grouping.colours import of_one_colouring
from striate.data.grouping.content import find_ties, laid_for_comparison
from striate.data.grouping.looks import Looks, look_at
from striate.data.grouping.turns import EVERY_TURN
from striate.data.imageset import ImageSet
from striate.errors import DecodingError
from striate.observer import Progress, silent
from striate.units import percent

COPY_KINDS = ("same file", "same pixels", "mirrored", "turned", "cropped", "relit", "alike")
# What is said of a copy: cropped if more than this share of the side is cut off or moved; relit if its contrast is
# this many times another, or its mean so many of 255 levels away.
_CROPPED, _CONTRAST, _LIGHT = 0.03, 1.1, 8.0
# Of pictures with a top few copies are turned, and chance has six more ways to turn a silhouette: so many decades more
# of evidence are asked of these.
_TURNED = 6.0
# So many pairs are laid over each other at once.
_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class Copies:
    """Which of n images are copies of each other; all positions are rows of the image set that was searched.

    Arguments:
        pairs: int64 (m, 2), i < j, sorted. k equal images are k − 1 pairs, each with the first of them.
        exact: bool (m,), whether their pixels are equal as decoded, before any resizing.
        kinds: (m,), what each pair seems to be, of `COPY_KINDS`; "alike" was encoded again, resized, blurred, marked.
        names: (n,) as in the catalog.
        labels: int64 (n,), −1 where there is none.
        splits: (n,) "train", "valid", "test" as the source says, "" where it does not.
        sketches: float32 (n, d), what was looked at of each whole image; see `data/grouping/sketches.py`.
        resembling: int64 (k, 2), upright and mirrored pairs that agree in all but their colours: no copies, but splits
            keep them together.
    """

    pairs: np.ndarray
    exact: np.ndarray
    kinds: tuple[str, ...]
    names: Sequence[str]
    labels: np.ndarray
    splits: np.ndarray
    sketches: np.ndarray
    resembling: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    @cached_property
    def ids(self) -> np.ndarray:
        """int (n,), equal for images that are copies of each other, perhaps by way of others."""
        return tied_together(len(self.names), self.pairs[:, 0], self.pairs[:, 1])

    @property
    def upright_ids(self) -> np.ndarray:
        """int (n,), what splits keep together: copies that are not turned, and what only resembles others."""
        upright = self.pairs[[kind != "turned" for kind in self.kinds]]
        first, second = np.concatenate([upright, self.resembling]).T
        return tied_together(len(self.names), first, second)

    @property
    def alike_ids(self) -> np.ndarray:
        """int (n,), equal for copies however they lie, and for what resembles others."""
        first, second = np.concatenate([self.pairs, self.resembling]).T
        return tied_together(len(self.names), first, second)

    @cached_property
    def groups(self) -> tuple[np.ndarray, ...]:
        """Every group of copies, int64 (k,) positions in order, the largest first."""
        return _groups(self.ids)

    @cached_property
    def exact_groups(self) -> tuple[np.ndarray, ...]:
        """Groups of images with equal pixels."""
        return _groups(self._exact_ids)

    @cached_property
    def near_groups(self) -> tuple[np.ndarray, ...]:
        """Those of the groups that hold more than equal images."""
        return tuple(group for group in self.groups if len(np.unique(self._exact_ids[group])) > 1)

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.groups)

    @property
    def conflicting(self) -> np.ndarray:
        """bool (m,), pairs with two labels."""
        first, second = self.labels[self.pairs].T
        return (first != second) & (first >= 0) & (second >= 0)

    @cached_property
    def conflicting_groups(self) -> tuple[np.ndarray, ...]:
        """Groups with more than one label."""
        return tuple(g for g in self.groups if len({label for label in self.labels[g].tolist() if label >= 0}) > 1)

    @property
    def across(self) -> np.ndarray:
        """bool (m,), pairs that the source itself puts into different splits."""
        first, second = self.splits[self.pairs].T
        return first != second

    @cached_property
    def leaking_groups(self) -> tuple[np.ndarray, ...]:
        """Groups that hold a test image and one that is none: it is trained or chosen by."""
        return tuple(g for g in self.groups if (self.splits[g] == "test").any() and self._taught[g].any())

    @cached_property
    def leaked(self) -> np.ndarray:
        """int64 (h,), the test images that have a copy among the others."""
        found = [g[self.splits[g] == "test"] for g in self.leaking_groups]
        return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)

    @property
    def leaked_share(self) -> float:
        """The share of the test images that have a copy among the others; 0 without test images."""
        test = int((self.splits == "test").sum())
        return len(self.leaked) / test if test else 0.0

    def kind_of(self, group: np.ndarray) -> str:
        """Return what most pairs of one of the groups seem to be."""
        inside = np.isin(self.pairs[:, 0], group)  # the other image is in the same group
        found = Counter(kind for kind, own in zip(self.kinds, inside, strict=True) if own)
        return found.most_common(1)[0][0]

    def named(self, group: np.ndarray) -> list[str]:
        """Return the names of the images of a group."""
        return [self.names[int(i)] for i in group]

    @property
    def sentence(self) -> str:
        """What a user is told; empty where there are no copies."""
        if not self.count:
            return ""
        exact, near = len(self.exact_groups), len(self.near_groups)
        parts = [f"{n:,} group{'s' * (n > 1)} of {what} copies" for n, what in ((exact, "exact"), (near, "near")) if n]
        said = " and ".join(parts)
        if n := len(self.conflicting_groups):
            said += f"; {n:,} with different labels"
        if n := len(self.leaked):
            said += f"; {n:,} test images ({percent(self.leaked_share, 1)}) have a copy that is trained on or chosen by"
        return said

    @cached_property
    def _exact_ids(self) -> np.ndarray:
        return tied_together(len(self.names), self.pairs[self.exact, 0], self.pairs[self.exact, 1])

    @property
    def _taught(self) -> np.ndarray:
        return self.splits != "test"


def find_copies_in(images: ImageSet, catalog: Catalog | None = None, progress: Progress = silent) -> Copies:
    """Return the exact and near copies in a set of images, whichever way they are turned.

    They are found as groups are for splits, in all eight ways of turning and mirroring. Images of one plain colour are
    no near copies of others.

    Arguments:
        images: the whole set, all splits together.
        catalog: tells equal files from equal pixels, where given.
        progress: told how far it is.
    """
    equal, same = _equal_pairs(images.hashes), np.zeros(0, bool)
    if catalog is not None:
        same = _same_files(equal, images.names, catalog)
    looks = look_at(images, progress) if len(images) else None
    near, kinds, resembling = _near_pairs(images, looks, progress)
    pairs = np.concatenate([equal, near])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    said = ["same file" if i < len(same) and same[i] else "same pixels" for i in range(len(equal))] + kinds
    return Copies(
        pairs[order], (np.arange(len(pairs)) < len(equal))[order], tuple(said[i] for i in order), images.names,
        images.labels, images.splits, looks.views[0] if looks else np.zeros((0, 0), np.float32),
        resembling,
    )  # fmt: skip


def _groups(ids: np.ndarray) -> tuple[np.ndarray, ...]:
    order = np.argsort(ids, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(ids[order])) + 1) if len(ids) else []
    return tuple(sorted((part for part in parts if len(part) > 1), key=lambda part: (-len(part), part[0])))


def _equal_pairs(hashes: np.ndarray) -> np.ndarray:
    """Return int64 (m, 2): each image with the first of those that it equals."""
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    first = first[inverse]
    later = np.flatnonzero(first != np.arange(len(hashes)))
    return np.stack([first[later], later], 1).astype(np.int64)


def _same_files(pairs: np.ndarray, names: Sequence[str], catalog: Catalog) -> np.ndarray:
    """Return bool (m,), which pairs have equal bytes; files are read where pixels are equal only."""
    if isinstance(catalog.images, np.ndarray) or not len(pairs):
        return np.zeros(len(pairs), bool)
    ways: dict[str, object] = dict(zip(catalog.names, catalog.images, strict=True))
    digests: dict[int, object] = {}
    for i in map(int, np.unique(pairs)):
        way = ways.get(names[i])
        digests[i] = i  # what cannot be read again equals nothing
        if isinstance(way, WAYS):
            with suppress(DecodingError, OSError):
                file, page = file_and_page(way)
                digests[i] = (hashlib.blake2b(read_bytes(file)).digest(), page)
    return np.array([digests[i] == digests[j] for i, j in pairs.tolist()])


def _near_pairs(images: ImageSet, looks: Looks | None, progress: Progress) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the pairs of near copies, int64 (m, 2), their kinds, and the pairs that splits keep together beside them.

    Of equal images the first stands for all.
    """
    nothing = np.zeros((0, 2), np.int64)
    if looks is None:
        return nothing, [], nothing
    kept = np.sort(np.unique(images.hashes, return_index=True)[1])
    looks = looks.at(kept)
    ties = find_ties(looks, EVERY_TURN, progress)
    pairs = np.stack([kept[ties.first], kept[ties.second]], 1).astype(np.int64)
    margin = ties.margin - _TURNED * (ties.turn > 1)
    kinds, same = [], np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        one, other = laid_for_comparison(looks.small, ties.first[some], ties.second[some], ties.turn[some])
        warp = align(one, other, ties.zoom[some])
        kinds += _kinds(one, other, warp, ties.turn[some])
        first, second = (colour_planes(images.pixels[images.rows[side]]) for side in pairs[some].T)
        same[some] = of_one_colouring(first, second, ties.turn[some], warp, margin[some])
    same &= margin > 0
    upright = ties.turn < 2
    return pairs[same], [kind for kind, is_one in zip(kinds, same, strict=True) if is_one], pairs[~same & upright]


def _kinds(one: np.ndarray, other: np.ndarray, warp: np.ndarray, turn: np.ndarray) -> list[str]:
    """Return what each pair of small gray images seems to be, the other turned and to be laid over the one."""
    contrast, light = light_between(one, other, warp)
    moved = np.abs(warp - np.eye(2, 3, dtype=np.float32)).max((1, 2)) > 2 * _CROPPED
    relit = (np.abs(np.log(contrast)) > np.log(_CONTRAST)) | (np.abs(light) > _LIGHT)
    of = np.select([turn == 1, turn > 1, moved, relit], [2, 3, 4, 5], 6)
    return [COPY_KINDS[i] for i in of]
