"""Splits that hold still: decided by each image's pixels and the seed, never by its place or its neighbours.

An image's hash and the seed give a number u in [0, 1); the ratios cut [0, 1) into train, valid and test. Identical
images therefore always stay together, and adding images moves none of the others. Only where a class would be missing
from a split is one of its images moved there: the one whose u is nearest.

Images of one group stay together too: all that is tied by equal pixels or by a group goes by its smallest hash. Where
the groups of a class are large, chance would miss the ratios; they are then laid end to end in the order of u, each as
long as it has images, and that line is cut.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from striate.data.catalog import SPLITS
from striate.data.imageset import ImageSet
from striate.data.ratios import DEFAULT_RATIOS, Ratios, check_ratios
from striate.errors import DataError

T = TypeVar("T")
# From so many images on, in the group of an image of a class on average, shares are counted and not left to chance.
LARGE_GROUPS = 2.0


@dataclass(frozen=True, eq=False)
class Splits(Generic[T]):
    """Three parts of a set, any but `train` perhaps empty, and `notes`, what a user should be told about them.

    By the user's wish some images teach nothing. `left_out`, uint64 (m,), are the hashes of those that were taken from
    `train`: they are no new ones to judge a model by. `barred`, int64 (m,), are those of `valid.rows` whose images
    choose, and must not be learned from even when the rest of these is.
    """

    train: T
    valid: T
    test: T
    notes: tuple[str, ...] = ()
    left_out: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    barred: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def split(imageset: ImageSet, ratios: Sequence[float] = DEFAULT_RATIOS, seed: int = 0) -> Splits[ImageSet]:
    """Split an image set as its source says, and by hash where the source says nothing.

    Arguments:
        imageset: images with labels; those without a label are in no part.
        ratios: shares of train, valid and test; what the source splits itself stays as it is.
        seed: another seed gives another split.

    Returns:
        `Splits` of image sets.

    Raises:
        ArgumentError: ratios that are none.
        DataError: no image has a label, or the source has splits of its own but no train split.
    """
    rows = split_rows(
        imageset.hashes,
        imageset.labels,
        imageset.splits,
        ratios,
        seed,
        classes=imageset.classes,
        names=imageset.names,
        groups=imageset.groups,
    )
    parts = (imageset.subset(part) for part in (rows.train, rows.valid, rows.test))
    return Splits(*parts, notes=rows.notes)


def split_rows(
    hashes: np.ndarray,
    labels: np.ndarray,
    own: np.ndarray,
    ratios: Sequence[float] = DEFAULT_RATIOS,
    seed: int = 0,
    *,
    classes: Sequence[str] = (),
    names: Sequence[str] = (),
    groups: np.ndarray | None = None,
) -> Splits[np.ndarray]:
    """Split rows by the hashes of their images; see `split`.

    A class with at least as many distinct images or groups as there are splits appears in each of them; one with fewer
    is in train first, then in valid, and named in the notes. What the source says goes before groups. Where the source
    has train and test but no valid, valid is taken out of train; where it has no test, there is none.

    Arguments:
        hashes: uint64 (n,), equal for identical images.
        labels: int64 (n,); rows with −1 are in no part.
        own: (n,) "train", "valid", "test" or "", what the source says.
        ratios: shares of train, valid and test.
        seed: any whole number.
        classes: (k,) class names, for the notes.
        names: (n,) image names, for the notes.
        groups: int (n,), equal for images that stay on one side; None: each stands alone.

    Returns:
        `Splits` of int64 arrays, each ascending.

    Raises:
        ArgumentError, DataError: as `split`.
    """
    train, valid, test = check_ratios(ratios)
    labelled = np.flatnonzero(labels >= 0)
    if not len(labelled):
        raise DataError("nothing to split: no image has a label")
    said = set(own[labelled].tolist()) - {""}
    notes = label_conflicts(hashes[labelled], labels[labelled], labelled, classes, names)
    part = np.full(len(labels), -1)
    keys = unit_keys(hashes, groups)
    if said <= {"train"}:
        part[labelled], missing = _by_hash(keys[labelled], labels[labelled], (train, valid, test), seed)
        notes += _missing_note(missing, classes)
    else:
        notes += _follow_source(part, said, keys, labels, own, (train, valid), seed, classes)
        notes += shared_notes(hashes[part == 0], hashes[part == 1], hashes[part == 2])
    rows = (np.flatnonzero(part == i) for i in range(3))
    return Splits(*rows, notes=notes)


def _follow_source(
    part: np.ndarray,
    said: set[str],
    keys: np.ndarray,
    labels: np.ndarray,
    own: np.ndarray,
    shares: tuple[float, float],
    seed: int,
    classes: Sequence[str],
) -> tuple[str, ...]:
    """Fill `part` (n,) with 0, 1, 2 as the source says, and return the notes."""
    if "train" not in said:
        raise DataError(
            f"the source splits its images itself but has no train split; got only {', '.join(sorted(said))}. "
            "Name a folder train, or merge the splits"
        )
    notes: tuple[str, ...] = ()
    for i, name in enumerate(SPLITS):
        part[(labels >= 0) & (own == name)] = i
    if loose := int(((labels >= 0) & (own == "")).sum()):
        part[(labels >= 0) & (own == "")] = 0
        notes += (
            f"{loose:,} image{'s' * (loose > 1)} that the source puts into no split {_are(loose)} used for training",
        )
    if "valid" not in said and shares[1] > 0:
        rows = np.flatnonzero(part == 0)
        part[rows], missing = _by_hash(keys[rows], labels[rows], (*shares, 0.0), seed)
        notes += _missing_note(missing, classes)
    if "test" not in said:
        notes += ("the source has no test split, so nothing is held back for the final test",)
    return notes


def unit_keys(hashes: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return uint64 (n,), equal for images that stay together: the smallest hash of all that equality and groups tie.

    >>> unit_keys(np.array([5, 3, 9, 3], np.uint64), np.array([0, 0, 1, 1])).tolist()
    [3, 3, 3, 3]
    """
    if groups is None or not len(hashes):
        return hashes
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    images, ids = (np.unique(each, return_inverse=True)[1] for each in (hashes, groups))
    nodes = int(images.max()) + 1
    ties = coo_array((np.ones(len(ids), bool), (images, nodes + ids)), (nodes + int(ids.max()) + 1,) * 2)
    component = connected_components(ties, directed=False)[1][images]
    smallest = np.full(int(component.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, component, hashes.astype(np.uint64))
    return smallest[component]


def fold_rows(
    hashes: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal images out to folds, class by class, so that each is judged by what its likes did not teach.

    Equal images and those of one group are dealt together, the largest first, in the order that hash and seed give;
    each goes to the fold with the fewest images of its class (its most frequent label), then the fewest of all.

    Arguments:
        hashes: uint64 (n,), equal for identical images.
        labels: int64 (n,).
        groups: int (n,), equal for images that stay together; None: each stands alone.
        count: how many folds.
        seed: any whole number.

    Returns:
        For each fold (train, valid), int64 positions, ascending; a fold without images is left out.
    """
    keys, unit = np.unique(unit_keys(hashes, groups), return_inverse=True)
    sizes, classes = np.bincount(unit), _main_class(unit, labels)
    order = np.lexsort((unit_hash(keys, seed), -sizes, classes))
    turn, dealt, held = np.empty(len(keys), np.int64), [[0] * count for _ in range(int(labels.max()) + 1)], [0] * count
    for u, c, size in zip(order.tolist(), classes[order].tolist(), sizes[order].tolist(), strict=True):
        fold = min(range(count), key=lambda f, own=dealt[c]: (own[f], held[f]))
        turn[u] = fold
        dealt[c][fold] += size
        held[fold] += size
    turn = turn[unit]
    return [(np.flatnonzero(turn != fold), np.flatnonzero(turn == fold)) for fold in range(count) if held[fold]]


def _main_class(unit: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the most frequent label (m,) of each unit 0…m − 1; of equally frequent ones the first."""
    pairs, counts = np.unique(np.stack([unit, labels], 1), axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], -counts, pairs[:, 0]))
    return pairs[order, 1][np.unique(pairs[order, 0], return_index=True)[1]]


def unit_hash(hashes: np.ndarray, seed: int) -> np.ndarray:
    """Return float64 (n,) in [0, 1), a function of each hash (uint64) and the seed alone.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    """
    salt = hashlib.blake2b(str(int(seed)).encode(), digest_size=8).digest()
    mixed = hashes.astype(np.uint64) ^ np.frombuffer(salt, "<u8").astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


def _by_hash(keys: np.ndarray, labels: np.ndarray, ratios: Ratios, seed: int) -> tuple[np.ndarray, dict[int, int]]:
    """Return the part (n,) of each row, and {class: distinct images} of the classes that some part lacks."""
    distinct, inverse = np.unique(keys, return_inverse=True)
    u = _evened(unit_hash(distinct, seed), inverse, labels)
    upper = np.cumsum(ratios)
    edges = np.concatenate([[0.0], upper / upper[-1]])  # the last, and those of empty parts at the end, exactly 1
    part = np.searchsorted(edges[1:3], u, side="right")
    missing = _spread_classes(part, u, edges, inverse, labels, [i for i in range(3) if ratios[i] > 0])
    return part[inverse], missing


def _evened(u: np.ndarray, unit: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return `u` (m,) with the units of classes of large groups laid end to end, each at its middle in [0, 1)."""
    sizes, classes, u = np.bincount(unit), _main_class(unit, labels), u.copy()
    for c in np.unique(classes):
        own = np.flatnonzero(classes == c)
        own = own[np.argsort(u[own], kind="stable")]
        total = sizes[own].sum()
        if (sizes[own] ** 2).sum() > LARGE_GROUPS * total:
            u[own] = (np.cumsum(sizes[own]) - sizes[own] / 2) / total
    return u


def _spread_classes(
    part: np.ndarray, u: np.ndarray, edges: np.ndarray, inverse: np.ndarray, labels: np.ndarray, wanted: list[int]
) -> dict[int, int]:
    """Move distinct images in `part` (m,) so that each class is in the parts `wanted`, as far as it has images.

    Returns:
        {class: distinct images} of the classes that still lack a part.
    """
    pairs = np.unique(np.stack([labels, inverse], 1), axis=0)  # each class with each of its distinct images, once
    owner, image = pairs[np.argsort(pairs[:, 1], kind="stable")].T
    counts = np.zeros((int(labels.max()) + 1, 3), np.int64)
    np.add.at(counts, (pairs[:, 0], part[pairs[:, 1]]), 1)
    distinct = counts.sum(1)
    # a class with fewer images than parts fills the first parts: it is trained on before it is tested
    needed = np.zeros_like(counts, dtype=bool)
    for rank, i in enumerate(wanted):
        needed[:, i] = distinct > rank

    def owners(g: int) -> np.ndarray:
        return owner[np.searchsorted(image, g) : np.searchsorted(image, g, side="right")]

    def can_leave(g: int) -> bool:
        classes = owners(g)
        return not (needed[classes, part[g]] & (counts[classes, part[g]] == 1)).any()

    for c, i in np.argwhere(needed & (counts == 0)):
        if counts[c, i]:
            continue  # came along with another class that shares the image
        images = pairs[np.searchsorted(pairs[:, 0], c) : np.searchsorted(pairs[:, 0], c, side="right"), 1]
        distance = np.maximum(edges[i] - u[images], u[images] - edges[i + 1])
        nearest = next((g for g in images[np.argsort(distance, kind="stable")] if can_leave(g)), None)
        if nearest is not None:
            counts[owners(nearest), part[nearest]] -= 1
            counts[owners(nearest), i] += 1
            part[nearest] = i
    lacking = np.flatnonzero((distinct > 0) & (counts[:, wanted] == 0).any(1))
    return {int(c): int(distinct[c]) for c in lacking}


def _missing_note(missing: dict[int, int], classes: Sequence[str]) -> tuple[str, ...]:
    if not missing:
        return ()
    named = [f"{classes[c] if c < len(classes) else c} ({n})" for c, n in list(missing.items())[:5]]
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    return (f"too few distinct images to be in every split: {', '.join(named)}{more}",)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def label_conflicts(
    hashes: np.ndarray, labels: np.ndarray, rows: np.ndarray, classes: Sequence[str], names: Sequence[str]
) -> tuple[str, ...]:
    """Say how many images have an identical twin under another label, with the first pair.

    Arguments:
        hashes, labels: (m,), of the images that are looked at.
        rows: int (m,), their places in `names`.
        classes, names: as of `split_rows`.
    """
    order = np.lexsort((rows, labels, hashes))
    sorted_hashes, sorted_labels = hashes[order], labels[order]
    clash = np.flatnonzero((sorted_hashes[1:] == sorted_hashes[:-1]) & (sorted_labels[1:] != sorted_labels[:-1]))
    if not len(clash):
        return ()
    count = int(np.isin(hashes, sorted_hashes[clash]).sum())
    pair = sorted(int(rows[order[clash[0] + i]]) for i in (0, 1))
    label_of = dict(zip(rows.tolist(), labels.tolist(), strict=True))
    said = [
        f"{names[row] if row < len(names) else f'row {row}'} "
        f"({classes[label_of[row]] if label_of[row] < len(classes) else label_of[row]})"
        for row in pair
    ]
    return (f"{count:,} images are identical to one with another label, such as {said[0]} and {said[1]}",)


def groups_learned(splits: Splits[ImageSet]) -> np.ndarray | None:
    """Return the groups of all images that a run learns from or chooses by; None where images have no groups."""
    train, valid = splits.train.groups, splits.valid.groups
    return None if train is None or valid is None else np.union1d(train, valid)


def shared_notes(train: np.ndarray, valid: np.ndarray, test: np.ndarray) -> tuple[str, ...]:
    """Say how many images that measure are on a side too that has taught before, by their hashes."""
    chosen_by, notes = np.setdiff1d(valid, train), []
    for hashes, name, others, what in (
        (valid, "valid", train, "trained on"), (test, "test", train, "trained on"),
        (test, "test", chosen_by, "chosen by"),
    ):  # fmt: skip
        if shared := int(np.isin(hashes, others).sum()):
            notes.append(f"{shared:,} of the {name} images {_are(shared)} identical to one that is {what}")
    return tuple(notes)
