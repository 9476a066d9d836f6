"""Predicting many images: from files, folders, patterns and tables to rows and submissions."""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from striate.classifier.classifier import Classifier
from striate.classifier.prediction import Prediction
from striate.classifier.submission_columns import class_columns
from striate.data.catalog import Catalog
from striate.data.ledger import Entry
from striate.data.readers.folders import IMAGE_TYPES
from striate.data.readers.text_table import LABEL_NAMES, load_table
from striate.errors import DataError
from striate.observer import Progress, silent
from striate.system.cells import table_text
from striate.system.files import write_atomically


def predict_catalog(
    model: Classifier,
    catalog: Catalog,
    progress: Progress = silent,
    *,
    sure: float | None = None,
    sets: float | None = None,
) -> tuple[list[Prediction], list[Entry]]:
    """Return a prediction for each readable image, and the ledger's lines of the others.

    Arguments:
        sure, sets: a wanted precision and a wanted coverage, as for `Classifier.predict`.

    Raises:
        ArgumentError: the model's validation images can promise no such precision or coverage.
        DataError: none of the images can be read.
    """
    model.trust.asked(sure, sets, len(model.classes))  # before the images are read: a refusal should cost nobody that
    images = model.prepare(catalog, progress, keep=False)
    predictions = cast("list[Prediction]", model.predict(images, sure=sure, sets=sets, progress=progress))
    skipped = [e for e in images.ledger if e.status == "skipped" and not e.detail.startswith("set aside")]
    return predictions, skipped


def write_csv(predictions: Sequence[Prediction], path: Path) -> None:
    """Write image, class, probability, what was asked for beside, and one column of probabilities a class.

    `known` is there where the model can tell, `sure` and `set` where they were asked for; the classes of a set are
    parted by a space, and quoted where one has a space in it. Cells are safe in a spreadsheet (`to_cell`).
    """
    classes = predictions[0].classes if predictions else ()
    extra = [name for name in ("known", "sure", "set") if any(getattr(p, name) is not None for p in predictions)]
    rows: list[Sequence[Any]] = [["image", "class", "probability", *extra, *(f"p({name})" for name in classes)]]
    for p in predictions:
        told = [_told(getattr(p, name)) for name in extra]
        rows.append([p.image, p.label, f"{p.probability:.6f}", *told, *(f"{x:.6f}" for x in p.probabilities)])
    write_atomically(path, table_text(rows).encode("utf-8", "surrogateescape"))


def _told(value: bool | tuple[str, ...] | None) -> str:
    """Return what a cell says: yes, no or the classes of a set."""
    if isinstance(value, tuple):
        return shlex.join(value)
    return "" if value is None else "yes" if value else "no"


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
    table = load_table(sample)
    if len(table.columns) < 2:
        raise DataError(
            f"{sample} must have a column of images and one of classes; its columns are {', '.join(table.columns)}"
        )
    image, label = table.image_and_label()
    found = _find_all([cells[image] for _, cells in table.rows], predictions, sample)
    classes = found[0].classes
    called = label if table.guess(LABEL_NAMES) == label else None
    places = class_columns(table, image, called, classes, sample)
    rows = [list(table.columns)] if table.has_header else []
    for (_, cells), prediction in zip(table.rows, found, strict=True):
        row = cells + [""] * (len(table.columns) - len(cells))
        for place, index in places.items():
            row[place] = f"{prediction.probabilities[index]:.6f}"
        if not places:
            row[label] = prediction.label
        rows.append(row)
    _write_rows(rows, path, table.delimiter)  # for a program that compares: as the sample has it, sign by sign


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
