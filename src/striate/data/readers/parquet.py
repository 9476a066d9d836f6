"""Parquet as Hugging Face's data sets have it: images as bytes or as paths, classes named in the file's metadata."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.stored import Stored
from striate.data.labels import class_name, encode, naming_notes
from striate.data.ledger import Entry, Ledger
from striate.data.readers.assembling import displayable, numbered, unique
from striate.data.readers.layout import fold
from striate.data.readers.members import check_member_bytes
from striate.data.readers.only_column import find_only_column, only_column_note
from striate.data.readers.parquet_columns import ParquetColumns, choose_parquet_columns
from striate.data.readers.parquet_groups import ParquetGroups, pyarrow_parquet, text_bytes
from striate.data.readers.records import text_of
from striate.data.readers.shards import Shard, find_shards, told_of_others
from striate.data.readers.table_doubts import note_rivals
from striate.data.readers.table_splits import SplitColumn, find_split_column
from striate.data.readers.tables import WITHOUT_LABELS, read_table
from striate.data.readers.text_table import LABEL_NAMES, TextTable
from striate.errors import ArgumentError, DataError, DecodingError
from striate.observer import Progress, silent

_KEPT_GROUPS = 4


def is_parquet(path: Path) -> bool:
    """Return whether a file has the name and the first bytes of Parquet."""
    if not path.name.lower().endswith((".parquet", ".pq")) or not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"PAR1"


@dataclass(frozen=True, slots=True)
class Cell(Stored):
    """The bytes in one cell of a Parquet file.

    Arguments:
        origin: the file.
        column: the column of bytes, a dot before the field of a struct.
        group, row: the row group, and the row within it.
    """

    origin: Path
    column: str
    group: int
    row: int

    def read(self) -> bytes:
        """Return the cell's bytes; its row group is kept, for those who come next."""
        try:
            value = _GROUPS.column(self.origin, self.column, self.group)[self.row].as_py()
        except (DecodingError, OSError):
            raise
        except Exception as error:  # a damaged page can fail in any way
            raise DecodingError(f"damaged: its row group cannot be read ({str(error)[:200]})") from None
        if not isinstance(value, bytes):
            raise DecodingError("no bytes in the table")
        check_member_bytes(len(value))
        return value


class _Groups:
    """The last few columns of row groups that were read: images come in order, from a few threads at once."""

    def __init__(self):
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    def column(self, path: Path, column: str, group: int) -> Any:
        found = path.stat()
        key = (path, found.st_size, found.st_mtime_ns, column, group)
        with self._lock:  # one that waits has what it waited for read to it
            if key not in self._kept:
                with ParquetGroups(path) as groups:
                    self._kept[key] = groups.read(group, [column])[column]
                while len(self._kept) > _KEPT_GROUPS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


_GROUPS = _Groups()


@dataclass
class _Rows:
    images: list[Cell] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    cells: dict[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_parquet(
    path: Path,
    *,
    images: Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Read Parquet files with a column of images, as bytes or paths, and one of labels.

    Arguments:
        path: a file, or a folder with shards, whose names may tell splits (`data/train-00000-of-00002.parquet`).
        images: the folder that paths are relative to, where the files have paths; by default their own.
        image_column, label_column: the columns, where they cannot be guessed.
        progress: told how many rows were read.

    Returns:
        A catalog; the images' bytes are read when they are asked for, a row group at a time.

    Raises:
        MissingExtraError: pyarrow is not installed.
        ArgumentError: there is no such column.
        DataError: damaged, or no column of images.
    """
    shards = find_shards(path, is_parquet)
    rows, first = _Rows(), None
    for shard in shards:
        columns = _add_shard(shard, image_column, label_column, rows, progress)
        first = first or columns
        if (columns.label, columns.names, columns.bytes_) != (first.label, first.names, first.bytes_):
            raise DataError(
                f"{shard.path} must have the columns and classes of {shards[0].path}; it has others. Give one of them"
            )
    if first is None or not rows.labels:
        raise DataError(f"{path} must hold rows with images; it holds none")
    others = told_of_others(path, shards)
    if first.label is None and not first.chosen:
        first = _with_only_column(rows, first)
    if first.bytes_ is None:
        return _by_paths(path, rows, first, images, others, progress)
    if images is not None:
        raise ArgumentError(f"--images must come with paths of images; {path} holds the images themselves")
    return _catalog(path, rows, first, others)


def _with_only_column(rows: _Rows, columns: ParquetColumns) -> ParquetColumns:
    """Return the columns with the only one beside the images as that of labels, if it groups them as classes do."""
    place = find_only_column(columns.others, _lines(rows), ())
    if place is None:
        return columns
    name = columns.others[place]
    rows.labels = [class_name(cell or None) for cell in rows.cells.pop(name)]
    rows.notes = (only_column_note(name, "the images"),)
    return replace(columns, label=name, others=tuple(other for other in columns.others if other != name))


def _add_shard(
    shard: Shard, image_column: str | None, label_column: str | None, rows: _Rows, progress: Progress
) -> ParquetColumns:
    pyarrow_parquet()
    try:
        with ParquetGroups(shard.path) as groups:
            columns = choose_parquet_columns(shard.path, groups.schema, image_column, label_column)
            for group in range(groups.metadata.num_row_groups):
                _add_group(shard, groups, group, columns, rows)
                progress("reading rows", len(rows.labels), 0)
    except (DataError, ArgumentError):
        raise
    except MemoryError:
        raise DataError(f"{shard.path} declares more than this machine's memory holds. Get it again") from None
    except Exception as error:  # pyarrow has errors of its own for damages, and of Python for others
        raise DataError(f"{shard.path} is a damaged Parquet file ({str(error)[:200]}). Get it again") from None
    return columns


def _add_group(shard: Shard, groups: ParquetGroups, group: int, columns: ParquetColumns, rows: _Rows) -> None:
    """Add the rows of one group; of the images nothing but their names is read."""
    wanted = [name for name in (columns.paths, columns.label, *columns.others) if name]
    count = groups.metadata.row_group(group).num_rows
    groups.room.keep(count)
    images = [columns.bytes_] if columns.bytes_ else []
    groups.check(group, wanted)
    if images and groups.check(group, images)[1]:  # how much they come to is known when they are read
        groups.read(group, images)
    values: dict[str, list[Any]] = {}
    for name, found in (groups.read(group, wanted) if wanted else {}).items():
        groups.room.keep_bytes(text_bytes(found))
        values[name] = found.to_pylist()
        if len(found) != count:
            raise DataError(
                f"{shard.path} is a damaged Parquet file (of {count:,} rows {len(found):,} are there). Get it again"
            )
    nothing: list[Any] = [None] * count
    rows.labels += [_class(shard.path, value, columns.names) for value in values.get(columns.label or "", nothing)]
    rows.paths += [text_of(value) for value in values.get(columns.paths or "", nothing)]
    rows.splits += [shard.split] * count
    if columns.bytes_:
        rows.images += [Cell(shard.path, columns.bytes_, group, i) for i in range(count)]
    for name in columns.others:
        rows.cells.setdefault(name, []).extend(text_of(value) for value in values[name])


def _class(path: Path, value: Any, names: Sequence[str] | None) -> str | None:
    """Return the class of a cell; of named classes −1 means none, as in test sets whose labels are kept back."""
    if names is not None and isinstance(value, int):
        if not -1 <= value < len(names):
            raise DataError(f"{path}: a label must be −1 to {len(names) - 1}, for {len(names)} classes; got {value}")
        return names[value] if value >= 0 else None
    return text_of(value) or None if isinstance(value, list | dict) else class_name(value)


def _catalog(path: Path, rows: _Rows, columns: ParquetColumns, others: list[Entry]) -> Catalog:
    splits = np.array(rows.splits, "U5")
    names = [displayable(name) for name in rows.paths]
    if not all(names) or len(set(names)) < len(names):
        names = numbered(splits)
    names = unique([name.replace("\\", "/").lstrip("/") for name in names])
    told = find_split_column(tuple(rows.cells), _lines(rows), ())
    labelled = any(rows.labels)
    why = [_why(rows, i, told, labelled) for i in range(len(names))]
    if not splits.astype(bool).any() and told.place is not None:
        cells = rows.cells[list(rows.cells)[told.place]]
        splits = np.array([told.of(cell) or "" for cell in cells], "U5")
    keep = [i for i, one in enumerate(why) if not one]
    entries = [Entry(n, "skipped", one) if one else Entry(n, "used") for n, one in zip(names, why, strict=True)]
    found = [rows.labels[i] for i in keep]
    known = columns.names if columns.names is not None and set(columns.names).issuperset(filter(None, found)) else None
    labels, classes = encode(found, tuple(dict.fromkeys(known)) if known and labelled else None)
    return Catalog(
        str(path),
        "parquet",
        [names[i] for i in keep],
        [rows.images[i] for i in keep],
        labels,
        classes,
        splits[keep],
        Ledger([*entries, *others]),
        {name: [cells[i] for i in keep] for name, cells in rows.cells.items()},
        (
            *rows.notes,
            *told.notes,
            *naming_notes(found),
            *(_rivals(rows, columns) if labelled and not columns.chosen else ()),
        ),
    )


def _rivals(rows: _Rows, columns: ParquetColumns) -> tuple[str, ...]:
    """Say which other columns could be the labels, as of a table."""
    others = [name for name in rows.cells if fold(name) in LABEL_NAMES]
    cells = zip(rows.labels, *(rows.cells[name] for name in others), strict=True)
    lines = [(i, [label or "", *more]) for i, (label, *more) in enumerate(cells, 1)]
    return note_rivals((columns.label or "", *others), lines, 0, LABEL_NAMES)


def _lines(rows: _Rows) -> list[tuple[int, list[str]]]:
    return list(enumerate(map(list, zip(*rows.cells.values(), strict=True)), 1))


def _why(rows: _Rows, row: int, told: SplitColumn, labelled: bool) -> str:
    """Return why a row is left out, "" of one that is used."""
    if labelled and rows.labels[row] is None:
        return "no label"
    if told.place is None or rows.splits[row]:
        return ""
    cell = rows.cells[list(rows.cells)[told.place]][row]
    return f"set aside as in no split: {cell}" if told.of(cell) is None else ""


def _by_paths(
    path: Path, rows: _Rows, columns: ParquetColumns, images: Path | None, others: list[Entry], progress: Progress
) -> Catalog:
    """Return the catalog of images that lie as files beside the Parquet file."""
    heads = ("file_name", "label", "split", *columns.others)
    cells = [rows.cells[name] for name in columns.others]
    lines = [
        (i + 1, [rows.paths[i], rows.labels[i] or "", rows.splits[i], *(column[i] for column in cells)])
        for i in range(len(rows.labels))
    ]
    beside = path / "table" if path.is_dir() else path
    catalog = read_table(
        beside, table=TextTable(heads, lines), images=images, image_column="file_name",
        label_column="label" if columns.label else WITHOUT_LABELS, progress=progress,
    )  # fmt: skip
    kept = Ledger([*catalog.ledger, *others])
    return Catalog(
        str(path), "parquet", catalog.names, catalog.images, catalog.labels, catalog.classes, catalog.splits, kept,
        {name: catalog.columns[name] for name in columns.others}, (*rows.notes, *catalog.notes),
    )  # fmt: skip
