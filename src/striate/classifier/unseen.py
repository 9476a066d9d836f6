"""Which images a model may be judged on, and what their labels are among its classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from striate.data.grouping.known import MOST_KEPT, near_known
from striate.data.imageset import ImageSet
from striate.data.labels import levelled, number_of, repr_of, same_but_for_spelling
from striate.errors import DataError, some


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The images of a source that a model may be judged on.

    Arguments:
        images: those to judge.
        labels: int64 (n,), indices into the model's classes.
        notes: what must be said about the choice.
        near: bool (n,), which are near copies of training images; None where nobody can tell.
        seen: the others of the source: those that training or the choice of the model has seen.
    """

    images: ImageSet
    labels: np.ndarray
    notes: tuple[str, ...]
    near: np.ndarray | None
    seen: ImageSet


def hold_out(
    images: ImageSet,
    trained_on: np.ndarray,
    sketches: np.ndarray,
    classes: Sequence[str],
    notes: Sequence[str] = (),
    compared: bool = False,
) -> HeldOut:
    """Return which of a source's images a model may be judged on.

    Arguments:
        trained_on: uint64 (m,), digests of the images that training or the choice of the model has seen.
        sketches: int8 (s, d), by which near copies of those are known again; perhaps none.
        classes: the model's.
        notes: what must be said of the source.
        compared: whether the groups of the images hold all near copies among them, found by comparing their pixels.

    Raises:
        DataError: no labels, a class that the model does not know, or nothing left to judge.
    """
    kept, told = unseen(images, trained_on)
    seen = images.subset(np.flatnonzero(~np.isin(images.rows, kept.rows)))
    labels, matched = labels_among(kept, classes)
    known = compared and bool(np.isin(trained_on, images.hashes).all())  # sketches would tell less, of the same images
    near, looked = _near_seen(images, kept, trained_on, np.zeros((0, 0), np.int8) if known else sketches)
    return HeldOut(kept, labels, (*notes, *told, *matched, *looked), near, seen)


def _near_seen(
    images: ImageSet, kept: ImageSet, trained_on: np.ndarray, sketches: np.ndarray
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return bool (n,), which of the kept images are near copies of seen ones, and what must be said of the search.

    Those that are seen and of the source are known by its groups, all others by the sketches that a model keeps.
    """
    near, notes = None, ()
    seen = np.isin(images.hashes, trained_on)
    if kept.sketches is not None and len(kept):
        near = near_known(kept.sketches, sketches)
        if near is not None and MOST_KEPT <= len(sketches) < len(trained_on):
            notes = (
                f"near copies are looked for among {len(sketches):,} of the {len(trained_on):,} images that training "
                "has seen: a model keeps no more",
            )
    if images.groups is not None and kept.groups is not None and seen.any():
        together = np.isin(kept.groups, images.groups[seen])
        near = together if near is None else near | together
    return near, notes


def unseen(images: ImageSet, trained_on: np.ndarray) -> tuple[ImageSet, tuple[str, ...]]:
    """Return the images to judge, and what must be said about the choice.

    Arguments:
        trained_on: uint64 (m,), digests of the images that training or the choice of the model has seen.

    Raises:
        DataError: all images were seen.
    """
    notes: list[str] = []
    own_test = np.flatnonzero(images.splits == "test")
    seen = np.isin(images.hashes, trained_on)
    if 0 < len(own_test) < len(images):
        notes.append(f"the source's own test split was judged, {len(own_test):,} of {len(images):,} images")
        images, seen = images.subset(own_test), seen[own_test]
    if not len(own_test) and seen.any():
        notes.append(f"{int(seen.sum()):,} of {len(images):,} images were seen in training and are left out")
        images, seen = images.subset(np.flatnonzero(~seen)), seen[~seen]
    elif seen.any():
        count = f"{int(seen.sum()):,} of the {len(images):,} test images"
        notes.append(f"{count} are also among those that trained or chose the model")
    if not len(images):
        raise DataError(
            "all images were seen in training, so their accuracy would say nothing. Give images that are new"
        )
    return images, tuple(notes)


def labels_among(images: ImageSet, classes: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the labels of images, int64 (n,), as indices into a model's classes, and what must be said about them.

    A label that is no class by its letters is one by its number: 7 is 00007.

    Raises:
        DataError: an image has no label, or one that the model does not know.
    """
    if (images.labels < 0).any():
        count = int((images.labels < 0).sum())
        raise DataError(f"evaluation needs a label for every image; {count:,} of {len(images):,} have none")
    used = [images.classes[i] for i in np.unique(images.labels)]
    index = {name: i for i, name in enumerate(classes)}
    numbers = Counter(number_of(name) for name in classes)
    by_number = {number: name for name in classes if (number := number_of(name)) is not None and numbers[number] == 1}
    known = {
        name: by_number[number]
        for name in used
        if name not in index and (number := number_of(name)) is not None and number in by_number
    }
    if foreign := [name for name in used if name not in index and name not in known]:
        raise DataError(
            f"the data has {'a class' if len(foreign) == 1 else f'{len(foreign)} classes'} that the model does not "
            f"know: {_few(foreign)}. The model knows {_few(classes)}{_nearly(foreign, classes)}"
        )
    labels = np.array([index.get(known.get(name, name), -1) for name in images.classes], np.int64)[images.labels]
    return labels, _matched(known)


def _matched(known: Mapping[str, str]) -> tuple[str, ...]:
    if not known:
        return ()
    listed = some([f"{name} is {chosen}" for name, chosen in known.items()], 3)
    return (f"labels are matched to the model's classes as numbers: {listed}",)


def _nearly(foreign: Sequence[str], classes: Sequence[str]) -> str:
    """Return a sentence on the first unknown class that only spelling tells from one that is known, or nothing."""
    near = {levelled(name): name for name in classes}
    pair = next(((name, near[levelled(name)]) for name in foreign if levelled(name) in near), None)
    if pair is None:
        return ""
    ((_, what),) = same_but_for_spelling(pair)
    return f". {repr_of(pair[0])} and {repr_of(pair[1])} differ only in {what}: give them one name"


def _few(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" … ({len(names)} in all)" if len(names) > most else "")
