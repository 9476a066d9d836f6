"""The data of a run: read, prepared, told, split and fingerprinted, once and for everybody."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.pixels import Fit, check_fit, check_size
from striate.data.grouping.choice import parse_groups
from striate.data.grouping.groups import Groups, group_images
from striate.data.grouping.kept import recall_groups, remember_groups
from striate.data.imageset import ImageSet
from striate.data.labels import judge_labels
from striate.data.leaks import leaks_into_test, valid_apart
from striate.data.ledger import TABLE_TOLD
from striate.data.preparing.prepare import prepare
from striate.data.ratios import DEFAULT_RATIOS, Ratios, as_shares
from striate.data.readers.split_names import split_of
from striate.data.reading import read
from striate.data.splitting import Splits, split
from striate.data.trainable import check_trainable, classes_sentence, labelled_part, untaught_classes
from striate.data.without import WithoutLike, leave_out, read_without
from striate.errors import DataError
from striate.observer import Observer, Progress, silent
from striate.units import percent

# From this share of unreadable files on, their number is a warning.
LOUD_SKIPPED_SHARE = 0.1
# Of what is left of a budget, what the search for near copies may take.
GROUPING_SHARE = 0.4


@dataclass(frozen=True)
class DataOptions:
    """How a source is read, brought to one size and split.

    Arguments:
        reading: options of `striate.read`, such as format and label_column.
        size: (h, w) in pixels to which images are brought, or one side of a square; None is chosen from the images.
        fit: crop, pad or stretch them to that size; None is crop, unless that would cut away half of the typical image.
        ratios: train:valid:test where the source has no splits of its own, as text or numbers; None is the default.
        groups: which images stay on one side of every split: auto (looked for), none, folder, a column of the table, or
            a regular expression on names whose first parentheses hold the key; None is auto.
        without: images that are left out of training, and of training alone: the findings.csv of a check, or names, or
            {name: why}; None leaves none out.

    Raises:
        ArgumentError: a size, fit or ratios that cannot be.
    """

    reading: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    fit: Fit | None = None
    ratios: str | tuple[float, float, float] | None = None
    groups: str | None = None
    without: WithoutLike | None = None

    def __post_init__(self):
        if self.size is not None:
            object.__setattr__(self, "size", check_size(self.size))
        if self.fit is not None:
            check_fit(self.fit)
        self.shares()

    def shares(self, default: Ratios = DEFAULT_RATIOS) -> Ratios:
        """Return the shares of train, valid and test, which sum to 1."""
        return as_shares(self.ratios or default)

    def to_json(self, default: Ratios = DEFAULT_RATIOS) -> dict[str, Any]:
        """Return plain values, from which `from_json` makes the same options again."""
        reading = {name: str(value) for name, value in self.reading.items()}
        return {
            "reading": reading,
            "size": self.size,
            "fit": self.fit,
            "ratios": self.ratios or default,
            "groups": self.groups or "auto",
            "without": read_without(self.without) or None,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> DataOptions:
        """Return the options that were kept; other keys are passed over, and without a word of groups, none."""
        size, ratios = kept["size"], kept["ratios"]
        return cls(
            kept["reading"],
            size and (size[0], size[1]),
            kept["fit"],
            ratios if isinstance(ratios, str) else (ratios[0], ratios[1], ratios[2]),
            kept.get("groups", "none"),
            kept.get("without"),
        )


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a run learns from, chooses by and is judged on.

    Arguments:
        catalog: what was found.
        images: all of it that can be read, at one size.
        splits: the images that train, choose and judge.
        options: how they were read and split.
        groups: which images were kept together.
    """

    catalog: Catalog
    images: ImageSet
    splits: Splits[ImageSet]
    options: DataOptions
    groups: Groups

    @property
    def described(self) -> dict[str, Any]:
        """Plain values that say which data these are, a fingerprint among them."""
        return {
            "source": self.catalog.source,
            "format": self.catalog.format,
            "images": len(self.images),
            "data": fingerprint(self.splits),
            "groups": self.groups.to_json(),
            **({"window": self.images.window.to_json()} if self.images.window else {}),
        }


def make_dataset(
    source: Any,
    options: DataOptions,
    seed: int,
    observer: Observer,
    *,
    ratios: Ratios = DEFAULT_RATIOS,
    prepare_images: Callable[[Catalog], ImageSet] | None = None,
    left_s: Callable[[], float] | None = None,
) -> Dataset:
    """Read, prepare and split a source; what was found is told to the observer.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        seed: of the split.
        ratios: what the shares are where nobody says any.
        prepare_images: brings a catalog's images to one size where a model decides how; None does as the options say.
        left_s: says how many seconds of a budget are left, of which the search for near copies takes a part at most.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable, no training images, or images to leave out that
            the source does not have.
    """
    without = read_without(options.without)  # a wrong table should cost nobody the time of reading images
    catalog = read_catalog(source, options.reading, observer)
    for warning in (*catalog.notes, *judge_labels(catalog.class_counts())):
        observer.warn(warning)
    if prepare_images:
        images = prepare_images(catalog)
    else:
        images = prepare(catalog, options.size, options.fit, progress=observer.prepare)
    tell_ledger(images, observer)
    until = time.perf_counter() + GROUPING_SHARE * left_s() if left_s else math.inf
    groups = find_groups(images, catalog, options.groups, observer.prepare, until)
    images = grouped(images, groups)
    splits = split(images, options.shares(ratios), seed)
    if groups.by != "none":
        splits = valid_apart(splits, images, seed)
    splits = leave_out(splits, without, catalog, images)
    for note in filter(None, (groups.sentence, *groups.notes, *splits.notes, *leaks_into_test(splits))):
        observer.note(note)
    _check_classes(images, observer)
    observer.note(classes_sentence(images))
    for warning in untaught_classes(splits):
        observer.warn(warning)
    if not len(splits.train):
        raise DataError(f"no training images are left in {catalog.source}: check its splits and the ledger")
    settled = replace(options, fit=options.fit or images.fit, without=without or None)
    return Dataset(catalog, images, splits, settled, groups)


def find_groups(
    images: ImageSet, catalog: Catalog, by: str | None, progress: Progress = silent, until: float = math.inf
) -> Groups:
    """Return which of a catalog's prepared images belong together.

    Arguments:
        by: as `DataOptions.groups`.
        until: when looking for near copies is to be done, by `time.perf_counter`.

    Raises:
        ArgumentError: `by` is no way to group these.
    """
    chosen = parse_groups(by, catalog.columns)
    allowed_s = until - time.perf_counter()
    if chosen.kind == "auto" and not catalog.together and (found := recall_groups(images, allowed_s)):
        return found
    cells = {column: dict(zip(catalog.names, values, strict=True)) for column, values in catalog.columns.items()}
    groups = group_images(images, chosen, cells, progress, until)
    if catalog.together:
        known = dict(zip(catalog.names, catalog.together, strict=True))
        groups = groups.with_known([known[name] for name in images.names])
    elif chosen.kind == "auto":
        remember_groups(images, groups, allowed_s)
    return groups


def grouped(images: ImageSet, groups: Groups) -> ImageSet:
    """Return the images with their groups, and sketches to know near copies of them by."""
    ids = groups.ids if groups.count else None
    return replace(images, groups=ids, sketches=groups.sketches)


def read_catalog(source: Any, reading: Mapping[str, Any], observer: Observer) -> Catalog:
    """Return what a source holds, which must be fit for training."""
    catalog = source if isinstance(source, Catalog) else read(source, **reading, progress=observer.prepare)
    catalog = labelled_part(catalog)
    check_trainable(catalog)
    return catalog


def tell_ledger(images: ImageSet, observer: Observer) -> None:
    """Say what was prepared, and how many files were of no use."""
    for note in images.notes:
        observer.note(note)
    for entry in images.ledger:
        if entry.detail.startswith(TABLE_TOLD):
            observer.note(f"{entry.name}: {entry.detail.removeprefix(TABLE_TOLD)}")
    observer.note(images.ledger.summary())
    if images.ledger.skipped_share > LOUD_SKIPPED_SHARE:
        observer.warn(
            f"{percent(images.ledger.skipped_share, 0)} of the files were skipped; ledger.csv says why for each"
        )


def fingerprint(splits: Splits[ImageSet]) -> str:
    """Return a digest of the images, labels and classes that training and validation see, in order."""
    digest = hashlib.blake2b(json.dumps(splits.train.classes).encode(), digest_size=16)
    for part in (splits.train, splits.valid):
        digest.update(np.ascontiguousarray(part.hashes).tobytes() + np.ascontiguousarray(part.labels).tobytes())
    return digest.hexdigest()


def _check_classes(images: ImageSet, observer: Observer) -> None:
    """Refuse images of one class only, and point at a class whose name says that it is a split."""
    present = [images.classes[i] for i in np.unique(images.labels[images.labels >= 0])]
    if len(present) < 2:
        raise DataError(
            f"training needs at least two classes; only {present[0]!r} has images that can be read "
            f"({images.ledger.summary()})"
        )
    if named := [name for name in present if split_of(name)]:
        observer.warn(
            f"{named[0]!r} is taken as a class. If it is a split, put a folder for each class into each of "
            "train, valid and test, and nothing beside them"
        )
