"""CIFAR-10 and CIFAR-100 as published: the `.tar.gz`, never unpacked to disk, or the folder it unpacks to."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from striate.data.catalog import Catalog
from striate.data.readers.assembling import numbered, used
from striate.data.readers.bombs import is_bomb
from striate.data.readers.tars import Member
from striate.data.readers.unpickling import load_pickle
from striate.errors import DataError, brief
from striate.observer import Progress, silent
from striate.units import say_bytes

_SIDE = 32
_ROW = 3 * _SIDE * _SIDE
_PUBLISHED = 60_000
# CIFAR-100 has one of 148 MiB.
_LARGEST_BYTES = 160 << 20
# Where each published batch starts; the final array is filled in place, whatever the archive's order.
_STARTS_10 = {f"data_batch_{i + 1}": 10_000 * i for i in range(5)} | {"test_batch": 50_000}
_STARTS_100 = {"train": 0, "test": 50_000}
_META_10, _META_100 = "batches.meta", "meta"
_BLOCK = 1 << 20

Labels = Literal["fine", "coarse"]


@dataclass(frozen=True)
class _Batch:
    name: str
    pixels: np.ndarray  # uint8 (n, 32, 32, 3)
    labels: np.ndarray  # int64 (n,)


def is_cifar_folder(path: Path) -> bool:
    """Return whether `path` is the folder that a CIFAR archive unpacks to."""
    if not path.is_dir():
        return False
    if (path / _META_100).is_file() and (path / "train").is_file():
        return True
    return (path / _META_10).is_file() or (path / "data_batch_1").is_file()


def is_cifar_archive(first: Sequence[str]) -> bool:
    """Return whether the first names in a tar are those of CIFAR's batches."""
    return any(name.rpartition("/")[2] in {*_STARTS_10, *_STARTS_100, _META_10, _META_100} for name in first)


def read_cifar(path: Path, *, labels: Labels = "fine", progress: Progress = silent) -> Catalog:
    """Read CIFAR-10 or CIFAR-100: the published archive for Python, or its unpacked folder.

    Arguments:
        path: `cifar-10-python.tar.gz`, `cifar-100-python.tar.gz`, or the folder with the batches.
        labels: for CIFAR-100, the 100 fine classes or the 20 coarse ones.
        progress: told the images read so far.

    Returns:
        A catalog with images uint8 (n, 32, 32, 3), in the published order, training images first.

    Raises:
        DataError: the archive is damaged, no CIFAR, or holds a pickle that asks to run code.

    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    whole = np.empty((_PUBLISHED, _SIDE, _SIDE, 3), np.uint8)
    batches: dict[str, _Batch] = {}
    meta: dict[Any, Any] | None = None
    done = 0
    for name, raw in _ahead(_members(path)):
        values = load_pickle(raw, f"{path}, {name},")
        if name in (_META_10, _META_100):
            meta = values if isinstance(values, dict) else None
            continue
        batches[name] = _batch(path, name, values, labels, whole)
        done += len(batches[name].labels)
        progress("reading images", done, max(done, _PUBLISHED))
        del raw, values
    order = sorted(batches, key=lambda name: (_STARTS_10 | _STARTS_100)[name])
    if not order:
        raise DataError(f"{path} must hold CIFAR's batches (data_batch_1… or train); it holds none of them")
    parts = [batches[name] for name in order]
    pixels = (
        whole if done == _PUBLISHED and _in_place(parts, whole) else np.concatenate([part.pixels for part in parts])
    )
    found = np.concatenate([part.labels for part in parts])
    classes = _class_names(path, meta, labels, int(found.max(initial=-1)) + 1)
    splits = np.repeat(
        ["test" if name.startswith("test") else "train" for name in order], [len(p.labels) for p in parts]
    ).astype("U5")
    names = numbered(splits)
    return Catalog(str(path), "cifar", names, pixels, found, classes, splits, used(names))


def _in_place(parts: list[_Batch], whole: np.ndarray) -> bool:
    """Whether the parts fill the whole without gaps, each in its own place."""
    return all(part.pixels.base is whole for part in parts)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the batches and their meta file."""
    wanted = {**_STARTS_10, **_STARTS_100, _META_10: 0, _META_100: 0}
    if path.is_dir():
        for name in wanted:
            file = path / name
            if file.is_file():
                _check_member(path, name, file.stat().st_size)
                yield name, file.read_bytes()
        return
    try:
        # As a stream: one pass of decompression, one member in memory at a time. Not tarfile's own gzip stream, which
        # ignores the checksum that stands at the very end: a flipped bit would be a wrong pixel that no one notices.
        with _opened(path) as file, tarfile.open(fileobj=file, mode="r|", bufsize=_BLOCK, tarinfo=Member) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                _check_member(path, name, member.size)
                _check_total(path, member.offset_data + member.size)
                if name in wanted and member.isreg() and not member.issparse():
                    content = archive.extractfile(member)
                    assert content is not None  # a regular file
                    yield name, content.read()
            while file.read(_BLOCK):
                _check_total(path, file.tell())
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path} cannot be read as a CIFAR archive ({brief(error)}). Get it again") from None


def _opened(path: Path) -> IO[bytes]:
    with open(path, "rb") as file:
        return gzip.open(path) if file.read(2) == b"\x1f\x8b" else open(path, "rb")  # pyright: ignore[reportReturnType]


def _ahead(members: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yield the members while a thread reads the next: decompression is most of the work and runs beside the rest."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, members, None)
        while (member := coming.result()) is not None:
            coming = pool.submit(next, members, None)
            yield member
            del member  # 31 MB that nobody needs while the next one is awaited


def _check_member(path: Path, name: str, size_bytes: int) -> None:
    if size_bytes > _LARGEST_BYTES:
        raise DataError(f"{path}: {name} declares {size_bytes:,} bytes; no batch of CIFAR is that large. Get it again")


def _check_total(path: Path, size_bytes: int) -> None:
    if is_bomb(size_bytes, path.stat().st_size):
        raise DataError(
            f"{path} unpacks to {say_bytes(size_bytes)} or more, as a decompression bomb does. Get it again"
        )


def _batch(path: Path, name: str, values: Any, labels: Labels, whole: np.ndarray) -> _Batch:
    """Check one batch; write its pixels to their place in `whole`, or to an array of their own if they do not fit."""
    where = f"{path}, {name},"
    data = values.get(b"data", values.get("data")) if isinstance(values, dict) else None
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != _ROW:
        got = f"an array of shape {data.shape}" if isinstance(data, np.ndarray) else "none"
        raise DataError(f"{where} must hold 'data', bytes of shape (n, {_ROW}); got {got}")
    is_100 = name in _STARTS_100
    key = f"{labels}_labels" if is_100 else "labels"
    given = values.get(key.encode(), values.get(key))
    if (
        not isinstance(given, list)
        or len(given) != len(data)
        or not all(type(v) is int and 0 <= v < 1000 for v in given)
    ):
        raise DataError(f"{where} must hold {key!r}, one whole number for each of its {len(data):,} images")
    start = (_STARTS_100 if is_100 else _STARTS_10)[name]
    room = _room(name)
    pixels = whole[start : start + len(data)] if len(data) == room else np.empty((len(data), _SIDE, _SIDE, 3), np.uint8)
    flat = pixels.reshape(len(data), _SIDE * _SIDE, 3)
    for channel in range(3):  # one plane at a time is three times as fast as a transposed copy
        flat[:, :, channel] = data[:, channel * _SIDE * _SIDE : (channel + 1) * _SIDE * _SIDE]
    return _Batch(name, pixels, np.array(given, np.int64))


def _room(name: str) -> int:
    return 50_000 if name == "train" else 10_000


def _class_names(path: Path, meta: dict[Any, Any] | None, labels: Labels, count: int) -> tuple[str, ...]:
    """Return the class names of the meta file, or the numbers if there is none."""
    if meta is None:
        return tuple(str(i) for i in range(count))
    for key in ("label_names", f"{labels}_label_names"):
        given = meta.get(key.encode(), meta.get(key))
        if isinstance(given, list) and len(given) >= count:
            return tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in given)
    raise DataError(f"{path} must name at least {count} classes in its meta file; it does not")
