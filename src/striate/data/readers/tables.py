"""Tables (CSV, TSV, text from a spreadsheet) that name image files and, perhaps, their labels and splits."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.labels import encode, few, is_missing, naming_notes
from striate.data.ledger import Entry, Ledger
from striate.data.readers.assembling import displayable
from striate.data.readers.folders import IMAGE_TYPES
from striate.data.readers.listing import Listing, folders_holding
from striate.data.readers.records import record_rows, records_in
from striate.data.readers.table_splits import SplitColumn, find_split_column
from striate.errors import ArgumentError, DataError, unknown
from striate.observer import Progress, silent

_IMAGE_NAMES = (
    "filename", "file_name", "file", "filepath", "file_path", "path", "image", "image_path", "imagepath", "image_file",
    "image_name", "images", "img", "img_path", "picture", "photo", "image_id", "id",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "class", "class_name", "classname", "target", "category", "y", "class_id", "classid",
    "class_label", "label_name", "labelname", "label_id", "labelid", "category_name", "category_id",
    "ground_truth", "groundtruth",
)  # fmt: skip
_DELIMITERS = ",;\t|"
_LARGEST_BYTES = 1 << 30


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
        folded = [_fold(column) for column in self.columns]
        if name in self.columns:
            return self.columns.index(name)
        if folded.count(_fold(name)) == 1:
            return folded.index(_fold(name))
        raise ArgumentError(f"{path}: {unknown('column', name, self.columns)}. Give another {option}.")

    def guess(self, names: Sequence[str]) -> int | None:
        """Return the place of the first of `names` that is a column, or None."""
        folded = [_fold(column) for column in self.columns]
        return next((folded.index(name) for name in names if name in folded), None)

    def image_and_label(self) -> tuple[int, int]:
        """Return the places of the columns of images and labels of a table with two columns or more.

        Where names and content do not tell, images are in the first, labels in the next.
        """
        image = self.guess(_IMAGE_NAMES)
        image = _by_content(self) if image is None else image
        image = 0 if image is None else image
        label = self.guess(LABEL_NAMES)
        return image, label if label not in (None, image) else int(image == 0)


def _fold(column: str) -> str:
    return column.strip().casefold().replace(" ", "_").replace("-", "_")


def decode_text(raw: bytes) -> str:
    """Return the text of `raw` in the encodings that spreadsheets write: UTF-8, UTF-16 or Windows-1252.

    Windows-1252 leaves five bytes undefined; those are read as Latin-1.
    """
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    if len(raw) > 3 and raw[1] == 0 and raw[3] == 0:
        return raw.decode("utf-16-le", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError:
            return raw.decode("latin-1")


def _delimiter(text: str) -> str:
    """Return the delimiter that is most frequent outside of quotes in the first line; a comma if there is none."""
    counts: Counter[str] = Counter()
    quoted = False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "\r\n":
            break
        elif not quoted and character in _DELIMITERS:
            counts[character] += 1
    return max(_DELIMITERS, key=lambda delimiter: counts[delimiter])


def load_table(path: Path) -> TextTable:
    """Read the cells of a table of text, whatever its encoding and delimiter.

    A first row in which a cell is the name of an image file is data: the columns are then called 1, 2, 3…

    Raises:
        DataError: it is not a table of text, or it has no rows.
    """
    if path.stat().st_size > _LARGEST_BYTES:
        raise DataError(f"{path} must be a table under 1 GiB; got {path.stat().st_size:,} bytes")
    text = decode_text(path.read_bytes()).lstrip("\r\n")
    if records := records_in(str(path), text):
        return TextTable(*record_rows(records))
    told = re.match(r'"?sep=(.)"?\r?\n', text)  # how Excel is told the delimiter, and writes it
    text = text[told.end() :] if told else text
    if "\0" in text:
        raise DataError(f"{path} must be a table of text (CSV or TSV); it holds zero bytes. Save it as CSV.")
    delimiter = told[1] if told else _delimiter(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}, cannot be read as a table: {error}") from None
    if not rows:
        raise DataError(f"{path} must have a header and rows; it is empty")
    if any(os.path.splitext(cell)[1].lower() in IMAGE_TYPES for cell in rows[0][1]):
        return TextTable(tuple(str(i + 1) for i in range(len(rows[0][1]))), rows, delimiter, has_header=False)
    if len(rows) == 1:
        raise DataError(f"{path} has a header ({', '.join(rows[0][1])}) and no rows; it must name images")
    return TextTable(tuple(rows[0][1]), rows[1:], delimiter)


@dataclass(frozen=True)
class _Columns:
    image: int
    label: int | None
    split: SplitColumn


def _choose_columns(path: Path, table: TextTable, image_column: str | None, label_column: str | None) -> _Columns:
    image = table.place(path, image_column, "--image-column") if image_column else table.guess(_IMAGE_NAMES)
    if image is None:
        image = _by_content(table)
    if image is None:
        raise DataError(
            f"{path} must have a column of image files; its columns are {', '.join(table.columns)}. "
            "Name it with --image-column."
        )
    label = table.place(path, label_column, "--label-column") if label_column else table.guess(LABEL_NAMES)
    if label is None and not table.has_header and len(table.columns) == 2:
        label = 1 - image
    if label is not None and not label_column and not any(_label(cells, label) for _, cells in table.rows):
        label = None  # a column to be filled in: the table is there to be predicted
    if label == image:
        if label_column or image_column:
            raise ArgumentError(f"{path}: images and labels must be different columns; got {table.columns[image]!r}")
        label = None
    return _Columns(image, label, find_split_column(table.columns, table.rows, {image, label}))


def _by_content(table: TextTable) -> int | None:
    """Return the first column in which the first rows all look like image files."""
    for place in range(len(table.columns)):
        cells = [_cell(cells, place) for _, cells in table.rows[:20]]
        if all(os.path.splitext(cell)[1].lower() in IMAGE_TYPES for cell in cells):
            return place
    return None


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place] if place is not None and place < len(cells) else ""


def _label(cells: list[str], place: int | None) -> str | None:
    """Return a cell that is a label; None for one that is empty or says that there is none, as nan and N/A do."""
    label = _cell(cells, place)
    return None if is_missing(label, in_table=True) else label


def read_table(
    path: Path,
    *,
    table: TextTable | None = None,
    images: Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Read a table with a column of image files and, perhaps, of labels (label, class…) and splits (split, set…).

    Arguments:
        path: the table.
        table: its cells, where it is no text but says the same in another form.
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
    table = table or load_table(path)
    columns = _choose_columns(path, table, image_column, label_column)
    folder = _choose_folder(path, table, columns, images)
    files, entries = _look_up(table, columns, folder, progress)
    missing = [entry.name for entry in entries if entry.detail.startswith("file not found")]
    if 2 * len(missing) > len(table.rows):
        raise DataError(
            f"{path} names {len(table.rows):,} images; {len(missing):,} are not in {folder}: "
            f"{', '.join(missing[:3])}{'…' if len(missing) > 3 else ''}. Say where they are with --images DIR."
        )
    notes = []
    if images is None and folder != path.parent:
        notes.append(f"its images were found in {folder.relative_to(path.parent)}")
    if columns.label is None and len(table.columns) > 1:
        notes.append(f"no column of labels among {', '.join(table.columns)}")
    if notes:
        entries.append(Entry(displayable(path.name), "skipped", f"set aside as the table: {'; '.join(notes)}"))
    given = [file.label for file in files]
    labels, classes = encode(given)
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
        (*columns.split.notes, *naming_notes(given), *_note_missing(entries)),
    )


def _note_missing(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Say how many rows hold a word for no label in the place of one; an empty cell speaks for itself."""
    words = Counter(
        entry.detail.removeprefix("no label: ") for entry in entries if entry.detail.startswith("no label: ")
    )
    if not words:
        return ()
    listed = few([f"{word} ({count:,})" for word, count in words.items()])
    return (f"{sum(words.values()):,} rows have no label but a word for a missing one, {listed}; they are left out",)


def _choose_folder(path: Path, table: TextTable, columns: _Columns, images: Path | None) -> Path:
    """Return the folder that the names are relative to, looking below the table's own where they are not beside it."""
    if images is not None:
        if not images.is_dir():
            raise DataError(f"--images must be a folder; got {images}")
        return images
    step = max(1, len(table.rows) // 10)
    sample = [_cell(cells, columns.image) for _, cells in table.rows[::step] if _cell(cells, columns.image)]
    listing = Listing(path.parent)
    if any(listing.find(name) for name in sample):
        return path.parent
    holding = folders_holding(path.parent, sample)
    if len(holding) > 1:
        candidates = ", ".join(str(folder) for folder in holding[:4])
        raise DataError(f"{path}: its images may lie in any of {candidates}. Choose with --images DIR.")
    return holding[0] if holding else path.parent


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    path: Path
    label: str | None
    split: str
    cells: list[str]


def _look_up(table: TextTable, columns: _Columns, folder: Path, progress: Progress) -> tuple[list[_File], list[Entry]]:
    """Find the file of each row; return the usable ones and a ledger line for every row."""
    listing = Listing(folder)
    files: dict[str, _File] = {}
    lines: dict[str, int] = {}
    entries: dict[str, Entry] = {}
    for i, (line, cells) in enumerate(table.rows):
        if i % 4096 == 0:
            progress("looking up files", i, len(table.rows))
        cell = _cell(cells, columns.image)
        label = _label(cells, columns.label)
        split = columns.split.of(_cell(cells, columns.split.place))
        name = displayable(cell) or f"line {line}"
        file = listing.find(cell) if cell else None
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
            entries[name] = Entry(name, "skipped", "file not found")
        elif label is None and columns.label is not None:
            written = _cell(cells, columns.label)
            entries[name] = Entry(name, "skipped", f"no label: {written}" if written else "no label")
        elif split is None:
            entries[name] = Entry(name, "skipped", "set aside as in no split: " + _cell(cells, columns.split.place))
        else:
            entries[name] = Entry(name, "used")
            files[name] = _File(name, file, label, split, cells)
            lines[name] = line
    return list(files.values()), list(entries.values())
