"""Which columns of a sample submission take the probabilities of which classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from striate.data.labels import levelled
from striate.data.readers.text_table import TextTable
from striate.errors import DataError, some

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def class_columns(
    table: TextTable, image: int, label: int | None, classes: Sequence[str], path: Path
) -> dict[int, int]:
    """Return {column: class} of the columns that take probabilities; none where a column takes the class's name.

    Columns are matched to classes by their names, else without regard to case and blanks, else without what all of
    the columns or all of the classes begin or end with: `p_cat`, `p_dog` are cat and dog.

    Arguments:
        image: the place of the column of images.
        label: the place of a column that is called as labels are; None where none is.
        classes: the model's classes.

    Raises:
        DataError: columns of numbers that are not the classes; words among them would be no submission.
    """
    others = [place for place in range(len(table.columns)) if place != image]
    numeric = [place for place in others if place != label and _is_numeric(table, place)]
    for places in (others, numeric):
        matched = {places[i]: k for i, k in _matched([table.columns[place] for place in places], classes).items()}
        alone = label is None and len(matched) == len(places) == 1
        if matched and (alone or len(matched) == len(classes)):
            return matched
    if label is not None or not numeric or not table.has_header:
        return {}
    if len(numeric) > 1 or _has_fraction(table, numeric[0]):
        raise DataError(
            f"{path} has columns of numbers, and which of the model's classes they take is not clear; its columns are "
            f"{some([table.columns[place] for place in numeric])}, the classes are {some(classes)}. "
            "Name the columns as the classes are named"
        )
    return {}


def _matched(columns: Sequence[str], classes: Sequence[str]) -> dict[int, int]:
    """Return {place of a column: place of its class} by the strictest way to compare that finds each class one."""
    best: dict[int, int] = {}
    ways: list[Callable[[Sequence[str]], list[str]]] = [
        list,
        lambda names: [levelled(name) for name in names],
        lambda names: [levelled(name) for name in _bare(names)],
    ]
    for way in ways:
        found = _one_to_one(way(columns), way(classes))
        if len(found) == len(classes):
            return found
        best = found if len(found) > len(best) else best
    mixed = _one_to_one([levelled(name) for name in _bare(columns)], [levelled(name) for name in classes])
    return mixed if len(mixed) > len(best) else best


def _one_to_one(columns: Sequence[str], classes: Sequence[str]) -> dict[int, int]:
    """Return {place in columns: place in classes} of equal names; {} where a name stands twice."""
    index: Mapping[str, int] = {name: i for i, name in enumerate(classes)}
    found = {place: index[name] for place, name in enumerate(columns) if name in index}
    return found if len(index) == len(classes) and len(set(found.values())) == len(found) else {}


def _bare(names: Sequence[str]) -> list[str]:
    """Return the names without what all of them begin and end with."""
    if len(names) < 2:
        return list(names)
    start = _shared_length([name.casefold() for name in names])
    rest = [name[start:] for name in names]
    end = _shared_length([name.casefold()[::-1] for name in rest])
    return [name[: len(name) - end] for name in rest]


def _shared_length(names: Sequence[str]) -> int:
    """Return how many characters all names begin with."""
    apart = (i for i, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1)
    return next(apart, min(map(len, names)))


def _is_numeric(table: TextTable, place: int) -> bool:
    """Whether all cells of a column are numbers or empty, and its name says neither image nor text."""
    cells = [row[place] for _, row in table.rows if place < len(row) and row[place]]
    return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def _has_fraction(table: TextTable, place: int) -> bool:
    return any(not row[place].isdecimal() for _, row in table.rows if place < len(row) and row[place])
