"""What can be said of an image beside its class: where it lies, how large, bright and rich in contrast it is."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.decode import Header, probe
from striate.data.imageset import ImageSet
from striate.errors import DecodingError

_AT_ONCE = 256


def attributes_of(images: ImageSet, catalog: Catalog | None = None) -> dict[str, np.ndarray]:
    """Return {attribute: (n,) values} of images: numbers as float64, anything else as text.

    Brightness and contrast (mean and standard deviation of the values, 0…255) are of the images as prepared; size (the
    shorter side in pixels), aspect (width / height) and channels are of the files; folder and format are told by the
    names; the columns of a table are taken as they are. What all images share is left out.

    Arguments:
        catalog: where the images come from, which knows their files and columns; None: only names and pixels tell.
    """
    found = _pixels(images) | _names(images) | ({} if catalog is None else _files(images, catalog))
    return {name: values for name, values in found.items() if len(values) and (values != values[0]).any()}


def _pixels(images: ImageSet) -> dict[str, np.ndarray]:
    brightness, contrast = np.zeros(len(images)), np.zeros(len(images))
    for start in range(0, len(images), _AT_ONCE):
        rows = images.rows[start : start + _AT_ONCE]
        block = images.pixels[rows].reshape(len(rows), -1).astype(np.float32)
        brightness[start : start + len(rows)], contrast[start : start + len(rows)] = block.mean(1), block.std(1)
    return {"brightness": brightness, "contrast": contrast}


def _names(images: ImageSet) -> dict[str, np.ndarray]:
    paths = [PurePosixPath(name.replace("\\", "/")) for name in images.names]
    found = {"folder": np.array([str(path.parent) for path in paths])}
    if all(path.suffix for path in paths):
        found["format"] = np.array([path.suffix.lower().removeprefix(".").replace("jpeg", "jpg") for path in paths])
    return found


def _files(images: ImageSet, catalog: Catalog) -> dict[str, np.ndarray]:
    place = {name: i for i, name in enumerate(catalog.names)}
    rows = [place.get(name, -1) for name in images.names]
    if min(rows, default=-1) < 0:
        return {}  # pages of files are named apart
    found = {f"column {name}": as_values([cells[i] for i in rows]) for name, cells in catalog.columns.items()}
    if isinstance(catalog.images, np.ndarray):
        return found  # all of one size
    headers = [_header(catalog.images[i]) for i in rows]
    if any(header is None for header in headers):
        return found
    sizes = np.array([(header.height, header.width, header.channels) for header in headers if header], np.float64)
    sides = {"size": sizes[:, :2].min(1), "aspect": sizes[:, 1] / sizes[:, 0], "channels": sizes[:, 2]}
    return found | sides


def _header(image: Any) -> Header | None:
    """Return what an image says about its size; None where it cannot be read any more."""
    try:
        return probe(image)
    except (DecodingError, OSError):
        return None


def as_values(cells: list[Any]) -> np.ndarray:
    """Return cells of a table as numbers where all of them are, else as text.

    >>> as_values(["1", "2.5"]).dtype.kind, as_values(["1", "red"]).tolist()
    ('f', ['1', 'red'])
    """
    try:
        numbers = np.array([float(cell) for cell in cells])
        if np.isfinite(numbers).all():
            return numbers
    except (TypeError, ValueError):
        pass
    return np.array([str(cell) for cell in cells])
