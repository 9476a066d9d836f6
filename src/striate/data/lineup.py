"""The lineup: the images to be predicted, in their order, whatever their labels; there may be millions of them."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from striate.data.catalog import Catalog
from striate.data.gathering import gather
from striate.data.ledger import Entry
from striate.data.readers.assembling import displayable, unique
from striate.data.readers.folders import list_folder
from striate.data.readers.pages import check_pages
from striate.data.readers.tables import WITHOUT_LABELS
from striate.data.readers.walking import image_type
from striate.data.reading import recognise
from striate.errors import DataError, StriateError
from striate.observer import Progress, silent

# Forms whose ledger has a line for every row, whatever the row calls its image.
_BY_ROW = frozenset({"table", "parquet", "metadata", "coco", "labelstudio"})
_REPEATED = "duplicate row"
# How the lines of files begin that nobody takes for images.
_MEANT = "set aside"


@dataclass(frozen=True, eq=False)
class Lineup:
    """The images to be predicted, in their order.

    Arguments:
        source: what the user gave, for messages.
        names: (n,) names, unique.
        ways: (n,) ways to the pixels: paths, places in archives, pages, bytes or arrays; of what is in `refused`
            nothing that can be opened.
        refused: {place: why} of those that cannot be read, as is known before anything is opened.
        aside: the ledger's lines of what is no image at all and has no place here.
        arrays: the catalog that the images are rows of, where it holds arrays of one size.
    """

    source: str
    names: Sequence[str]
    ways: Sequence[Any] | np.ndarray
    refused: Mapping[int, str] = field(default_factory=dict)
    aside: tuple[Entry, ...] = ()
    arrays: Catalog | None = None

    def __len__(self) -> int:
        return len(self.names)


def line_up(arguments: Sequence[str], reading: Mapping[str, Any], progress: Progress = silent) -> Lineup:
    """Return the images that command-line arguments name, in their order, each once.

    Of a folder only the names are kept, a hundred bytes a file; of a table what `striate.read` keeps.

    Arguments:
        arguments, reading: as for `gather`.

    Raises:
        SourceNotFoundError, DataError, ArgumentError: as `gather`.
    """
    if len(arguments) == 1 and _is_plain_folder(arguments[0], reading):
        return _folder(arguments[0], progress)
    catalog = gather(arguments, reading, progress)
    if catalog.format == "table" and any(_is_labels_fault(entry) for entry in catalog.ledger):
        catalog = gather(arguments, {**reading, "label_column": WITHOUT_LABELS}, progress)
    return lineup_of(catalog)


def lineup_of(catalog: Catalog) -> Lineup:
    """Return the images of a catalog as a lineup, with a place for each one that its ledger knows to be unreadable.

    Raises:
        DataError: there are none.
    """
    skipped = [entry for entry in catalog.ledger if entry.status == "skipped" and not entry.detail.startswith(_MEANT)]
    lost = {entry.name: entry.detail for entry in skipped if _is_lost_image(entry, catalog.format)}
    aside = tuple(entry for entry in skipped if entry.name not in lost)
    if not len(catalog) and not lost:
        raise DataError(f"nothing to predict: {catalog.source} holds no images")
    if isinstance(catalog.images, np.ndarray) or catalog.raw is not None:
        return Lineup(catalog.source, catalog.names, catalog.images, aside=tuple(skipped), arrays=catalog)
    if not lost:
        return Lineup(catalog.source, catalog.names, [_slim(way) for way in catalog.images], aside=aside)
    names: list[str] = []
    ways: list[Any] = []
    refused: dict[int, str] = {}
    at = 0
    for entry in catalog.ledger:
        if entry.name in lost:
            refused[len(names)] = lost[entry.name]
            names.append(entry.name)
            ways.append(None)
        elif at < len(catalog) and catalog.names[at] == entry.name:
            names.append(entry.name)
            ways.append(_slim(catalog.images[at]))
            at += 1
    names += catalog.names[at:]  # where the ledger has another order: nobody is lost for that
    ways += map(_slim, catalog.images[at:])
    return Lineup(catalog.source, names, ways, refused, aside)


def _slim(way: Any) -> Any:
    """Return a path as text, a quarter of its size."""
    return os.fspath(way) if isinstance(way, Path) else way


def _is_labels_fault(entry: Entry) -> bool:
    """Whether a row of a table is skipped for its label alone."""
    return entry.status == "skipped" and entry.detail.startswith(
        ("no label", "two labels", "several classes", "no class")
    )


def _is_plain_folder(argument: str, reading: Mapping[str, Any]) -> bool:
    """Whether an argument is a folder of image files, and nothing is asked that its names cannot tell."""
    path = Path(os.path.expanduser(argument))
    given = {name: value for name, value in reading.items() if value is not None and name not in ("data_dir", "pages")}
    if not path.is_dir() or given not in ({}, {"format": "folders"}) or check_pages(reading.get("pages")) == "all":
        return False
    try:
        return bool(given) or recognise(path) == "folders"
    except (StriateError, OSError):  # said by `read`, in the words for it
        return False


def _folder(argument: str, progress: Progress) -> Lineup:
    path = Path(os.path.expanduser(argument))
    files, entries = list_folder(path, progress)
    lost = {one.name: one.detail for one in entries if _is_lost_image(one, "folders")}
    aside = tuple(one for one in entries if one.name not in lost and not one.detail.startswith(_MEANT))
    places = sorted([*files, *lost]) if lost else files
    refused = {bisect_left(places, name): why for name, why in lost.items()}
    shown = places if all(map(str.isascii, places)) else unique([displayable(name) for name in places])
    prefix = "" if path == Path() else os.path.join(path, "")
    aside = tuple(replace(one, name=prefix + one.name) for one in aside)
    return Lineup(str(argument), _Below(prefix, shown), _Below(prefix, places), refused, aside)


def _is_lost_image(entry: Entry, form: str) -> bool:
    """Whether a skipped line of a ledger is an image that cannot be read, and not another kind of file."""
    if entry.detail.startswith(_MEANT) or entry.detail == _REPEATED or entry.name.endswith("/"):
        return False
    return form in _BY_ROW or image_type(os.path.basename(entry.name)) is None


class _Below(Sequence[str]):
    """Paths below one folder, which is put before them when they are asked for."""

    def __init__(self, prefix: str, names: Sequence[str]):
        self._prefix, self._names = prefix, names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...

    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        if isinstance(at, slice):
            return [self._prefix + name for name in self._names[at]]
        return self._prefix + self._names[at]
