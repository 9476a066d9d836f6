"""The sets that have a name: always there, drawn, or published and fetched once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.readers.assembling import numbered, used
from striate.progress import Progress, silent

NAMES = ("digits",)


def is_name(text: str) -> bool:
    """Return whether `text` names a built-in set, perhaps with a number of images, as in `shapes:500`."""
    return text.partition(":")[0] in NAMES


def read_builtin(name: str, *, data_dir: str | Path | None = None, progress: Progress = silent) -> Catalog:
    """Return the built-in set `name`."""
    return read_digits()


def read_digits() -> Catalog:
    """Return scikit-learn's 1,797 handwritten digits of 8×8 pixels; its 17 levels of gray 0…16 become 0…255."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = (found.images * 255 / 16 + 0.5).astype(np.uint8)[..., None]
    splits = np.full(len(pixels), "", dtype="U5")
    names = numbered(splits)
    classes = tuple(map(str, range(10)))
    labels = found.target.astype(np.int64)
    return Catalog("digits", "digits", names, pixels, labels, classes, splits, used(names))
