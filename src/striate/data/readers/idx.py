"""IDX, the format of MNIST and its kin: pairs of files, gzipped or not."""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from striate.data.catalog import Catalog
from striate.data.labels import encode
from striate.data.readers.assembling import numbered, used
from striate.data.readers.bombs import check_declared_size
from striate.data.readers.scaling import as_pixels
from striate.errors import DataError, brief
from striate.observer import Progress, silent

# The third byte of the magic number says the type; values are big-endian.
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_IMAGES = re.compile(
    r"(?P<before>.*?)(?P<split>train|t10k|test|valid|val)?[-_.]?images?[-_.]idx\d[-_.]ubyte(\.gz)?", re.I
)
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_SPLIT = {"train": "train", "t10k": "test", "test": "test", "valid": "valid", "val": "valid"}


def load_idx(path: Path) -> np.ndarray:
    """Return the array in an IDX file, gzipped or not, in native byte order.

    Nothing is allocated before the declared size was compared with the file's, and no more than that is read.

    Raises:
        DataError: wrong magic number, impossible size, or more or fewer bytes than declared.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", the IDX file format.
    """
    with open(path, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            return _load(path, gzip.GzipFile(fileobj=raw) if zipped else raw, zipped)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is damaged ({brief(error)}). Get it again") from None


def _load(path: Path, file: IO[bytes] | gzip.GzipFile, zipped: bool) -> np.ndarray:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
        raise DataError(f"{path} must begin with the magic number of IDX (00 00 08 03 for images); got {head.hex(' ')}")
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise DataError(f"{path} ends within its header. Get it again")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    kind = np.dtype(_TYPES[head[2]])
    expected = math.prod(shape) * kind.itemsize
    check_declared_size(str(path), expected, path.stat().st_size, compressed=zipped)
    values = np.empty(expected, np.uint8)
    got = 0
    while got < expected and (count := file.readinto(memoryview(values)[got : got + (1 << 24)])):  # pyright: ignore
        got += count
    if got < expected or file.read(1):
        size = f"{got:,}" if got < expected else "more"
        raise DataError(f"{path} declares shape {shape}, {expected:,} bytes, and holds {size}. Get it again")
    array = values.view(kind).reshape(shape)
    return array.astype(kind.newbyteorder("="), copy=False)


_LYING = (
    "EMNIST as published has each image with rows and columns exchanged, and it is read so: what is predicted must lie "
    "likewise"
)


@dataclass(frozen=True)
class _Pair:
    split: str
    images: Path
    labels: Path | None


def _labels_beside(images: Path) -> Path | None:
    """Return the labels file that goes with an images file, gzipped or not, or None."""
    name = re.sub(r"idx\d", "idx1", re.sub(r"images?", "labels", images.name, flags=re.I), flags=re.I)
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, plain + ".gz", plain.replace("labels", "label")):
        if candidate != images.name and (images.parent / candidate).is_file():
            return images.parent / candidate
    return None


def _pairs(folder: Path) -> dict[str, list[_Pair]]:
    """Return the pairs in a folder by what stands before the split in their names (as in EMNIST's emnist-letters-)."""
    families: dict[str, dict[str, _Pair]] = {}
    for file in sorted(folder.iterdir()):
        if (match := _IMAGES.fullmatch(file.name)) and file.is_file():
            split = _SPLIT.get((match["split"] or "").lower(), "")
            family = families.setdefault(match["before"], {})
            family.setdefault(split, _Pair(split, file, _labels_beside(file)))  # of a file and its .gz, the first
    order = ("train", "valid", "test", "")
    return {key: sorted(pairs.values(), key=lambda pair: order.index(pair.split)) for key, pairs in families.items()}


def is_idx_folder(path: Path) -> bool:
    """Return whether a folder holds images files with the published names of MNIST."""
    try:
        return any(_IMAGES.fullmatch(name) for name in os.listdir(path))
    except OSError:
        return False


def names_fashion(path: Path) -> bool:
    """Return whether a folder's name, or that of the folder of a file, says Fashion-MNIST (torchvision adds `raw`)."""
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    return "fashion" in (folder.parent if folder.name == "raw" else folder).name.lower()


def read_idx(path: Path, *, fashion: bool | None = None, progress: Progress = silent) -> Catalog:
    """Read MNIST-like files: a folder with the published names, or one pair, named by its images file.

    Arguments:
        path: a folder with `train-images-idx3-ubyte` and so on (`.gz` or not), or one images file with its
            labels beside it.
        fashion: whether the classes are Fashion-MNIST's; by default, whether its folder is called so.
        progress: told the images read so far.

    Returns:
        A catalog with images uint8 (n, h, w, 1); without a labels file the labels are −1.

    Raises:
        DataError: a file is damaged, images and labels differ in number, or several sets lie in the folder.
    """
    pairs = _choose(path)
    arrays, labels, splits = [], [], []
    for pair in pairs:
        images = load_idx(pair.images)
        if images.ndim < 3:
            raise DataError(
                f"{pair.images} must hold images, (n, h, w); got shape {images.shape}. Is it a labels file?"
            )
        labels.append(_load_labels(pair, len(images)))
        arrays.append((pair.images.name, images))
        splits += [pair.split] * len(images)
        progress("reading images", len(splits), 0)
    scaled = as_pixels(str(path), arrays)
    numbers = [str(v) if v is not None else None for part in labels for v in part]
    encoded, classes = encode(numbers)
    if fashion is None:
        fashion = names_fashion(path)
    if fashion and classes == tuple("0123456789"):
        classes = FASHION
    split_array = np.array(splits, dtype="U5")
    names = numbered(split_array)
    ledger = used(names, scaled.repair)
    found = Catalog(str(path), "idx", names, scaled.pixels, encoded, classes, split_array, ledger)
    lying = any("emnist" in pair.images.name.casefold() for pair in pairs)
    return replace(found, raw=scaled.raw, window=scaled.window, notes=(_LYING,) if lying else ())


def _choose(path: Path) -> list[_Pair]:
    if path.is_dir():
        families = _pairs(path)
        if not families:
            raise DataError(f"{path} must hold IDX files with the published names, e.g. train-images-idx3-ubyte.gz")
        if len(families) > 1:
            listed = ", ".join(repr(name) for name in sorted(families))
            raise DataError(f"{path} must hold one set; its files begin with {listed}. Give one images file")
        return next(iter(families.values()))
    match = _IMAGES.fullmatch(path.name)
    return [_Pair(_SPLIT.get((match["split"] or "").lower(), "") if match else "", path, _labels_beside(path))]


def _load_labels(pair: _Pair, count: int) -> list[int | None]:
    if pair.labels is None:
        return [None] * count
    labels = load_idx(pair.labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{pair.labels} must hold {count:,} whole numbers, one for each image of {pair.images.name}; "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    return labels.tolist()
