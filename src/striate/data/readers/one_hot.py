"""Tables with a column for every class, 1 where an image is of it and 0 elsewhere, as a label for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from striate.data.readers.layout import Rows
from striate.errors import some
from striate.units import say_count

_ONE = frozenset({"1", "1.0", "1.", "1,0", "true", "yes", "y", "x"})
_ZERO = frozenset({"0", "0.0", "0.", "0,0", "false", "no", "n", "-", ""})
_MINUS = frozenset({"-1", "-1.0", "-1,0"})
# Share of the rows with a single one from which columns are taken as classes.
_CERTAIN, _LIKELY = 0.99, 0.75
_MOST_ASIDE = 5


@dataclass(frozen=True)
class OneHot:
    """What a table's columns of classes say of its rows.

    Arguments:
        labels: (n,) a class for each row, empty where it has none or several.
        refused: {line: why} of the rows without a single class.
        note: what the columns were taken for; empty labels throughout with a note mean that they were not.
    """

    labels: list[str]
    refused: dict[int, str]
    note: str


def find_one_hot(columns: Sequence[str], rows: Rows, chosen: Sequence[int] = ()) -> OneHot | None:
    """Return what columns of 0 and 1 say of the rows; None where there are no two of them.

    Arguments:
        columns: (m,) the names.
        rows: n of (line, cells).
        chosen: places of the columns of classes where the user named them; else they are told by their content.
    """
    places = list(chosen) or _binary_columns(len(columns), rows, _ZERO) or _binary_columns(len(columns), rows, _MINUS)
    if len(places) < 2:
        return None
    ones = np.array([[_cell(cells, place) in _ONE for place in places] for _, cells in rows], dtype=bool)
    if not chosen:
        runs = _runs(ones)
        if not runs:
            several = int((ones.sum(1) > 1).sum())
            listed = some([columns[place] for place in places])
            said = f"{listed} hold several ones in {several:,} of {len(rows):,} rows, and an image has one class here"
            return OneHot([], {}, said) if several else None
        if len(runs) > 1:
            parts = [some([columns[place] for place in places[a:b]]) for a, b in runs[:2]]
            said = f"the classes may be {' or '.join(parts)}: choose with --label-column A,B,…"
            return OneHot([], {}, said)
        first, last = runs[0]
        places, ones = places[first:last], ones[:, first:last]
    names = [columns[place] for place in places]
    counts = ones.sum(1)
    single = counts == 1
    labels = [names[i] if one else "" for i, one in zip(ones.argmax(1).tolist(), single.tolist(), strict=True)]
    refused = {rows[i][0]: _why(names, ones[i]) for i in np.flatnonzero(~single).tolist()}
    note = f"its {len(names)} columns of 0 and 1 taken as classes, {some(names)}"
    if refused:
        many = say_count(int((counts > 1).sum()), "row", "rows")
        note += f"; left out: {many} with several ones, {int((counts == 0).sum()):,} with none"
    return OneHot(labels, refused, note)


def _why(names: Sequence[str], ones: np.ndarray) -> str:
    found = [name for name, one in zip(names, ones.tolist(), strict=True) if one]
    return f"several classes: {some(found)}" if found else "no class: none of the columns is 1"


def _binary_columns(count: int, rows: Rows, zero: frozenset[str]) -> list[int]:
    """Return the places of two columns or more that hold nothing but 0 and 1, or no and yes, or −1 and 1."""
    places = list(range(count))
    for _, cells in rows:
        places = [place for place in places if _cell(cells, place) in zero or _cell(cells, place) in _ONE]
        if len(places) < 2:
            return []
    return [place for place in places if any(_cell(cells, place) for _, cells in rows)]


def _runs(ones: np.ndarray) -> list[tuple[int, int]]:
    """Return the neighbouring columns, as (first, past the last), of which most rows have a single one.

    A few columns before or after them may be flags of another kind. Two runs that fit as well are both returned.
    """
    count = ones.shape[1]
    found: list[tuple[float, int, int]] = []
    for first in range(min(_MOST_ASIDE, count - 2) + 1):
        for last in range(count, max(count - _MOST_ASIDE, first + 2) - 1, -1):
            part = ones[:, first:last]
            share = float((part.sum(1) == 1).mean())
            whole = last - first == count
            if share >= (_LIKELY if whole else _CERTAIN) and (part.any(0).sum() > 1):
                found.append((min(share, _CERTAIN), first, last))
    if not found:
        return []
    best = max(found, key=lambda run: (run[0], run[2] - run[1]))
    apart = [run for run in found if run[0] >= best[0] and (run[2] <= best[1] or run[1] >= best[2])]
    return [(first, last) for _, first, last in [best, *apart]]


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place].strip().casefold() if place < len(cells) else ""
