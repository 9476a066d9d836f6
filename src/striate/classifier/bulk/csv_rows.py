"""Answers as CSV. The journal is the file itself, which is renamed when it is whole."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from striate.classifier.bulk.answers import Answer, Unread
from striate.classifier.bulk.row_format import Columns, Written
from striate.classifier.prediction import Prediction
from striate.system.cells import from_cell, to_cell
from striate.system.files import put_in_place

# What makes a cell need quotes, beside a comma.
# A semicolon parts cells where the decimal sign is a comma: what follows one would be a cell of its own.
_SPECIAL = re.compile('[";\t\r\n]')
_TOLD = {"yes": True, "no": False, "": None}


@dataclass(frozen=True)
class CsvRows:
    """Rows of CSV, UTF-8: the columns, six digits of each probability, and an empty class beside an error.

    The classes of a set are parted by a space, and quoted where one has a space in it.
    """

    columns: Columns
    kind: ClassVar[str] = "csv"

    def begin(self) -> bytes:
        """Return the header."""
        return _line(self.columns.names).encode("utf-8", "surrogateescape")

    def encode(self, answers: Sequence[Answer]) -> bytes:
        """Return a line for each answer."""
        empty = [""] * (len(self.columns.names) - 2)
        numbers = ",%.6f" * len(self.columns.classes)
        rows: list[str] = []
        for one in answers:
            if isinstance(one, Unread):
                rows.append(_line([one.image, *empty, one.why]))
                continue
            likely = one.probabilities.tolist()
            highest = max(likely)
            told = [_told(getattr(one, name)) for name in self.columns.optional]
            words = [one.image, one.classes[likely.index(highest)], f"{highest:.6f}", *told]
            rows.append(f"{_line(words)[:-1]}{numbers % tuple(likely)},\n")
        return "".join(rows).encode("utf-8", "surrogateescape")

    def called(self, image: str) -> str:
        """Return the name itself: bytes that are no UTF-8 are written as they are."""
        return image

    def written(self, file: BinaryIO) -> Iterator[Written]:
        """Yield the rows that are whole: a line that was cut off, or that a crash left empty, ends them."""
        for row, end in self._rows(file):
            yield Written(row[0], not row[-1], end)

    def read(self, file: BinaryIO) -> Iterator[Answer]:
        """Yield the answers, with the digits that were written."""
        at, count = 3 + len(self.columns.optional), len(self.columns.classes)
        for row, _ in self._rows(file):
            if row[-1]:
                yield Unread(row[0], row[-1])
                continue
            told = dict(zip(self.columns.optional, row[3:at], strict=True))
            said: dict[str, Any] = {
                name: tuple(shlex.split(cell)) if name == "set" else _TOLD[cell] for name, cell in told.items()
            }
            likely = np.array(row[at : at + count], np.float32)
            yield Prediction(row[0], self.columns.classes, likely, **said)

    def finish(self, journal: Path, path: Path) -> None:
        """Rename the journal."""
        put_in_place(journal, path)

    def _rows(self, file: BinaryIO) -> Iterator[tuple[list[str], int]]:
        """Yield the cells of each whole row below the header, and where it ends."""
        wanted = len(self.columns.names)
        end, record, first = 0, b"", True
        for line in file:
            record += line
            # Within quotes a line's end is part of a name; quotes within a cell are doubled.
            if record.count(b'"') % 2 or not line.endswith(b"\n"):
                continue
            end += len(record)
            cells = next(csv.reader(io.StringIO(record.decode("utf-8", "surrogateescape"), newline="")), [])
            cells = [from_cell(cell) for cell in cells]
            record = b""
            if len(cells) != wanted or "\0" in cells[0]:
                return
            if not first:
                yield cells, end
            first = False


def _line(cells: Sequence[str]) -> str:
    """Return a row of CSV, quoted where it has to be, with nothing in it that a spreadsheet would run."""
    cells = [to_cell(cell) for cell in cells]
    plain = ",".join(cells)
    if plain.count(",") == len(cells) - 1 and not _SPECIAL.search(plain):
        return plain + "\n"
    text = io.StringIO(newline="")
    # All of it: before Python 3.13 a carriage return in a name is not quoted by itself, and would end the row.
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(cells)
    return text.getvalue()


def _told(value: bool | tuple[str, ...] | None) -> str:
    """Return what a cell says: yes, no or the classes of a set."""
    if isinstance(value, tuple):
        return shlex.join(value)
    return "" if value is None else "yes" if value else "no"
