"""Arrays in memory, in `.npz` and in `.npy` files, and any iterable of (image, label)."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from striate.data.catalog import Catalog
from striate.data.readers.assembling import check_size, class_name, encode, numbered, split_of, used
from striate.data.readers.scaling import as_pixels
from striate.errors import DataError

_IMAGE_KEYS = ("images", "image", "x", "data", "imgs", "pixels", "features", "inputs", "arr_0")
_LABEL_KEYS = ("labels", "label", "y", "targets", "target", "classes", "class", "fine_labels", "outputs", "arr_1")
_NAME_KEYS = ("class_names", "label_names", "classes", "target_names", "names")


def _roles(keys: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return {split: {"images": key, "labels": key}}, the first that fits, reading `x_train`, `train_images`, `X`…"""
    roles: dict[str, dict[str, str]] = {}
    folded = {key: key.casefold().replace("-", "_") for key in keys}
    for role, names in (("images", _IMAGE_KEYS), ("labels", _LABEL_KEYS)):
        for name in names:
            for key, text in folded.items():
                split = _split_in(text, name)
                if split is not None:
                    roles.setdefault(split, {}).setdefault(role, key)
    return {split: found for split, found in roles.items() if "images" in found}


def _split_in(text: str, name: str) -> str | None:
    """Return the split in a key made of `name` and perhaps a split's name; None if it is not such a key.

    >>> _split_in("train_images", "images"), _split_in("x", "x"), _split_in("xray", "x")
    ('train', '', None)
    """
    if text == name:
        return ""
    for rest in (text.removeprefix(name + "_"), text.removesuffix("_" + name), text.removeprefix(name)):
        if rest != text and split_of(rest):
            return split_of(rest)
    return None


def read_npz(path: Path) -> Catalog:
    """Read a `.npz` with images and labels: `images`/`labels`, `X`/`y`, `x_train`/`y_train` and the like.

    Sizes are checked before anything is allocated, and arrays of Python objects, which could run code, are refused.

    Arguments:
        path: the file. Labels may be numbers, strings or one-hot rows; `class_names` gives numbers their names.

    Raises:
        DataError: no such keys, damaged, or arrays that are not images.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            arrays = _Members(path, archive, infos)
            roles = _roles(infos)
            if not roles:
                raise DataError(_no_images(path, infos))
            names = next(
                (arrays[key] for key in infos if key.casefold() in _NAME_KEYS and _is_names(arrays, key)), None
            )
            found = {
                split: (keys["images"], arrays[keys["images"]], arrays[keys["labels"]] if "labels" in keys else None)
                for split, keys in sorted(roles.items(), key=lambda item: ("train", "valid", "test", "").index(item[0]))
            }
    except (zipfile.BadZipFile, EOFError, zlib.error, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is a damaged .npz ({error}). Get it again.") from None
    return _catalog(str(path), "npz", found, None if names is None else [str(class_name(v)) for v in names.tolist()])


def _no_images(path: Path, keys: Iterable[str]) -> str:
    listed = ", ".join(sorted(keys)[:8]) or "nothing"
    hint = "Rename them to images and labels."
    if not any("." not in key for key in keys):
        hint = "Is it a zip of image files? Unpack it and give the folder."
    return f"{path} must hold an array of images (images, X, x_train…); it holds {listed}. {hint}"


class _Members(Mapping[str, np.ndarray]):
    """The arrays of an open .npz, each read when asked for and checked before it is allocated."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, infos: Mapping[str, zipfile.ZipInfo]):
        self._path, self._archive, self._infos = path, archive, infos

    def __iter__(self):
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __getitem__(self, key: str) -> np.ndarray:
        return self.load(key)

    def header(self, key: str) -> tuple[tuple[int, ...], np.dtype]:
        """Return (shape, dtype) of an array without reading its values."""
        with self._archive.open(self._infos[key]) as file:
            return _header(file, f"{self._path}: {key}")

    def load(self, key: str) -> np.ndarray:
        where = f"{self._path}: {key}"
        shape, kind = self.header(key)
        size_bytes = math.prod(shape) * kind.itemsize
        if abs(self._infos[key].file_size - size_bytes) > 1 << 17:
            raise DataError(f"{where} declares {size_bytes:,} bytes; its file holds {self._infos[key].file_size:,}")
        check_size(where, size_bytes, self._path.stat().st_size, compressed=True)
        with self._archive.open(self._infos[key]) as file:
            return _values(file, where)


def _header(file: Any, where: str) -> tuple[tuple[int, ...], np.dtype]:
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = reader(file)
    except ValueError as error:
        raise DataError(f"{where} is no array: {error}") from None
    if kind.hasobject:
        raise DataError(
            f"{where} holds Python objects, which could run code; nothing of it was run. Save it as numbers."
        )
    return shape, kind


def _values(file: Any, where: str) -> np.ndarray:
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise DataError(f"{where} is damaged: {error}") from None


def _is_names(arrays: _Members, key: str) -> bool:
    shape, kind = arrays.header(key)
    return len(shape) == 1 and kind.kind in "US"


def load_npy(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file, its size checked before it is allocated; no Python objects.

    Raises:
        DataError: it is damaged or holds objects.
    """
    with open(path, "rb") as file:
        shape, kind = _header(file, str(path))
        check_size(str(path), math.prod(shape) * kind.itemsize, path.stat().st_size, compressed=False)
        file.seek(0)
        return _values(file, str(path))


def read_npy(path: Path) -> Catalog:
    """Read a pair of `.npy` files: images and, beside them, labels.

    Arguments:
        path: the folder of the pair, or the images file (`X.npy`, `images.npy`, `x_train.npy`…), whose partner has the
            same name with y or labels in the place of x or images.

    Raises:
        DataError: damaged, or no images among the files.
    """
    folder = path if path.is_dir() else path.parent
    files = {file.name.removesuffix(".npy"): file for file in sorted(folder.glob("*.npy"))}
    roles = _roles(files)
    if not path.is_dir():
        stem = path.name.removesuffix(".npy")
        roles = {split: keys for split, keys in roles.items() if keys["images"] == stem} or {"": {"images": stem}}
        files[stem] = path
    if not roles:
        raise DataError(_no_images(path, files))
    found = {
        split: (
            keys["images"],
            load_npy(files[keys["images"]]),
            load_npy(files[keys["labels"]]) if "labels" in keys else None,
        )
        for split, keys in sorted(roles.items(), key=lambda item: ("train", "valid", "test", "").index(item[0]))
    }
    return _catalog(str(path), "npy", found, None)


def _catalog(
    source: str,
    form: str,
    found: Mapping[str, tuple[str, np.ndarray, np.ndarray | None]],
    class_names: Sequence[str] | None,
) -> Catalog:
    """Return the catalog of {split: (key, images, labels)}."""
    pixels, detail = as_pixels(source, [(key, images) for key, images, _ in found.values()])
    labels: list[str | None] = []
    splits: list[str] = []
    for split, (key, images, given) in found.items():
        labels += _label_names(f"{source}: the labels of {key}", given, len(images), class_names)
        splits += [split] * len(images)
    encoded, classes = encode(labels, class_names)
    split_array = np.array(splits, dtype="U5")
    names = numbered(split_array)
    return Catalog(source, form, names, pixels, encoded, classes, split_array, used(names, detail))


def _label_names(where: str, labels: Any, count: int, class_names: Sequence[str] | None) -> list[str | None]:
    """Return the class name of each of `count` labels: numbers, strings, one-hot rows or a column."""
    if labels is None:
        return [None] * count
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.dtype.kind in "biuf" and _one_hot(array):
        array = array.argmax(axis=1)
    if array.shape != (count,):
        raise DataError(f"{where} must be one for each of {count:,} images; got shape {array.shape}")
    names = [class_name(label) for label in array.tolist()]
    if class_names is None or array.dtype.kind not in "iu":
        return names
    if array.size and not 0 <= array.min() <= array.max() < len(class_names):
        raise DataError(f"{where} must be below {len(class_names)}, the number of class names; got {array.max()}")
    return [class_names[label] for label in array.tolist()]


def _one_hot(array: np.ndarray) -> bool:
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def read_arrays(source: Any) -> Catalog:
    """Read images that are in memory.

    Arguments:
        source: (images, labels), images alone, or any iterable of (image, label). Images are an array (n, h, w),
            (n, h, w, c) or (n, c, h, w), or a sequence of arrays, PIL images or paths; a label is any hashable value,
            whose class name is its text, or None.

    Raises:
        DataError: there are no images, or labels and images differ in number.
    """
    images, labels = _images_and_labels(source)
    if isinstance(images, np.ndarray):
        return _catalog("arrays", "arrays", {"": ("images", images, labels)}, None)
    if not images:
        raise DataError("arrays must hold images; got none")
    ways, detail = _ways(images)
    encoded, classes = encode(_label_names("labels", labels, len(images), None))
    splits = np.full(len(images), "", dtype="U5")
    names = numbered(splits)
    return Catalog("arrays", "arrays", names, ways, encoded, classes, splits, used(names, detail))


def _images_and_labels(source: Any) -> tuple[Any, Any]:
    if isinstance(source, tuple) and len(source) == 2 and _is_images(source[0]):
        images, labels = source
        return (images if isinstance(images, np.ndarray) else _as_images(images)), labels
    if hasattr(source, "__array__"):
        return np.asarray(source), None
    try:
        pairs = list(source)
    except TypeError:
        raise DataError(
            f"a source must be a path, a name, arrays or (image, label) pairs; got {type(source)}"
        ) from None
    if pairs and not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        if all(_is_image(item) for item in pairs):
            return pairs, None
        raise DataError(f"an iterable source must give (image, label) pairs; got {type(pairs[0]).__name__}")
    return [image for image, _ in pairs], np.array([_boxed(label) for _, label in pairs], dtype=object)


def _boxed(label: Any) -> Any:
    return label.item() if hasattr(label, "item") else label


def _is_image(item: Any) -> bool:
    return isinstance(item, Image.Image | str | os.PathLike) or hasattr(item, "__array__")


def _is_images(value: Any) -> bool:
    """Whether the first of two things is a set of images and not one (image, label) pair."""
    if hasattr(value, "__array__") and not isinstance(value, Image.Image):
        return np.ndim(value) >= 3
    return isinstance(value, list) and all(_is_image(item) for item in value)


def _as_images(value: Any) -> Any:
    return np.asarray(value) if hasattr(value, "__array__") else list(value)


def _ways(images: list[Any]) -> tuple[Any, str]:
    """Return the images as one uint8 array if all are arrays of one size, else as what the decoder takes."""
    items = [
        item
        if isinstance(item, Image.Image)
        else Path(item)
        if isinstance(item, str | os.PathLike)
        else np.asarray(item)
        for item in images
    ]
    if all(isinstance(item, np.ndarray) for item in items) and len({(item.shape, item.dtype) for item in items}) == 1:
        return as_pixels("arrays", [("images", np.stack(items))])
    return items, ""
