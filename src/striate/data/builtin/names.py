"""The sets that have a name: always there (digits), drawn (xo, shapes), or published and fetched once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.builtin import drawn
from striate.data.builtin.published import PUBLISHED, read_published
from striate.data.catalog import Catalog
from striate.data.readers.assembling import numbered, used
from striate.errors import ArgumentError, unknown
from striate.observer import Progress, silent

_DRAWN = {
    "xo": (drawn.make_xo, drawn.XO_CLASSES, 400),
    "shapes": (drawn.make_shapes, drawn.SHAPE_CLASSES, 1000),
}
NAMES = ("digits", *_DRAWN, *PUBLISHED)
_MOST = 1_000_000


def is_name(text: str) -> bool:
    """Return whether `text` is the name of a built-in set, perhaps with a number of images, as in `shapes:500`.

    >>> is_name("digits"), is_name("shapes:500"), is_name("photos")
    (True, True, False)
    """
    return text.partition(":")[0] in NAMES


def read_builtin(name: str, *, data_dir: str | Path | None = None, progress: Progress = silent) -> Catalog:
    """Return a built-in set.

    Arguments:
        name: one of `NAMES`; the drawn ones may say how many images: `xo:200`, `shapes:500`.
        data_dir: where the files of a published set are looked for first.
        progress: told what is read or fetched.

    Raises:
        ArgumentError: an unknown name, or a number that is none or not the set's to choose.
        SourceNotFoundError: a published set that is not here and cannot be fetched.

    >>> len(read_builtin("xo:12"))
    12
    """
    base, colon, number = name.partition(":")
    if base not in NAMES:
        raise ArgumentError(unknown("set", base, NAMES))
    if base in _DRAWN:
        make, classes, default = _DRAWN[base]
        if colon and not (number.isdecimal() and 1 <= int(number) <= _MOST):
            raise ArgumentError(f"the number of images in {name!r} must be 1 to {_MOST:,}. Write {base}:{default}")
        pixels, labels = make(int(number) if colon else default)
        return _catalog(name, pixels, labels, classes)
    if colon:
        raise ArgumentError(f"{base} has a number of images of its own; got {name!r}. Write {base}")
    if base == "digits":
        return read_digits()
    return read_published(base, data_dir, progress)


def read_digits() -> Catalog:
    """Return scikit-learn's 1,797 handwritten digits, 8×8 pixels in 17 levels of gray: 0…16 there are 0…255 here.

    Source: E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI, 1998; the test set of it.
    """
    values = _digits()
    pixels = (values[:, :-1].reshape(-1, 8, 8, 1) * 255 / 16 + 0.5).astype(np.uint8)
    return _catalog("digits", pixels, values[:, -1].astype(np.int64), tuple("0123456789"))


def _digits() -> np.ndarray:
    """Return float64 (n, 65), 64 pixels and the digit, read as `sklearn.datasets.load_digits` does.

    That costs more than half a second of imports, and is called only where the file does not lie where it did.
    """
    package = importlib.util.find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        if (path := Path(folder, "datasets", "data", "digits.csv.gz")).exists():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    return np.column_stack([found.data, found.target])


def _catalog(name: str, pixels: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Catalog:
    splits = np.full(len(pixels), "", dtype="U5")
    names = numbered(splits)
    return Catalog(name, name.partition(":")[0], names, pixels, labels, classes, splits, used(names))
