"""The pool: images without labels, of which a check names those whose labels would teach most."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from striate.checks.finding import counted
from striate.data.catalog import Catalog
from striate.data.decoding.decode import probe
from striate.data.imageset import ImageSet
from striate.data.preparing.prepare import prepare
from striate.data.reading import read
from striate.errors import DataError, DecodingError
from striate.observer import Progress, silent

# So many headers are looked at before all images are read.
_PROBED = 16


def read_pool(source: Any, progress: Progress = silent) -> Catalog | None:
    """Return what a source of images without labels holds; None where nobody gives any.

    Raises:
        DataError, SourceNotFoundError: it cannot be read, or holds no images.
    """
    if source is None:
        return None
    catalog = source if isinstance(source, Catalog) else read(source, progress=progress)
    if not len(catalog):
        raise DataError(f"nothing to choose from: {catalog.source} holds no images ({catalog.ledger.summary()})")
    return catalog


def prepare_pool(pool: Catalog | None, images: ImageSet, progress: Progress = silent) -> ImageSet | None:
    """Return the images without labels, brought to what those with labels are: size, channels, window.

    Raises:
        DataError: they have other bands, or none of them can be decoded.
    """
    if pool is None:
        return None
    height, width, channels = images.image_shape
    _check_bands(pool, channels)
    return prepare(pool, (height, width), images.fit, channels, progress, window=images.window)


def _check_bands(pool: Catalog, channels: int) -> None:
    """Raise a DataError where images have other bands than those with labels, by some headers."""
    some = np.unique(np.linspace(0, len(pool) - 1, _PROBED).astype(np.int64)).tolist()
    found = {}
    for i in some:
        with suppress(DecodingError):
            found[i] = probe(pool.images[i]).channels
    others = [i for i, own in found.items() if own != channels and not {own, channels} <= {1, 3}]
    if others and len(others) == len(found):
        raise DataError(
            f"{pool.names[others[0]]} in {pool.source} has {found[others[0]]} bands, the images with labels have "
            f"{channels}: give --unlabelled images of the same bands"
        )


def pool_notes(pool: ImageSet | None) -> tuple[str, ...]:
    """Say how many of the images without labels cannot be read."""
    lost = [] if pool is None else [entry for entry in pool.ledger if entry.status == "skipped"]
    if not lost:
        return ()
    return (f"{counted(len(lost), 'file')} of the unlabelled ones cannot be used, such as {lost[0].name}: "
            f"{lost[0].detail}",)  # fmt: skip
