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


def prepare_pool(
    pool: Catalog | None, images: ImageSet, progress: Progress = silent
) -> tuple[ImageSet | None, tuple[str, ...]]:
    """Return the images without labels, and what is to be said of others that are no use.

    They are brought to what those with labels are: size, channels, window. Those that equal one of these are left out.

    Raises:
        DataError: they have other bands, or none of them can be decoded.
    """
    if pool is None:
        return None, ()
    height, width, channels = images.image_shape
    _check_bands(pool, channels)
    found = prepare(pool, (height, width), images.fit, channels, progress, window=images.window)
    known = np.isin(found.hashes, images.hashes[images.labels >= 0])
    notes, lost = [], [entry for entry in found.ledger if entry.status == "skipped"]
    if lost:
        first = f"{lost[0].name}: {lost[0].detail}"
        notes.append(f"{counted(len(lost), 'file')} of the unlabelled ones cannot be used, such as {first}")
    if known.all():
        notes.append("all unlabelled images equal images with labels: give --unlabelled others")
        return found, tuple(notes)
    if known.any():
        notes.append(f"{counted(int(known.sum()), 'unlabelled image')} equal images with labels, and are passed over")
    return found.subset(np.flatnonzero(~known)), tuple(notes)


def convertible(own: int, wanted: int) -> bool:
    """Return whether images of so many bands can be brought to so many others: gray and RGB to each other."""
    return own == wanted or {own, wanted} <= {1, 3}


def _check_bands(pool: Catalog, channels: int) -> None:
    """Raise a DataError where images have other bands than those with labels, by some headers."""
    some = np.unique(np.linspace(0, len(pool) - 1, _PROBED).astype(np.int64)).tolist()
    found = {}
    for i in some:
        with suppress(DecodingError):
            found[i] = probe(pool.images[i]).channels
    others = [i for i, own in found.items() if not convertible(own, channels)]
    if others and len(others) == len(found):
        raise DataError(
            f"{pool.names[others[0]]} in {pool.source} has {found[others[0]]} bands, the images with labels have "
            f"{channels}: give --unlabelled images of the same bands"
        )
