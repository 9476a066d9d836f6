"""Which images a model may be judged on, and what their labels are among its classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from striate.data.imageset import ImageSet
from striate.errors import DataError


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
        notes.append(f"{int(seen.sum()):,} of the {len(images):,} test images are also among the training images")
    if not len(images):
        raise DataError(
            "all images were seen in training, so their accuracy would say nothing. Give images that are new"
        )
    return images, tuple(notes)


def labels_among(images: ImageSet, classes: Sequence[str]) -> np.ndarray:
    """Return the labels of images, int64 (n,), as indices into a model's classes.

    Raises:
        DataError: an image has no label, or one that the model does not know.
    """
    if (images.labels < 0).any():
        count = int((images.labels < 0).sum())
        raise DataError(f"evaluation needs a label for every image; {count:,} of {len(images):,} have none")
    used = [images.classes[i] for i in np.unique(images.labels)]
    if foreign := [name for name in used if name not in classes]:
        raise DataError(
            f"the data has {'a class' if len(foreign) == 1 else f'{len(foreign)} classes'} that the model does not "
            f"know: {_few(foreign)}. The model knows {_few(classes)}"
        )
    index = {name: i for i, name in enumerate(classes)}
    return np.array([index.get(name, -1) for name in images.classes], np.int64)[images.labels]


def _few(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" … ({len(names)} in all)" if len(names) > most else "")
