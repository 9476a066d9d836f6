"""The cells of a table of text, and what its columns are called."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from striate.data.readers.folders import IMAGE_TYPES
from striate.data.readers.layout import (
    BLANKS,
    Rows,
    decode_text,
    find_layout,
    fold,
    is_image_name,
    parse_rows,
    rows_before_header,
)
from striate.data.readers.mappings import Cells, rows_of_json
from striate.data.readers.records import load_json, record_rows, records_in
from striate.errors import ArgumentError, DataError, some, unknown
from striate.units import say_bytes

IMAGE_NAMES = (
    "filename", "file_name", "file", "filepath", "file_path", "path", "image", "image_path", "imagepath", "image_file",
    "image_name", "images", "img", "img_path", "picture", "photo", "image_id", "url", "image_url", "uri", "id",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "class", "class_name", "classname", "target", "category", "y", "class_id", "classid",
    "class_label", "label_name", "labelname", "label_id", "labelid", "category_name", "category_id",
    "ground_truth", "groundtruth", "choice",
)  # fmt: skip
_OF_MASKS = re.compile(r"mask|segm|(?:^|[\W_])(?:seg|gt|label|depth|annotation)(?:$|[\W_])", re.IGNORECASE)
# Names that may as well be of numbers that count the rows.
_COUNTERS = frozenset({"id", "image_id", "images"})
_KNOWN = frozenset((*IMAGE_NAMES, *LABEL_NAMES))
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
        raise ArgumentError(f"{path}: {said}. Give another {option}")

    def guess(self, names: Sequence[str]) -> int | None:
        """Return the place of the first of `names` that is a column, or None."""
        folded = [fold(column) for column in self.columns]
        return next((folded.index(name) for name in names if name in folded), None)

    def image_and_label(self) -> tuple[int, int]:
        """Return the places of the columns of images and labels of a table with two columns or more.

        Where names and content do not tell, images are in the first, labels in the next.
        """
        image = guess_images(self) or 0
        label = self.guess(LABEL_NAMES)
        return image, label if label not in (None, image) else int(image == 0)


def load_table(path: Path) -> TextTable:
    """Read the cells of a table of text, whatever its encoding and delimiter.

    A first row in which a cell is the name of an image file is data: the columns are then called 1, 2, 3…

    Raises:
        DataError: it is not a table of text, or it has no rows.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise DataError(
            f"{path} must be a table of at most {say_bytes(LARGEST_BYTES)}; got {say_bytes(path.stat().st_size)}. "
            "Leave out columns that are not needed"
        )
    text = decode_text(path.read_bytes())
    if cells := _of_json(path, text.lstrip("\ufeff \t\r\n")):
        return TextTable(*cells)
    if "\0" in text:
        raise DataError(f"{path} must be a table of text (CSV or TSV); it holds null bytes. Save it as CSV")
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
    if len(rows) > 1 and names == tuple(map(str, range(len(names)))):
        return TextTable(names, rows[1:], layout.delimiter, has_header=False)  # as programs count columns without names
    if _has_row_names(names, rows[1:]):
        names = ("", *names)
    if len(rows) == 1:
        raise DataError(f"{path} has a header ({some(names)}) and no rows; it must name images")
    return TextTable(names, rows[1:], layout.delimiter)


def _has_row_names(names: Sequence[str], rows: Rows) -> bool:
    """Whether rows begin with their number and the header does not name it, as R's write.table has them."""
    whole = bool(rows) and all(len(cells) == len(names) + 1 for _, cells in rows)
    return (
        whole and all(cells[0].isdecimal() for _, cells in rows) and len({cells[0] for _, cells in rows}) == len(rows)
    )


def _of_json(path: Path, text: str) -> Cells | None:
    """Return columns and rows of JSON or JSON lines; None of what is a table of text.

    Raises:
        DataError: it is JSON that tells of no images, or called so and damaged.
    """
    if text[:1] not in ("{", "["):
        return None
    try:
        value = load_json(str(path), text)
    except DataError:
        if records := records_in(str(path), text):
            return record_rows(records)
        if path.suffix.lower() == ".json":
            raise
        return None
    flat = isinstance(value, dict) and not any(isinstance(part, dict | list) for part in value.values())
    if flat and not _KNOWN.isdisjoint(map(fold, value)):
        return record_rows([(1, value)])  # one line of JSON lines
    if cells := rows_of_json(value, IMAGE_NAMES, LABEL_NAMES):
        return cells
    shown = (
        f"the keys {some([str(key)[:40] for key in value])}" if isinstance(value, dict) else "a list of other things"
    )
    raise DataError(
        f"{path} must be JSON of images and labels: {{file: label}}, a list of records, COCO (images, annotations, "
        f"categories) or Label Studio (a list of tasks); it has {shown}. Give a table (CSV) that names the images and "
        "their classes"
    )


def by_content(table: TextTable) -> int | None:
    """Return the first column in which the first rows all look like image files."""
    if found := columns_of_files(table):
        return found[0]
    return 0 if table.delimiter == BLANKS else None


def columns_of_files(table: TextTable) -> list[int]:
    """Return the places of all columns in which the first rows look like image files."""
    found = []
    for place in range(len(table.columns)):
        cells = [cell_at(cells, place) for _, cells in table.rows[:20]]
        files = [re.split("[?#]", cell)[0] if "://" in cell else cell for cell in cells]
        if all(os.path.splitext(file)[1].lower() in IMAGE_TYPES for file in files):
            found.append(place)
    return found


def _best_of(table: TextTable, first: int | None) -> int | None:
    """Return the first column of image files that is not called as masks are, else `first`."""
    places = columns_of_files(table)
    return next((place for place in places if not _OF_MASKS.search(table.columns[place])), first)


def guess_images(table: TextTable) -> int | None:
    """Return the column of image files: the one that is called so, or the first whose cells look like them.

    A column called id of bare numbers beside one of image files counts the rows.
    """
    named, seen = table.guess(IMAGE_NAMES), _best_of(table, by_content(table))
    if named is None or seen is None or named == seen or fold(table.columns[named]) not in _COUNTERS:
        return seen if named is None else named
    return named if any(is_image_name(cell_at(cells, named)) for _, cells in table.rows[:20]) else seen


def cell_at(cells: list[str], place: int | None) -> str:
    """Return the cell at a place, "" where the row is too short or the place is None."""
    return cells[place] if place is not None and place < len(cells) else ""
