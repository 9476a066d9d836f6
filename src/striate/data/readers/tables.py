"""Tables (CSV, TSV, text from a spreadsheet) that name image files and, perhaps, their labels and splits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.ledger import Entry, Ledger
from striate.data.readers.assembling import displayable, encode, split_of
from striate.data.readers.folders import IMAGE_TYPES
from striate.data.readers.layout import (
    BLANKS,
    decode_text,
    find_layout,
    fold,
    is_image_name,
    parse_rows,
    rows_before_header,
)
from striate.data.readers.listing import Listing
from striate.data.readers.lookup import Found, choose_folder, find_files, what_is_missing
from striate.data.readers.one_hot import OneHot, find_one_hot
from striate.errors import ArgumentError, DataError, some, unknown
from striate.observer import Progress, silent

_IMAGE_NAMES = (
    "filename", "file_name", "file", "filepath", "file_path", "path", "image", "image_path", "imagepath", "image_file",
    "image_name", "images", "img", "img_path", "picture", "photo", "image_id", "id",
)  # fmt: skip
_LABEL_NAMES = ("label", "labels", "class", "class_name", "classname", "target", "category", "y")
_SPLIT_NAMES = ("split", "set", "subset", "partition")
_MANY_COLUMNS = 32
_PIXELS_HINT = " Columns of pixels must be whole numbers 0 to 255, a square of them or three, and a label."
_KNOWN = frozenset((*_IMAGE_NAMES, *_LABEL_NAMES))
LARGEST_BYTES = 1 << 30


@dataclass(frozen=True)
class TextTable:
    """The text of a table: column names and rows of cells, each row with the line it starts on.

    A table without a header has the column names 1, 2, 3…
    """

    columns: tuple[str, ...]
    rows: list[tuple[int, list[str]]]
    delimiter: str = ","
    has_header: bool = True

    def place(self, path: Path, name: str, option: str) -> int:
        """Return the place of the column that the user named, or of the only one that differs in case."""
        folded = [fold(column) for column in self.columns]
        if name in self.columns:
            return self.columns.index(name)
        if folded.count(fold(name)) == 1:
            return folded.index(fold(name))
        said = unknown("column", name, self.columns)
        said = f"{said.split(' Choices: ')[0]} Choices: {some(self.columns)}"
        raise ArgumentError(f"{path}: {said}. Give another {option}.")

    def guess(self, names: Sequence[str]) -> int | None:
        """Return the place of the first of `names` that is a column, or None."""
        folded = [fold(column) for column in self.columns]
        return next((folded.index(name) for name in names if name in folded), None)

    def image_and_label(self) -> tuple[int, int]:
        """Return the places of the columns of images and labels of a table with two columns or more.

        Where names and content do not tell, images are in the first, labels in the next.
        """
        image = self.guess(_IMAGE_NAMES)
        image = _by_content(self) if image is None else image
        image = 0 if image is None else image
        label = self.guess(_LABEL_NAMES)
        return image, label if label not in (None, image) else int(image == 0)


def known_places(table: TextTable, splits: Sequence[str] = _SPLIT_NAMES) -> tuple[int | None, int | None, int | None]:
    """Return the places of the columns whose names say that they are images, labels and splits."""
    return table.guess(_IMAGE_NAMES), table.guess(_LABEL_NAMES), table.guess(splits)


def load_table(path: Path) -> TextTable:
    """Read the cells of a table of text, whatever its encoding and delimiter.

    A first row in which a cell is the name of an image file is data: the columns are then called 1, 2, 3…

    Raises:
        DataError: it is not a table of text, or it has no rows.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise DataError(f"{path} must be a table under 1 GiB; got {path.stat().st_size:,} bytes")
    text = decode_text(path.read_bytes())
    if "\0" in text:
        raise DataError(f"{path} must be a table of text (CSV or TSV); it holds zero bytes. Save it as CSV.")
    layout = find_layout(text, _KNOWN)
    rows = parse_rows(path, layout)
    if not rows:
        raise DataError(f"{path} must have a header and rows; it is empty")
    rows = rows[rows_before_header(rows, _KNOWN) :]
    if layout.header and len(layout.header) == len(rows[0][1]):
        return TextTable(layout.header, rows, layout.delimiter)
    names = tuple(rows[0][1])
    listed = layout.delimiter == BLANKS and _KNOWN.isdisjoint(map(fold, names))
    if listed or any(is_image_name(cell) for cell in rows[0][1]):
        return TextTable(tuple(str(i + 1) for i in range(len(rows[0][1]))), rows, layout.delimiter, has_header=False)
    if len(rows) == 1:
        raise DataError(f"{path} has a header ({some(names)}) and no rows; it must name images")
    return TextTable(names, rows[1:], layout.delimiter)


@dataclass(frozen=True)
class _Columns:
    image: int
    label: int | None
    split: int | None


def _choose_columns(path: Path, table: TextTable, image_column: str | None, label_column: str | None) -> _Columns:
    image = table.place(path, image_column, "--image-column") if image_column else table.guess(_IMAGE_NAMES)
    if image is None:
        image = _by_content(table)
    if image is None:
        raise DataError(
            f"{path} must have a column of image files; its columns are {some(table.columns)}. "
            "Name it with --image-column." + (_PIXELS_HINT if len(table.columns) > _MANY_COLUMNS else "")
        )
    label = table.place(path, label_column, "--label-column") if label_column else table.guess(_LABEL_NAMES)
    if label is None and not table.has_header and len(table.columns) == 2:
        label = None if _is_numbered(table, 1 - image) else 1 - image
    if label is not None and not label_column and not any(_cell(cells, label) for _, cells in table.rows):
        label = None  # a column to be filled in: the table is there to be predicted
    if label == image:
        if label_column or image_column:
            raise ArgumentError(f"{path}: images and labels must be different columns; got {table.columns[image]!r}")
        label = None
    split = table.guess(_SPLIT_NAMES)
    if split is not None and not all(
        split_of(_cell(cells, split)) or not _cell(cells, split) for _, cells in table.rows
    ):
        split = None
    return _Columns(image, label, split)


def _by_content(table: TextTable) -> int | None:
    """Return the first column in which the first rows all look like image files."""
    for place in range(len(table.columns)):
        cells = [_cell(cells, place) for _, cells in table.rows[:20]]
        if all(os.path.splitext(cell)[1].lower() in IMAGE_TYPES for cell in cells):
            return place
    return 0 if table.delimiter == BLANKS else None


def _is_numbered(table: TextTable, place: int) -> bool:
    """Whether a list's other column counts its rows, as some write it: `1 001.Crow/a.jpg`."""
    cells = [_cell(cells, place) for _, cells in table.rows]
    return table.delimiter == BLANKS and place == 0 and len(cells) > 1 and len(set(cells)) == len(cells)


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place] if place is not None and place < len(cells) else ""


def read_table(
    path: Path,
    *,
    images: Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Read a table with a column of image files and, perhaps, of labels (label, class…) and splits (split, set…).

    Arguments:
        path: the table.
        images: the folder that the file names are relative to; by default the table's own, or the only folder below
            it that holds the files.
        image_column, label_column: the columns' names, where they cannot be guessed.
        progress: told how many rows were looked up.

    Returns:
        A catalog whose names are the table's own; rows without file, label or sense are skipped in its ledger.

    Raises:
        ArgumentError: there is no such column.
        DataError: there is no column of images, or more than half of the files are missing.
    """
    return catalog_of_table(
        path, load_table(path), images=images, image_column=image_column, label_column=label_column, progress=progress
    )


def catalog_of_table(
    path: Path,
    table: TextTable,
    *,
    images: Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Return the catalog of a table in memory, as `read_table`; `path` names it and says what its files are beside."""
    if image_column is None:
        table, image_column = _by_files(table, images or path.parent)
    table, classes_told, label_column = _with_one_hot(path, table, label_column)
    columns = _choose_columns(path, table, image_column, label_column)
    names = [_cell(cells, columns.image) for _, cells in table.rows]
    folder = choose_folder(path, names, images)
    found = find_files(names, folder, given=images is not None, top=images or path.parent, progress=progress)
    files, entries = _look_up(table, columns, found, classes_told.refused)
    if 2 * len(found.files) < len({*names} - {""}):
        raise DataError(what_is_missing(path, names, found, folder, given=images is not None))
    notes = [*found.notes, *([classes_told.note] if classes_told.note else [])]
    if images is None and folder != path.parent:
        notes.insert(0, f"its images were found in {folder.relative_to(path.parent)}")
    if columns.label is None and len(table.columns) > 1:
        notes.append(f"no column of labels among {some(table.columns)}")
    if notes:
        entries.append(Entry(displayable(path.name), "skipped", f"set aside as the table: {'; '.join(notes)}"))
    labels, classes = encode([file.label for file in files])
    return Catalog(
        str(path),
        "table",
        [file.name for file in files],
        [file.path for file in files],
        labels,
        classes,
        np.array([file.split for file in files], dtype="U5"),
        Ledger(entries),
        {column: [_cell(file.cells, place) for file in files] for place, column in enumerate(table.columns)},
    )


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    path: Path
    label: str | None
    split: str
    cells: list[str]


def _by_files(table: TextTable, folder: Path) -> tuple[TextTable, str | None]:
    """Return the table and the name of the first column whose first cells are images of `folder`.

    Only where neither names nor content tell. Where the column's name is an image too, the table has no header.
    """
    if table.guess(_IMAGE_NAMES) is not None or _by_content(table) is not None:
        return table, None
    listing = Listing(folder)
    for place, name in enumerate(table.columns[:10]):
        cells = [_cell(cells, place) for _, cells in table.rows[:20]]
        if not all(cell and listing.find(cell) for cell in cells):
            continue
        if not table.has_header or not listing.find(name):
            return table, name
        line = max(1, table.rows[0][0] - 1)
        columns = tuple(str(i + 1) for i in range(len(table.columns)))
        rows = [(line, list(table.columns)), *table.rows]
        return TextTable(columns, rows, table.delimiter, has_header=False), columns[place]
    return table, None


def _with_one_hot(path: Path, table: TextTable, label_column: str | None) -> tuple[TextTable, OneHot, str | None]:
    """Return the table with a column of labels where it has one of 0 and 1 for every class, and what became of it.

    Several columns, `A,B,C`, may be named as the one of labels.
    """
    chosen: list[int] = []
    if label_column and "," in label_column and label_column not in table.columns:
        chosen = [table.place(path, name.strip(), "--label-column") for name in label_column.split(",")]
    elif label_column or table.guess(_LABEL_NAMES) is not None:
        return table, OneHot([], {}, ""), label_column
    told = find_one_hot(table.columns, table.rows, chosen)
    if told is None or not told.labels:
        return table, told or OneHot([], {}, ""), label_column
    count = len(table.columns)
    rows = [
        (line, [*cells[:count], *[""] * (count - len(cells)), label])
        for (line, cells), label in zip(table.rows, told.labels, strict=True)
    ]
    return replace(table, columns=(*table.columns, "label"), rows=rows), told, "label"


def _look_up(
    table: TextTable, columns: _Columns, found: Found, refused: Mapping[int, str]
) -> tuple[list[_File], list[Entry]]:
    """Return the usable files and a ledger line for every row; `refused` says by line which have no single class."""
    files: dict[str, _File] = {}
    lines: dict[str, int] = {}
    entries: dict[str, Entry] = {}
    for line, cells in table.rows:
        cell = _cell(cells, columns.image)
        label = _cell(cells, columns.label) or None
        name = displayable(cell) or f"line {line}"
        file = found.files.get(cell)
        if name in entries:
            before = files.get(name)
            if before is not None and before.label != label:
                del files[name]
                entries[name] = Entry(
                    name, "skipped", f"two labels: {before.label} on line {lines[name]}, {label} on line {line}"
                )
            entries[f"{name} (line {line})"] = Entry(f"{name} (line {line})", "skipped", "duplicate row")
        elif not cell:
            entries[name] = Entry(name, "skipped", "no file name")
        elif file is None:
            entries[name] = Entry(name, "skipped", found.doubts.get(cell, "file not found"))
        elif line in refused:
            entries[name] = Entry(name, "skipped", refused[line])
        elif label is None and columns.label is not None:
            entries[name] = Entry(name, "skipped", "no label")
        else:
            entries[name] = Entry(name, "used")
            files[name] = _File(name, file, label, split_of(_cell(cells, columns.split)), cells)
            lines[name] = line
    return list(files.values()), list(entries.values())
