"""What every reader needs to put a `Catalog` together: unique names, a ledger, believable sizes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from striate.data.ledger import Entry, Ledger
from striate.errors import DataError
from striate.system.devices import memory_bytes


def displayable(name: str) -> str:
    r"""Return `name` as text that can be written as UTF-8: bytes that the file system could not decode become `\xNN`.

    >>> displayable("caf\udce9.png")
    'caf\\xe9.png'
    """
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unique(names: list[str]) -> list[str]:
    """Return the names, with a number added to those that came before."""
    if len(set(names)) == len(names):
        return names
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def numbered(splits: np.ndarray) -> list[str]:
    """Return a unique name for each of (n,) images that have none: `train/00042`, or `00042` outside of any split.

    >>> numbered(np.array(["train", "train", "test"]))
    ['train/00000', 'train/00001', 'test/00000']
    """
    counters = {split: itertools.count() for split in np.unique(splits).tolist()}
    prefixes = {split: f"{split}/" if split else "" for split in counters}
    return [f"{prefixes[split]}{next(counters[split]):05d}" for split in splits.tolist()]


def used(names: Iterable[str], repaired: str = "") -> Ledger:
    """Return a ledger in which every name is used, or repaired in the one way that `repaired` says."""
    status = "repaired" if repaired else "used"
    return Ledger(Entry(name, status, repaired) for name in names)


def check_declared_size(what: str, size_bytes: int, file_bytes: int, *, compressed: bool) -> None:
    """Refuse a declared size that the file cannot hold or memory cannot take, before anything is allocated.

    Arguments:
        what: file and part, for the message.
        size_bytes: the size that the file declares.
        file_bytes: the file's own size on disk.
        compressed: whether the file is deflated, which shrinks at most 1,032-fold.

    Raises:
        DataError: the size is absurd.
    """
    if size_bytes > file_bytes * (1032 if compressed else 1) + 1024:
        raise DataError(
            f"{what} declares {size_bytes:,} bytes, more than its file of {file_bytes:,} bytes can hold. "
            "The file is damaged; get it again."
        )
    if size_bytes > memory_bytes():
        raise DataError(
            f"{what} declares {size_bytes / 2**30:,.1f} GiB, more than this machine's memory "
            f"({memory_bytes() / 2**30:,.1f} GiB). Check the file or use a part of it."
        )
