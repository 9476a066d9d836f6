"""What every reader needs to put a `Catalog` together: unique names and a ledger."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from striate.data.ledger import Entry, Ledger


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
