"""Tables (CSV, TSV, text from a spreadsheet) that name image files and, perhaps, their labels and splits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.labels import encode, is_missing, naming_notes, number_of
from striate.data.ledger import NO_LABELS, TABLE_TOLD, Entry, Ledger
from striate.data.readers.assembling import displayable
from striate.data.readers.layout import BLANKS, DECIMAL_COMMA, fold, with_point
from striate.data.readers.listing import Listing
from striate.data.readers.lookup import Found, choose_folder, find_files, what_is_missing
from striate.data.readers.one_hot import OneHot, find_one_hot
from striate.data.readers.only_column import find_only_column, only_column_note
from striate.data.readers.table_doubts import (
    note_missing,
    note_other_files,
    note_rivals,
    note_unused,
    rows_out_of_line,
)
from striate.data.readers.table_splits import SplitColumn, find_split_column, splits_in_paths
from striate.data.readers.text_table import LABEL_NAMES, TextTable, cell_at, columns_of_files, guess_images, load_table
from striate.errors import ArgumentError, DataError, some
from striate.observer import Progress, silent

# Given for the column of labels: nobody asks for labels, and no row is skipped for want of one.
WITHOUT_LABELS = ""
_MANY_COLUMNS = 32
_PIXELS_HINT = ". Columns of pixels must be whole numbers 0 to 255, a square of them or three, and a label"


@dataclass(frozen=True)
class _Columns:
    image: int
    label: int | None
    split: SplitColumn
    notes: tuple[str, ...]


def _choose_columns(
    path: Path, table: TextTable, image_column: str | None, label_column: str | None, only: bool
) -> _Columns:
    image = table.place(path, image_column, "--image-column") if image_column else guess_images(table)
    if image is None:
        raise DataError(
            f"{path} must have a column of image files; its columns are {some(table.columns)}. "
            "Name it with --image-column" + (_PIXELS_HINT if len(table.columns) > _MANY_COLUMNS else "")
        )
    label = table.place(path, label_column, "--label-column") if label_column else table.guess(LABEL_NAMES)
    if label is None and not table.has_header and len(table.columns) == 2:
        label = None if _is_numbered(table, 1 - image) else 1 - image
    if label is not None and not label_column and not any(_label(cells, label) for _, cells in table.rows):
        label = None  # a column to be filled in: the table is there to be predicted
    if label_column == WITHOUT_LABELS:
        label = None
    if label == image:
        if label_column or image_column:
            raise ArgumentError(f"{path}: images and labels must be different columns; got {table.columns[image]!r}")
        label = None
    told: tuple[str, ...] = ()
    if label is None and label_column is None and only and table.has_header:
        label = find_only_column(table.columns, table.rows, {image, *columns_of_files(table)})
        told = () if label is None else (only_column_note(table.columns[label], table.columns[image]),)
    split = find_split_column(table.columns, table.rows, {image, label})
    return _Columns(image, label, split, (*told, *split.notes))


def _is_numbered(table: TextTable, place: int) -> bool:
    """Whether a list's other column counts its rows, as some write it: `1 001.Crow/a.jpg`."""
    cells = [cell_at(cells, place) for _, cells in table.rows]
    return table.delimiter == BLANKS and place == 0 and len(cells) > 1 and len(set(cells)) == len(cells)


def _label(cells: list[str], place: int | None) -> str | None:
    """Return a cell that is a label; None for one that is empty or says that there is none, as nan and N/A do."""
    label = cell_at(cells, place)
    return None if is_missing(label, in_table=True) else label


def read_table(
    path: Path,
    *,
    table: TextTable | None = None,
    images: Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    only: bool = True,
    progress: Progress = silent,
) -> Catalog:
    """Read a table with a column of image files and, perhaps, of labels (label, class…) and splits (split, set…).

    Arguments:
        path: the table.
        table: its cells, where it is no text but says the same in another form.
        images: the folder that the file names are relative to; by default the table's own, or the only folder below
            it that holds the files.
        image_column, label_column: the columns' names, where they cannot be guessed.
        only: whether the only column beside the files may be the labels, whatever it is called.
        progress: told how many rows were looked up.

    Returns:
        A catalog whose names are the table's own; rows without file, label or sense are skipped in its ledger.

    Raises:
        ArgumentError: there is no such column.
        DataError: there is no column of images, or more than half of the files are missing.
    """
    return catalog_of_table(
        path, table or load_table(path), images=images, image_column=image_column, label_column=label_column,
        only=only, progress=progress,
    )  # fmt: skip


def catalog_of_table(
    path: Path,
    table: TextTable,
    *,
    images: Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    only: bool = True,
    progress: Progress = silent,
) -> Catalog:
    """Return the catalog of a table in memory, as `read_table`; `path` names it and says what its files are beside."""
    asked = image_column is not None
    if image_column is None:
        table, image_column = _by_files(table, images or path.parent)
    beyond, line_told = rows_out_of_line(table.columns, table.rows)
    table, classes_told, label_column = _with_one_hot(path, table, label_column)
    columns = _choose_columns(path, table, image_column, label_column, only)
    names = [cell_at(cells, columns.image) for _, cells in table.rows]
    folder = choose_folder(path, names, images)
    found = find_files(names, folder, given=images is not None, top=images or path.parent, progress=progress)
    table, commas_told = _with_points(table, columns.label)
    files, entries = _look_up(table, columns, found, {**classes_told.refused, **beyond})
    if 2 * len(found.files) < len({*names} - {""}):
        raise DataError(what_is_missing(path, names, found, folder, given=images is not None))
    elsewhere = images is None and folder != path.parent
    told = [f"its images were found in {folder.relative_to(path.parent)}"] if elsewhere else []
    told += [*found.notes, *filter(None, [classes_told.note])]
    if columns.label is None and len(table.columns) > 1:
        told.append(f"{NO_LABELS}{some(table.columns)}")
    if told:
        entries.append(Entry(displayable(path.name), "skipped", f"{TABLE_TOLD}{'; '.join(told)}"))
    by_path, paths_told = (
        ({}, ()) if columns.split.place is not None else splits_in_paths([file.name for file in files])
    )
    given = [file.label for file in files]
    labels, classes = encode(given)
    known = [fold(label_column)] if label_column else LABEL_NAMES
    rivals = note_rivals(table.columns, table.rows, columns.label, known)
    notes = (*columns.notes, *paths_told, *commas_told, *naming_notes(given), *note_missing(entries))
    if not asked:
        notes += note_other_files(table.columns, (columns.image, columns.label), columns_of_files(table))
    notes += (*line_told, *rivals, *note_unused(table.columns, table.rows))
    return Catalog(
        str(path),
        "table",
        [file.name for file in files],
        [file.path for file in files],
        labels,
        classes,
        np.array([by_path.get(file.name, file.split) for file in files], dtype="U5"),
        Ledger(entries),
        {column: [cell_at(file.cells, place) for file in files] for place, column in enumerate(table.columns)},
        notes,
    )


def _with_points(table: TextTable, label: int | None) -> tuple[TextTable, tuple[str, ...]]:
    """Return the table with decimal points in labels that are numbers with a decimal comma, and what is to be said.

    A cell of two labels, 1,2, is told from the number by the others: all have a fraction, or each fraction is nought.
    """
    if label is None or table.delimiter not in (";", "\t", "|"):
        return table, ()
    cells = {cell for _, row in table.rows if (cell := cell_at(row, label))}
    parts = [DECIMAL_COMMA.fullmatch(cell) for cell in cells]
    fractions = [part[2] for part in parts if part]
    whole = all(part or number_of(cell) is not None for part, cell in zip(parts, cells, strict=True))
    if not fractions or not whole or not (all(parts) or {*"".join(fractions)} == {"0"}):
        return table, ()
    rows = [
        (line, [with_point(cell) if i == label else cell for i, cell in enumerate(row)]) for line, row in table.rows
    ]
    first = min(cell for cell, part in zip(cells, parts, strict=True) if part)
    told = f"labels such as {first} are taken as numbers with a decimal comma, {first.replace(',', '.')}"
    return replace(table, rows=rows), (told,)


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
    if guess_images(table) is not None:
        return table, None
    listing = Listing(folder)
    for place, name in enumerate(table.columns[:10]):
        cells = [cell_at(cells, place) for _, cells in table.rows[:20]]
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
    if label_column == WITHOUT_LABELS:
        return table, OneHot([], {}, ""), label_column
    if label_column and "," in label_column and label_column not in table.columns:
        chosen = [table.place(path, name.strip(), "--label-column") for name in label_column.split(",")]
    elif label_column or table.guess(LABEL_NAMES) is not None:
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


def _path_of(cell: str) -> str:
    """Return a path as every spelling of it comes to: ./a.png and a.png are one file."""
    return os.path.normpath(cell) if "./" in cell or "//" in cell else cell


def _look_up(
    table: TextTable, columns: _Columns, found: Found, refused: Mapping[int, str]
) -> tuple[list[_File], list[Entry]]:
    """Return the usable files and a ledger line for every row; `refused` says by line which are left out, and why."""
    files: dict[str, _File] = {}
    lines: dict[str, int] = {}
    entries: dict[str, Entry] = {}
    owners: dict[str, str] = {}
    for line, cells in table.rows:
        cell = cell_at(cells, columns.image)
        label = _label(cells, columns.label)
        split = columns.split.of(cell_at(cells, columns.split.place))
        name = displayable(cell) or f"line {line}"
        file = found.files.get(cell)
        owner = owners.setdefault(_path_of(cell), name)
        if file is not None and owner != name and name not in entries:
            entries[name] = Entry(name, "skipped", f"the file of another row: {owner}")
            before = files.get(owner)
            if before is not None and before.label != label:
                del files[owner]
                entries[owner] = Entry(owner, "skipped", f"two labels: {before.label}, and {label} as {name}")
        elif name in entries:
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
            written = cell_at(cells, columns.label)
            entries[name] = Entry(name, "skipped", f"no label: {written}" if written else "no label")
        elif split is None:
            entries[name] = Entry(name, "skipped", "set aside as in no split: " + cell_at(cells, columns.split.place))
        else:
            entries[name] = Entry(name, "used")
            files[name] = _File(name, file, label, split, cells)
            lines[name] = line
    return list(files.values()), list(entries.values())
