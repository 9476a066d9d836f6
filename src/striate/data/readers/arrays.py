"""Images in memory: arrays, and any iterable of (image, label)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from striate.data.catalog import Catalog
from striate.data.labels import class_name, encode, naming_notes
from striate.data.ledger import Ledger
from striate.data.readers.assembling import displayable, numbered, unique, used
from striate.data.readers.scaling import Scaled, as_pixels, as_pixels_each
from striate.errors import DataError


class ArrayPart(NamedTuple):
    """The arrays of one split: `images` as people store them, `labels` likewise or None, and what they are called."""

    name: str
    images: np.ndarray
    labels: np.ndarray | None


def catalog_of(
    source: str, form: str, parts: Mapping[str, ArrayPart], class_names: Sequence[str] | None = None
) -> Catalog:
    """Return the catalog of {split: part}; the split is "" where there is none.

    Arguments:
        source, form: as in the catalog.
        parts: the arrays of each split.
        class_names: the names of the classes 0, 1, 2…, if whole numbers are the labels and have names.

    Raises:
        DataError: the images are none, or the labels do not go with them.
    """
    scaled = as_pixels(source, [(part.name, part.images) for part in parts.values()])
    names: list[str | None] = []
    for part in parts.values():
        names += _class_names(f"{source}: the labels of {part.name}", part.labels, len(part.images), class_names)
    known = class_names if class_names is not None and set(class_names).issuperset(filter(None, names)) else None
    labels, classes = encode(names, known)
    splits = np.repeat(np.array(list(parts), dtype="U5"), [len(part.images) for part in parts.values()])
    numbers = numbered(splits)
    notes = naming_notes(names) if known is None else ()
    ledger = used(numbers, scaled.repair)
    found = Catalog(source, form, numbers, scaled.pixels, labels, classes, splits, ledger, notes=notes)
    return replace(found, raw=scaled.raw, window=scaled.window)


def _class_names(where: str, labels: Any, count: int, class_names: Sequence[str] | None) -> list[str | None]:
    """Return the class name of each of `count` labels: numbers, strings, one-hot rows or a column."""
    if labels is None:
        return [None] * count
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 2 and array.dtype.kind in "biuf" and _one_hot(array):
        array = array.argmax(axis=1)
    if array.shape != (count,):
        raise DataError(f"{where} must be one for each of {count:,} images; got shape {np.shape(labels)}")
    if class_names is None or array.dtype.kind not in "iu":
        return [class_name(label) for label in array.tolist()]
    if array.size and not 0 <= array.min() <= array.max() < len(class_names):
        raise DataError(
            f"{where} must be 0 to {len(class_names) - 1}, for {len(class_names)} class names; "
            f"got {array.min()} to {array.max()}"
        )
    return [str(class_names[label]) for label in array.tolist()]


def _one_hot(array: np.ndarray) -> bool:
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def read_arrays(source: Any) -> Catalog:
    """Read images that are in memory.

    Arguments:
        source: (images, labels), images alone, or any iterable of (image, label). Images are an array (n, h, w),
            (n, h, w, c) or (n, c, h, w), or a list of arrays, PIL images or paths; a label is any value, whose class
            name is its text, or None.

    Raises:
        DataError: there are no images, they are none, or labels and images differ in number.

    >>> catalog = read_arrays([(np.zeros((2, 3), np.uint8), "dark"), (np.full((2, 3), 255, np.uint8), "light")])
    >>> catalog.images.shape, catalog.classes
    ((2, 2, 3, 1), ('dark', 'light'))
    """
    images, labels = _images_and_labels(source)
    if isinstance(images, np.ndarray):
        return catalog_of("arrays", "arrays", {"": ArrayPart("images", images, labels)})
    if not images:
        raise DataError("arrays must hold images; got none")
    if len(labels) != len(images):
        raise DataError(f"labels must be one for each of {len(images):,} images; got {len(labels):,}")
    ways, scaled = _ways(images)
    given = [class_name(label) for label in labels]
    encoded, classes = encode(given)
    splits = np.full(len(images), "", dtype="U5")
    numbers = zip(ways, numbered(splits), strict=True)
    names = unique([displayable(str(way)) if isinstance(way, Path) else number for way, number in numbers])
    arrays = [name for way, name in zip(ways, names, strict=True) if isinstance(way, np.ndarray)]
    ledger = used(names).revised(used(arrays, scaled.repair))
    notes = naming_notes(given)
    found = Catalog("arrays", "arrays", names, ways, encoded, classes, splits, Ledger(ledger), notes=notes)
    return replace(found, raw=scaled.raw, window=scaled.window)


def _images_and_labels(source: Any) -> tuple[Any, Any]:
    """Return (images, labels): an array and what was given, or two lists."""
    if isinstance(source, Image.Image):
        return [source], [None]
    if isinstance(source, tuple) and len(source) == 2 and _is_images(source[0]):
        images, labels = source
        array = _as_array(images)
        return (array, labels) if array is not None else (list(images), [_plain(label) for label in labels])
    if (array := _as_array(source)) is not None:
        return array, None
    if isinstance(source, Mapping) or not (hasattr(source, "__iter__") or hasattr(source, "__getitem__")):
        kind = type(source).__name__
        raise DataError(f"a source must be a path, a name, (images, labels) or (image, label) pairs; got a {kind}")
    items = list(source)
    if items and all(_is_image(item) for item in items):
        return items, [None] * len(items)
    for i, item in enumerate(items):
        if not (isinstance(item, tuple | list) and len(item) == 2 and _is_image(item[0])):
            raise DataError(f"a source that is iterated must give (image, label) pairs; item {i} is {_words(item)}")
    return [image for image, _ in items], [_plain(label) for _, label in items]


def _words(item: Any) -> str:
    if isinstance(item, tuple | list) and len(item) == 2:
        return f"a pair with {type(item[0]).__name__} in the place of the image"
    if shape := getattr(item, "shape", None):
        return f"an array of shape {tuple(shape)}. Images are (n, h, w) or (n, h, w, c): reshape flat rows"
    return f"a {type(item).__name__}"


def _plain(label: Any) -> Any:
    """Return the Python value of a NumPy number or a tensor of one."""
    return label.item() if hasattr(label, "item") and np.size(label) == 1 else label


def _is_image(item: Any) -> bool:
    return isinstance(item, Image.Image | str | os.PathLike) or np.ndim(getattr(item, "__array__", list)()) >= 2


def _is_images(value: Any) -> bool:
    """Whether the first of two things is a set of images and not one (image, label) pair."""
    if hasattr(value, "__array__") and not isinstance(value, Image.Image):
        return np.ndim(value) >= 3 or _holds_images(value)
    if isinstance(value, tuple) and len(value) == 2 and not all(map(_is_path, value)):
        return False  # an image and its label
    value = list(value) if isinstance(value, tuple) else value
    return isinstance(value, list) and all(_is_image(item) for item in value)


def _as_array(value: Any) -> np.ndarray | None:
    """Return an array of pixels; None for a column of paths or images, and for what is no array."""
    if not hasattr(value, "__array__") or isinstance(value, Image.Image) or _holds_images(value):
        return None
    return as_numpy(value)


def as_numpy(value: Any) -> np.ndarray:
    """Return an array or a tensor, wherever it lies, as a NumPy array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # NumPy has no such type
            value = value.float()
    return np.asarray(value)


def _holds_images(value: Any) -> bool:
    """Whether an array or a column (n,) holds paths, or objects that are images."""
    array = as_numpy(value)
    return array.ndim == 1 and array.dtype.kind in "OUT" and len(array) > 0 and all(_is_image(one) for one in array)


def _is_path(item: Any) -> bool:
    return isinstance(item, str | os.PathLike)


def _ways(images: list[Any]) -> tuple[Any, Scaled]:
    """Return what the decoder takes, and how arrays were changed: one array if all are arrays of one size."""
    ways: list[Any] = [
        image
        if isinstance(image, Image.Image)
        else Path(image)
        if isinstance(image, str | os.PathLike)
        else np.asarray(image)
        for image in images
    ]
    places = [i for i, way in enumerate(ways) if isinstance(way, np.ndarray)]
    if not places:
        return ways, Scaled(None, "")
    if len(places) == len(ways) and len({(way.shape, way.dtype) for way in ways}) == 1:
        scaled = as_pixels("arrays", [("images", np.stack(ways))])
        return scaled.pixels, scaled
    scaled = as_pixels_each("arrays", [ways[i] for i in places])
    raw = list(ways)
    for i, array in zip(places, scaled.pixels, strict=True):
        ways[i] = array
    for i, array in zip(places, scaled.raw or (), strict=False):
        raw[i] = array
    return ways, scaled._replace(raw=raw if scaled.raw else None)
