"""Cells of tables that people open in spreadsheets: nothing in them is run there, and all reads back as it was.

A cell that begins as a formula does is written with an apostrophe before it, as spreadsheets themselves mark text.
Plain numbers stay. So that nothing is taken for what it is not, a cell that already has apostrophes before such a sign
gets one more; `from_cell` takes one away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile("'*[=+@\\-\t\r\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# A semicolon parts cells where the decimal sign is a comma: what follows one would be a cell of its own.
_QUOTED = re.compile('[",;\t\r\n]|^\\s|\\s$')


def to_cell(text: str) -> str:
    """Return `text` as a cell that no spreadsheet takes for a formula.

    >>> to_cell("=1+1"), to_cell("-1.5"), to_cell("cat"), to_cell("'=1")
    ("'=1+1", '-1.5', 'cat', "''=1")
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def from_cell(cell: str) -> str:
    """Return what `to_cell` made a cell of; of any other cell that itself.

    >>> from_cell("'=1+1"), from_cell("'tis"), from_cell("''=1")
    ('=1+1', "'tis", "'=1")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def table_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV whose cells are safe in a spreadsheet; None is an empty cell.

    >>> table_text([["image", "class"], ["=a;b", "-1"]])
    'image,class\\n"\\'=a;b",-1\\n'
    """
    return "".join(",".join(map(_written, row)) + "\n" for row in rows)


def _written(value: object) -> str:
    text = to_cell("" if value is None else str(value))
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
