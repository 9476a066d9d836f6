"""Predicting many images: from files, folders, patterns and tables to rows and submissions."""

from __future__ import annotations

import csv
import glob
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier import Classifier, Prediction
from striate.data.catalog import Catalog
from striate.data.ledger import Entry, Ledger
from striate.data.readers.tables import load_table
from striate.data.reading import read
from striate.errors import ArgumentError, DataError, SourceNotFoundError
from striate.progress import Progress, silent
from striate.storage import write_atomically


def gather(arguments: Sequence[str], reading: Mapping[str, Any], progress: Progress = silent) -> Catalog:
    """Return the images that command-line arguments name, in their order, each once.

    Arguments:
        arguments: image files, folders (searched for image files), glob patterns; or one source for `read`.
        reading: options for `read`.

    Raises:
        SourceNotFoundError: an argument that leads nowhere.
    """
    found: dict[str, Path] = {}
    aside: list[Entry] = []
    for argument in arguments:
        if _is_pattern(argument):
            found |= {name: Path(name) for name in _matches(argument)}
            continue
        catalog = read(argument, **reading, progress=progress)
        if catalog.format not in ("folders", "image"):
            if len(arguments) > 1:
                raise ArgumentError(f"{argument} is a {catalog.format} source; give it alone, without further images")
            return catalog
        inside = Path(argument) if catalog.format == "folders" else Path(argument).parent
        found |= {str(inside / name): path for name, path in zip(catalog.names, catalog.images, strict=True)}
        aside += [replace(e, name=str(inside / e.name)) for e in catalog.ledger if e.status == "skipped"]
    names, paths = list(found), list(found.values())
    labels, splits = np.full(len(names), -1, np.int64), np.full(len(names), "", "U5")
    entries = Ledger(Entry(name, "used") for name in names).revised(aside)
    source = arguments[0] + (f" and {len(arguments) - 1} more" if len(arguments) > 1 else "")
    return Catalog(source, "files", names, paths, labels, (), splits, entries)


def predict_catalog(
    model: Classifier, catalog: Catalog, progress: Progress = silent
) -> tuple[list[Prediction], list[Entry]]:
    """Return a prediction for each readable image, and the ledger's lines of the others.

    Raises:
        DataError: none of the images can be read.
    """
    images = model.prepare(catalog, progress, keep=False)
    rows = model.predict_proba(images, progress=progress)
    predictions = [Prediction(name, model.classes, row) for name, row in zip(images.names, rows, strict=True)]
    skipped = [e for e in images.ledger if e.status == "skipped" and not e.detail.startswith("set aside")]
    return predictions, skipped


def write_csv(predictions: Sequence[Prediction], path: Path) -> None:
    """Write image, class, probability and one column of probabilities a class."""
    classes = predictions[0].classes if predictions else ()
    rows: list[Sequence[Any]] = [["image", "class", "probability", *(f"p({name})" for name in classes)]]
    rows += [[p.image, p.label, f"{p.probability:.6f}", *(f"{x:.6f}" for x in p.probabilities)] for p in predictions]
    _write_rows(rows, path)


def write_like(predictions: Sequence[Prediction], sample: Path, path: Path) -> None:
    """Write the predicted classes in the form of a sample submission: its header, its rows, its order.

    The first column names the image (with or without folder and extension), the second takes the class; further
    columns are copied.

    Raises:
        DataError: the sample is no such table, or names images that were not predicted.
    """
    table = load_table(sample)
    header, rows = table.columns, [cells for _, cells in table.rows]
    if len(header) < 2:
        raise DataError(f"{sample} must have a column of images and one of classes; its header is {', '.join(header)}")
    by_name = {key: p.label for p in predictions for key in _keys(p.image)}
    found = [next((by_name[key] for key in _keys(row[0]) if key in by_name), None) for row in rows]
    missing = [row[0] for row, label in zip(rows, found, strict=True) if label is None]
    if missing:
        raise DataError(
            f"{len(missing):,} of the {len(rows):,} images in {sample} were not predicted: {', '.join(missing[:3])}"
            f"{' …' if len(missing) > 3 else ''}. Predict the images that it names"
        )
    _write_rows([header, *([row[0], label, *row[2:]] for row, label in zip(rows, found, strict=True))], path)


def _keys(name: str) -> list[str]:
    """Return the ways in which a table may write an image's name, the most exact first."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    return [name, base, base.rsplit(".", 1)[0]]


def _write_rows(rows: Sequence[Sequence[Any]], path: Path) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_atomically(path, text.getvalue().encode("utf-8", "surrogateescape"))


def _matches(pattern: str) -> list[str]:
    found = [name for name in sorted(glob.glob(pattern, recursive=True)) if Path(name).is_file()]
    if not found:
        raise SourceNotFoundError(f"no file matches {pattern!r}")
    return found


def _is_pattern(argument: str) -> bool:
    return any(c in argument for c in "*?[") and not Path(argument).exists()
