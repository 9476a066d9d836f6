"""The published sets: which files they are, where they are looked for, and how they are fetched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from striate.data.catalog import Catalog
from striate.data.readers.cifar import is_cifar_folder, read_cifar
from striate.data.readers.idx import is_idx_folder, names_fashion, read_idx
from striate.errors import ArgumentError, DataError, SourceNotFoundError
from striate.observer import Progress
from striate.system.cache import cache_folder
from striate.system.downloads import DownloadError, Published, fetch, file_digest

_MNIST_URLS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
_FASHION_URLS = ("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",)
_CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
_IDX_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


@dataclass(frozen=True)
class PublishedSet:
    """A set that its authors publish.

    Arguments:
        files: the published files.
        find: yields the places under a folder that may hold the set.
        read: reads it from such a place, or from the folder that the files were fetched into.
        counts: the published numbers of training images, test images and classes.
    """

    files: tuple[Published, ...]
    find: Callable[[Path], Iterator[Path]]
    read: Callable[[Path, Progress], Catalog]
    counts: tuple[int, int, int]


def _idx_files(urls: tuple[str, ...], digests: str, sizes: tuple[int, ...]) -> tuple[Published, ...]:
    names = [f"{name}-ubyte.gz" for name in _IDX_FILES]
    return tuple(
        Published(name, tuple(url + name for url in urls), f"md5:{digest}", size)
        for name, digest, size in zip(names, digests.split(), sizes, strict=True)
    )


# The digests are those that torchvision (MNIST, Fashion-MNIST) and Keras (CIFAR) check.
_MNIST = _idx_files(
    _MNIST_URLS,
    "f68b3c2dcbeaaa9fbdd348bbdeb94873 d53e105ee54ea40749a09fcbcd1e9432"
    " 9fb629c4189551a2d022fa330f9573f3 ec29112dd5afa0611ce80d1b7f02629c",
    (9_912_422, 28_881, 1_648_877, 4_542),
)
_FASHION = _idx_files(
    _FASHION_URLS,
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d 25c81989df183df01b3e8a0aad5dffbe"
    " bef4ecab320f06d8554ea6380940ec79 bb300cfdad3c16e7a12a480ee83cd310",
    (26_421_880, 29_515, 4_422_102, 5_148),
)
_CIFAR10 = Published(
    "cifar-10-python.tar.gz",
    (_CIFAR_URL + "cifar-10-python.tar.gz",),
    "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170_498_071,
)
_CIFAR100 = Published(
    "cifar-100-python.tar.gz",
    (_CIFAR_URL + "cifar-100-python.tar.gz",),
    "sha256:85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    169_001_437,
)


def _around(folder: Path) -> Iterator[Path]:
    """Yield a folder and the folders in it (and their `raw`, where torchvision keeps the files)."""
    yield folder
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield inner
        yield inner / "raw"


def _find_idx(files: tuple[Published, ...], fashion: bool) -> Callable[[Path], Iterator[Path]]:
    def find(folder: Path) -> Iterator[Path]:
        for place in _around(folder):
            if is_idx_folder(place) and _is_fashion(place) == fashion:
                yield place

    return find


def _is_fashion(folder: Path) -> bool:
    """Whether it is Fashion-MNIST and not MNIST, whose files have the same names; by digest, else by the folder."""
    labels = folder / _FASHION[3].name
    if labels.is_file() and (digest := file_digest(labels, "md5:")) in (_MNIST[3].digest, _FASHION[3].digest):
        return digest == _FASHION[3].digest
    return names_fashion(folder)


def _find_cifar(archive: Published, member: str) -> Callable[[Path], Iterator[Path]]:
    def find(folder: Path) -> Iterator[Path]:
        for place in _around(folder):
            if is_cifar_folder(place) and (place / member).is_file():
                yield place
            if (place / archive.name).is_file():
                yield place / archive.name

    return find


def _read_cifar(archive: Published) -> Callable[[Path, Progress], Catalog]:
    def read(place: Path, progress: Progress) -> Catalog:
        inside = place / archive.name
        return read_cifar(inside if inside.is_file() else place, progress=progress)

    return read


PUBLISHED: dict[str, PublishedSet] = {
    "mnist": PublishedSet(
        _MNIST, _find_idx(_MNIST, False), lambda p, progress: read_idx(p, fashion=False, progress=progress),
        (60_000, 10_000, 10),
    ),
    "fashion-mnist": PublishedSet(
        _FASHION, _find_idx(_FASHION, True), lambda p, progress: read_idx(p, fashion=True, progress=progress),
        (60_000, 10_000, 10),
    ),
    "cifar10": PublishedSet(
        (_CIFAR10,), _find_cifar(_CIFAR10, "data_batch_1"), _read_cifar(_CIFAR10), (50_000, 10_000, 10),
    ),
    "cifar100": PublishedSet(
        (_CIFAR100,), _find_cifar(_CIFAR100, "train"), _read_cifar(_CIFAR100), (50_000, 10_000, 100),
    ),
}  # fmt: skip


def read_published(name: str, data_dir: str | Path | None, progress: Progress) -> Catalog:
    """Read a published set: from `data_dir` or the folder STRIATE_DATA names, else from the cache, fetched if need be.

    A copy that was found may differ from the published files; its images and classes are counted.

    Raises:
        ArgumentError: `data_dir` is no folder.
        SourceNotFoundError: found nowhere and not to be fetched; the message says which files to put where.
        DataError: a copy is damaged or not the whole set.
    """
    known = PUBLISHED[name]
    for told, folder in (("--data-dir", data_dir), ("STRIATE_DATA", os.environ.get("STRIATE_DATA"))):
        if not folder:
            continue
        if not Path(folder).is_dir():
            raise ArgumentError(f"{told} must be a folder; got {folder}")
        for place in known.find(Path(folder)):
            return _counted(name, known, place, progress)
    cache = cache_folder("data", name)
    try:
        for file in known.files:
            fetch(file, cache, progress=progress)
    except DownloadError as reason:
        raise SourceNotFoundError(_by_hand(name, known, cache, reason)) from None
    return _counted(name, known, cache, progress)


def _counted(name: str, known: PublishedSet, place: Path, progress: Progress) -> Catalog:
    catalog = known.read(place, progress)
    found = (int((catalog.splits == "train").sum()), int((catalog.splits == "test").sum()), len(catalog.classes))
    if found != known.counts or not catalog.labelled:
        raise DataError(
            f"{name} must have {known.counts[0]:,} training and {known.counts[1]:,} test images in {known.counts[2]} "
            f"classes; {place} holds {found[0]:,}, {found[1]:,} and {found[2]}. Give its path to read it as it is"
        )
    return replace(catalog, source=name, format=name)


def _by_hand(name: str, known: PublishedSet, cache: Path, reason: Exception) -> str:
    files = ", ".join(file.name for file in known.files)
    address = known.files[0].urls[0].rpartition("/")[0]
    return (
        f"{name} is not on this machine and cannot be fetched ({reason}).\n"
        f"Put {files} from {address}/ into {cache}, or say where they are with --data-dir"
    )
