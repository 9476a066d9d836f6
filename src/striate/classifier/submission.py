"""Submissions: predictions in the form of a sample that says which images and columns are wanted."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.classifier.bulk.csv_rows import CsvRows
from striate.classifier.prediction import Prediction
from striate.classifier.submission_columns import class_columns
from striate.data.readers.folders import IMAGE_TYPES
from striate.data.readers.text_table import LABEL_NAMES, TextTable, cell_at, load_table
from striate.errors import DataError
from striate.system.files import write_atomically


@dataclass(frozen=True)
class SubmissionRows(CsvRows):
    """Rows that become a file in the form of a sample submission, see `write_like`.

    Arguments:
        sample: the table whose form is wanted.
    """

    sample: Path

    def finish(self, journal: Path, path: Path) -> None:
        """Write the submission from the rows of the journal."""
        with journal.open("rb") as file:
            write_like([one for one in self.read(file) if isinstance(one, Prediction)], self.sample, path)
        journal.unlink()


def write_like(predictions: Sequence[Prediction], sample: Path, path: Path) -> None:
    """Write the predictions in the form of a sample submission: its columns, its rows, their order, its delimiter.

    The column of images and the one that takes the class are told by their names, as in any table, else they are the
    first and the next; the others are copied. Where there is a column for every class, those take the probabilities,
    whether their names differ in case or in what all of them begin with.
    Images are found by the name that the sample gives them, with or without folder and extension. Text is UTF-8.

    Arguments:
        predictions: of at least the images that the sample names.
        sample: the table whose form is wanted.
        path: the file to write.

    Raises:
        DataError: the sample is no such table, has columns of numbers that are not the classes, or names an image
            that was not predicted or that could be several.
    """
    table = _load_sample(sample)
    image, label = table.image_and_label()
    found = _find_all([cells[image] for _, cells in table.rows], predictions, sample)
    places = _class_places(table, found[0].classes, sample)
    spelt = _spelling(table, label, found[0].classes)
    rows = [list(table.columns)] if table.has_header else []
    for (_, cells), prediction in zip(table.rows, found, strict=True):
        row = cells + [""] * (len(table.columns) - len(cells))
        for place, index in places.items():
            row[place] = f"{prediction.probabilities[index]:.6f}"
        if not places:
            row[label] = spelt.get(prediction.label, prediction.label)
        rows.append(row)
    _write_rows(rows, path, table.delimiter)  # for a program that compares: as the sample has it, sign by sign


def _spelling(table: TextTable, label: int, classes: Sequence[str]) -> dict[str, str]:
    """Return {class: how the sample writes it} where both have whole numbers, and the sample no zeros in front."""
    cells = {cell_at(cells, label) for _, cells in table.rows} - {""}
    plain = bool(cells) and all(cell.isdecimal() and cell == str(int(cell)) for cell in cells)
    return {name: str(int(name)) for name in classes} if plain and all(map(str.isdecimal, classes)) else {}


def check_sample(sample: Path, classes: Sequence[str]) -> None:
    """Refuse a sample submission whose columns predictions of these classes cannot fill.

    Raises:
        DataError: the sample is no such table, or has columns of numbers that are not the classes.
    """
    _class_places(_load_sample(sample), classes, sample)


def _load_sample(sample: Path) -> TextTable:
    table = load_table(sample)
    if len(table.columns) < 2:
        raise DataError(
            f"{sample} must have a column of images and one of classes; its columns are {', '.join(table.columns)}"
        )
    return table


def _class_places(table: TextTable, classes: Sequence[str], sample: Path) -> dict[int, int]:
    image, label = table.image_and_label()
    called = label if table.guess(LABEL_NAMES) == label else None
    return class_columns(table, image, called, classes, sample)


def _find_all(names: Sequence[str], predictions: Sequence[Prediction], sample: Path) -> list[Prediction]:
    """Return the prediction of each name, by the whole name, else without folder, else without extension as well."""
    indices: list[dict[str, list[Prediction]]] = [{}, {}, {}]
    for prediction in predictions:
        for index, key in zip(indices, _keys(prediction.image), strict=True):
            index.setdefault(key, []).append(prediction)
    found, missing = [], []
    for name in names:
        candidates = next((index[key] for index, key in zip(indices, _keys(name), strict=True) if key in index), [])
        if len(candidates) > 1:
            raise DataError(
                f"{name} in {sample} may be {candidates[0].image} or {candidates[1].image}. "
                "Predict only the images that it names"
            )
        missing += [] if candidates else [name]
        found += candidates
    if missing:
        raise DataError(
            f"{len(missing):,} of the {len(names):,} images in {sample} were not predicted: {', '.join(missing[:3])}"
            f"{' …' if len(missing) > 3 else ''}. Predict the images that it names"
        )
    return found


def _keys(name: str) -> Iterator[str]:
    """Yield the ways in which a table may write an image's name: as it is, without folder, without extension."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem, extension = os.path.splitext(base)
    yield from (name, base, stem if extension.lower() in IMAGE_TYPES else base)


def _write_rows(rows: Sequence[Sequence[Any]], path: Path, delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    write_atomically(path, text.getvalue().encode("utf-8", "surrogateescape"))
