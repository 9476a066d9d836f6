"""The data of a run: read, prepared, told, split, fingerprinted, once for everybody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.data.readers.tables import load_table
from striate.data.reading import read
from striate.data.splitting import Splits, split
from striate.errors import DataError
from striate.observer import Observer


def split_images(
    images: ImageSet, ratios: tuple[float, float, float], seed: int, catalog: Catalog, observer: Observer
) -> Splits[ImageSet]:
    """Return the images split, and say what should be known about it.

    Raises:
        DataError: fewer than two classes can be read, or there are no training images.
    """
    splits = split(images, ratios, seed)
    for note in splits.notes:
        observer.note(note)
    _check_classes(images, observer)
    if not len(splits.train):
        raise DataError(f"no training images are left in {catalog.source}: check its splits and the ledger")
    return splits


def describe(catalog: Catalog, images: ImageSet, splits: Splits[ImageSet]) -> dict[str, Any]:
    """Return plain values that say what the data of a run are."""
    return {
        "source": catalog.source,
        "format": catalog.format,
        "images": len(images),
        "data": fingerprint(splits),
    }


def _check_classes(images: ImageSet, observer: Observer) -> None:
    """Refuse images of one class only, and point at a class whose name says that it is a split."""
    present = [images.classes[i] for i in np.unique(images.labels[images.labels >= 0])]
    if len(present) < 2:
        raise DataError(
            f"training needs at least two classes; only {present[0]!r} has images that can be read "
            f"({images.ledger.summary()})"
        )
    if named := [name for name in present if name.lower() in ("train", "valid", "val", "test")]:
        observer.warn(
            f"{named[0]!r} is taken as a class. If it is a split, put a folder for each class into each of "
            "train, valid and test, and nothing beside them"
        )


def fingerprint(splits: Splits[ImageSet]) -> str:
    """Return a digest of the images, labels and classes that training and validation see, in order."""
    digest = hashlib.blake2b(json.dumps(splits.train.classes).encode(), digest_size=16)
    for part in (splits.train, splits.valid):
        digest.update(np.ascontiguousarray(part.hashes).tobytes() + np.ascontiguousarray(part.labels).tobytes())
    return digest.hexdigest()


LOUD_SKIPPED_SHARE = 0.1


def read_catalog(source: Any, reading: Mapping[str, Any], observer: Observer) -> Catalog:
    """Return what a source holds, which must be fit for training."""
    catalog = source if isinstance(source, Catalog) else read(source, **reading, progress=observer.prepare)
    check_trainable(catalog)
    return catalog


def tell_ledger(images: ImageSet, observer: Observer) -> None:
    """Say what was prepared, and how many files were of no use."""
    for note in images.notes:
        observer.note(note)
    observer.note(images.ledger.summary())
    if images.ledger.skipped_share > LOUD_SKIPPED_SHARE:
        observer.warn(f"{images.ledger.skipped_share:.0%} of the files were skipped; ledger.csv says why for each")


def check_trainable(catalog: Catalog) -> None:
    """Raise a DataError unless the catalog has labels and at least two classes."""
    if not catalog.labelled:
        without = int((catalog.labels < 0).sum())
        advice = "Put the images into one folder a class, or give a table with a label column"
        if catalog.format == "table":
            columns = ", ".join(load_table(Path(catalog.source)).columns)
            advice = f"Its columns are {columns}; say which one holds the labels with --label-column"
        raise DataError(
            f"training needs a label for every image; {without:,} of {len(catalog):,} in {catalog.source} have none. "
            f"{advice}"
        )
    present = [catalog.classes[i] for i in np.unique(catalog.labels)]
    if len(present) < 2:
        raise DataError(
            f"training needs at least two classes; {catalog.source} has only {present[0]!r}. "
            "Add images of another class"
        )
