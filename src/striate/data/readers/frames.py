"""DataFrames of pandas, polars and the like as tables: columns of image files and labels, or of pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.labels import class_name
from striate.data.readers.pixel_columns import find_pixel_columns
from striate.data.readers.pixel_tables import pixel_catalog
from striate.data.readers.tables import catalog_of_table
from striate.data.readers.text_table import TextTable
from striate.errors import DataError
from striate.observer import Progress, silent

# What a frame is called, and what its files are beside: the folder that one works in.
_NAME = Path("DataFrame")


def is_frame(source: Any) -> bool:
    """Whether a source is a DataFrame: it has columns, of which each is had by its name, and rows."""
    return hasattr(source, "columns") and (hasattr(source, "iloc") or hasattr(source, "get_column"))


def read_frame(
    frame: Any,
    *,
    images: Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Read a DataFrame as a table of the same columns; its file names are relative to the working folder.

    Arguments: as `read_table`.

    Raises:
        DataError: it has no rows, or is no table of images.
    """
    columns = tuple(map(str, frame.columns))
    values = [np.asarray(frame[name]) for name in frame.columns]
    if not columns or not len(values[0]):
        raise DataError("a DataFrame must have rows; it has none")
    first = [_text(column[0]) for column in values]
    pixels = None if images or image_column else find_pixel_columns(columns, first)
    if pixels is not None and pixels.has_header and not pixels.in_one:
        inside = range(pixels.first, pixels.last)
        others = [[_text(cell) for cell in column] for i, column in enumerate(values) if i not in inside]
        rows = [list(row) for row in zip(*others, strict=True)] if others else [[] for _ in values[0]]
        matrix = np.stack([values[i] for i in inside], 1)
        return pixel_catalog(str(_NAME), pixels, matrix, rows, {}, label_column)
    cells = zip(*([_text(cell) for cell in column] for column in values), strict=True)
    table = TextTable(columns, [(i, list(row)) for i, row in enumerate(cells, 1)])
    return catalog_of_table(
        _NAME, table, images=images, image_column=image_column, label_column=label_column, progress=progress
    )


def _text(cell: Any) -> str:
    """Return a cell as a table of text has it; nothing for a missing one."""
    if isinstance(cell, np.bool_ | bool):
        return str(int(cell))
    return (class_name(cell) or "").strip() if not isinstance(cell, str) else cell.strip()
