"""The only column beside the image files of a table: its labels, though it is not called so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from striate.data.labels import is_missing, number_of
from striate.data.readers.layout import Rows, fold
from striate.data.readers.split_names import called_as_splits
from striate.data.readers.table_splits import find_split_column

# Such a column tells of an image without saying what it shows, or of whom and from where it is.
_NO_CLASSES = frozenset({
    "width", "height", "size", "bytes", "date", "time", "datetime", "timestamp", "year", "caption", "text",
    "description", "comment", "comments", "source", "author", "license", "licence", "confidence", "score", "weight",
    "id", "patient", "patient_id", "subject", "subject_id", "person", "user", "user_id", "group", "group_id", "object",
    "object_id", "sequence", "session", "video", "fold", "camera", "device", "site", "hospital", "batch",
})  # fmt: skip
# A class has as many images on average at least; of fewer the cells are names or notes of single images.
_FEWEST_A_CLASS = 2


def find_only_column(columns: Sequence[str], rows: Rows, images: Collection[int]) -> int | None:
    """Return the place of the only column beside images and splits if it groups the images as classes do, else None.

    Arguments:
        columns: the columns' names.
        rows: (line, cells) of each row.
        images: the places of the columns of images.
    """
    split = find_split_column(columns, rows, images).place
    others = [place for place in range(len(columns)) if place not in images and place != split]
    others = [place for place in others if not _counts_rows(columns[place], rows, place)]
    if len(others) != 1 or fold(columns[others[0]]) in _NO_CLASSES:
        return None
    cells = Counter(cells[others[0]] for _, cells in rows if others[0] < len(cells))
    labels = {cell: count for cell, count in cells.items() if not is_missing(cell, in_table=True)}
    grouped = len(labels) > 1 and sum(labels.values()) >= _FEWEST_A_CLASS * len(labels)
    return others[0] if grouped and not called_as_splits(labels) and not _are_fractions(labels) else None


def only_column_note(column: str, images: str) -> str:
    """Return what is said where a column is taken so."""
    return f"column {column} is taken for the labels, the only one beside {images}"


def _counts_rows(name: str, rows: Rows, place: int) -> bool:
    """Whether a column has no name and another whole number in each row, as pandas writes its index."""
    if name and not name.startswith("Unnamed: "):
        return False
    cells = [cells[place] if place < len(cells) else "" for _, cells in rows]
    return len(set(cells)) == len(cells) and all(cell.isdecimal() or not cell for cell in cells)


def _are_fractions(labels: Collection[str]) -> bool:
    numbers = [number_of(label.replace(",", ".")) for label in labels]
    return any(number is not None and number != number.to_integral_value() for number in numbers)
