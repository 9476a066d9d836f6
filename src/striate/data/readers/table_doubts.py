"""What must be told about a table before its labels are believed: columns that are not honoured, rows out of line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from striate.data.labels import number_of
from striate.data.ledger import Entry
from striate.data.readers.layout import Rows, fold
from striate.errors import some
from striate.units import say_count

_BOXES = frozenset({
    "xmin", "ymin", "xmax", "ymax", "x1", "y1", "x2", "y2", "bboxx", "bboxy", "bboxwidth", "bboxheight",
    "roix1", "roiy1", "roix2", "roiy2", "left", "top", "right", "bottom", "xcenter", "ycenter",
})  # fmt: skip
# Columns whose 0 says that the label of the row does not hold, as Open Images has them.
_CERTAINTIES = frozenset({"confidence", "is_present", "present", "verified"})
# Up to this share of the rows may have too many cells and be left out for it; where more have, all are alike.
_FEW = 0.1


def rows_out_of_line(columns: Sequence[str], rows: Rows) -> tuple[dict[int, str], tuple[str, ...]]:
    """Return {line: why} of rows that have more cells than there are columns, and what is to be said.

    A comma that was not put into quotes moves all cells behind it: such a row's label may be another column's cell.
    Where more than a few rows are so they are read as they are, from the left, which is said.

    Arguments:
        columns: the columns' names.
        rows: (line, cells) of each row.
    """
    count = len(columns)
    lines = [line for line, cells in rows if len(cells) > count and any(cells[count:])]
    if not lines:
        return {}, ()
    if len(lines) <= _FEW * len(rows):
        cells = {line: len(cells) for line, cells in rows}
        why = "{} cells, where the table has {} columns: put a cell that holds the delimiter into quotes"
        have = say_count(len(lines), "row has", "rows have")
        told = f"{have} more cells than there are columns ({count}): left out, see ledger.csv"
        return {line: why.format(cells[line], count) for line in lines}, (told,)
    return {}, (
        f"{len(lines):,} of {len(rows):,} rows have more cells than there are columns ({count}): the first {count} are "
        "taken for them. If a cell is missing in the header, put it in",
    )


def note_rivals(columns: Sequence[str], rows: Rows, label: int | None, known: Collection[str]) -> tuple[str, ...]:
    """Say which other columns could be the labels and would group the images otherwise than the one that is taken.

    Arguments:
        label: the place of the column of labels; None where there is none.
        known: names of columns of labels, folded; where the user chose a column, only its own name.
    """
    if label is None:
        return ()
    notes = []
    for place, column in enumerate(columns):
        if place == label or fold(column) not in known:
            continue
        pairs = {(cells[label], cells[place]) for _, cells in rows if len(cells) > max(label, place) and cells[place]}
        same_name = fold(column) == fold(columns[label])
        if all(taken == other for taken, other in pairs) or (not same_name and _one_to_one(pairs)):
            continue
        if column == columns[label]:
            notes.append(
                f"several columns are called {column} and say different things: the first is taken. Give each "
                "a name of its own"
            )
        else:
            notes.append(
                f"column {columns[label]} is taken for the labels; {column} says something else, and is taken with "
                f"--label-column {column}"
            )
    return tuple(dict.fromkeys(notes))


def _one_to_one(pairs: Collection[tuple[str, str]]) -> bool:
    firsts, seconds = {first for first, _ in pairs}, {second for _, second in pairs}
    return len(firsts) == len(seconds) == len(pairs)


def note_other_files(columns: Sequence[str], taken: Sequence[int | None], places: Sequence[int]) -> tuple[str, ...]:
    """Say which other columns hold image files than the one that is taken.

    Arguments:
        taken: the places of the columns of images and labels.
        places: of all columns that hold image files.
    """
    image = taken[0] or 0
    others = [columns[place] for place in places if place not in taken]
    if not others:
        return ()
    return (
        f"columns {some([columns[image], *others])} hold image files, and only {columns[image]} is looked at; "
        "another is taken with --image-column",
    )


def note_missing(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Say how many rows hold a word for no label in the place of one; an empty cell speaks for itself."""
    words = Counter(
        entry.detail.removeprefix("no label: ") for entry in entries if entry.detail.startswith("no label: ")
    )
    if not words:
        return ()
    listed = some([f"{word} ({count:,})" for word, count in words.items()])
    told = say_count(sum(words.values()), "row has", "rows have")
    return (f"{told} no label but a word for a missing one, {listed}: left out",)


def note_unused(columns: Sequence[str], rows: Rows) -> tuple[str, ...]:
    """Say that boxes are not cut out, and that a certainty of 0 is not looked at, where columns are of these."""
    notes = []
    named = [column for column in columns if re.sub(r"[\W_]+", "", column.casefold()) in _BOXES]
    if len(named) >= 4:
        notes.append(
            f"columns {some(named)} look like boxes within the images: they are not cut out, whole images are "
            "learned from"
        )
    for place, column in enumerate(columns):
        if fold(column) not in _CERTAINTIES:
            continue
        numbers = [number_of(cells[place]) for _, cells in rows if place < len(cells)]
        if count := sum(number == 0 for number in numbers):
            notes.append(
                f"column {column} is 0 in {count:,} of {len(rows):,} rows and is not looked at: if it says that a "
                "row's label does not hold, take these rows out"
            )
    return tuple(notes)
