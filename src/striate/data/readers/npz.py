"""Arrays in `.npz` and `.npy` files."""

from __future__ import annotations

import math
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.catalog import SPLITS, Catalog
from striate.data.labels import class_name
from striate.data.readers.arrays import ArrayPart, catalog_of
from striate.data.readers.bombs import check_declared_size
from striate.data.readers.split_names import split_of
from striate.errors import DataError, brief
from striate.system.archives import DAMAGED

_IMAGE_KEYS = ("images", "image", "x", "data", "imgs", "pixels", "features", "inputs", "arr_0")
_LABEL_KEYS = ("labels", "label", "y", "targets", "target", "classes", "class", "fine_labels", "outputs", "arr_1")
_LONGEST_HEADER = 1 << 17
# An array longer than this is taken for rows of numbers.
_LONGEST_STRIP = 4
_NAME_KEYS = ("class_names", "label_names", "classes", "target_names")


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


def is_npz(path: Path) -> bool:
    """Return whether a zip holds arrays at its top, or is called `.npz` and holds some or is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            named = path.suffix.lower() == ".npz"
            return any(name.endswith(".npy") and (named or "/" not in name) for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return path.suffix.lower() == ".npz"


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
            arrays = _Members(path, archive)
            roles = _roles(arrays)
            if not roles:
                raise DataError(_no_images(path, arrays))
            named = next((key for key in arrays if key.casefold() in _NAME_KEYS and arrays.is_names(key)), None)
            taken = {key for keys in roles.values() for key in keys.values()}
            class_names = [str(class_name(v)) for v in arrays[named].tolist()] if named and named not in taken else None
            parts = _parts(roles, arrays)
    except DataError:
        raise
    except DAMAGED as error:
        raise DataError(f"{path} is a damaged .npz ({brief(error)}). Get it again") from None
    return catalog_of(str(path), "npz", parts, class_names)


def _parts(roles: Mapping[str, Mapping[str, str]], arrays: Mapping[str, np.ndarray]) -> dict[str, ArrayPart]:
    """Return {split: part}, train first."""
    return {
        split: ArrayPart(roles[split]["images"], arrays[roles[split]["images"]], _labels(roles[split], arrays))
        for split in (*SPLITS, "")
        if split in roles
    }


def _labels(keys: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    return arrays[keys["labels"]] if "labels" in keys else None


def _no_images(path: Path, keys: Iterable[str]) -> str:
    listed = ", ".join(sorted(keys)[:8]) or "nothing"
    hint = "Rename them to images and labels"
    if not any("." not in key for key in keys):
        hint = "Is it a zip of image files? Unpack it and give the folder"
    return f"{path} must hold an array of images (images, X, x_train…); it holds {listed}. {hint}"


class _Members(Mapping[str, np.ndarray]):
    """The arrays of an open .npz, each read when asked for and checked before it is allocated."""

    def __init__(self, path: Path, archive: zipfile.ZipFile):
        self._path, self._archive = path, archive
        self._infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)

    def __getitem__(self, key: str) -> np.ndarray:
        where, info = f"{self._path}: {key}", self._infos[key]
        with self._archive.open(info) as file:
            shape, kind = _header(file, where)
        size_bytes = math.prod(shape) * kind.itemsize
        if not 0 <= info.file_size - size_bytes <= _LONGEST_HEADER:
            raise DataError(f"{where} declares {size_bytes:,} bytes; its file holds {info.file_size:,}. Get it again")
        check_declared_size(where, size_bytes, self._path.stat().st_size, compressed=True)
        with self._archive.open(info) as file:
            return _values(file, where)

    def is_names(self, key: str) -> bool:
        """Return whether an array is a row of strings."""
        with self._archive.open(self._infos[key]) as file:
            shape, kind = _header(file, f"{self._path}: {key}")
        return len(shape) == 1 and kind.kind in "US"


def _header(file: Any, where: str) -> tuple[tuple[int, ...], np.dtype]:
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = reader(file)
    except (zipfile.BadZipFile, zlib.error, OSError):
        raise
    except Exception as error:  # a damaged header can fail in any way
        raise DataError(f"{where} is no array ({brief(error)}). Get it again") from None
    if min(shape, default=0) < 0:
        raise DataError(f"{where} declares the shape {shape}. Get it again")
    if kind.hasobject:
        raise DataError(
            f"{where} holds Python objects, which could run code; nothing of it was run. Save it as numbers"
        )
    return shape, kind


def _values(file: Any, where: str) -> np.ndarray:
    try:
        array = np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise DataError(f"{where} is damaged ({brief(error)}). Get it again") from None
    if array.dtype.kind == "U" and array.size:
        letters = np.ascontiguousarray(array).reshape(-1).view(array.dtype.str[0] + "u4")
        if letters.max(initial=0) > sys.maxunicode:
            raise DataError(f"{where} is damaged (it has characters that Unicode does not know). Get it again")
    return array


def holds_one_image(path: Path) -> bool:
    """Return whether a `.npy` file holds one image, (h, w) or colour (h, w, c), and not many or rows of features."""
    try:
        with open(path, "rb") as file:
            shape, _ = _header(file, str(path))
    except DataError:
        return False
    sides, channels = shape[:2], shape[2:]
    plain = len(sides) == 2 and 4 < max(sides) <= _LONGEST_STRIP * min(sides)
    return plain and (not channels or (len(channels) == 1 and channels[0] in (3, 4) and min(sides) > 4))


def load_npy(path: Path) -> np.ndarray:
    """Return the array of a `.npy` file, its size checked before it is allocated; no Python objects.

    Raises:
        DataError: it is damaged or holds objects.
    """
    with open(path, "rb") as file:
        shape, kind = _header(file, str(path))
        check_declared_size(str(path), math.prod(shape) * kind.itemsize, path.stat().st_size, compressed=False)
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
    arrays = {key: load_npy(files[key]) for keys in roles.values() for key in keys.values()}
    return catalog_of(str(path), "npy", _parts(roles, arrays))
