"""Tables that hold the pixels themselves: a column for each, or one column with all of them as text."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.labels import class_name, encode, is_missing, naming_notes
from striate.data.ledger import TABLE_TOLD, Entry, Ledger
from striate.data.readers.assembling import displayable
from striate.data.readers.layout import BLANKS, DECIMAL_COMMA, decode_text, find_layout, with_point
from striate.data.readers.one_hot import find_one_hot
from striate.data.readers.pixel_columns import NUMBER, PixelColumns, as_images, describe, find_pixel_columns, label_end
from striate.data.readers.scaling import as_pixels
from striate.data.readers.table_doubts import note_rivals
from striate.data.readers.table_splits import find_split_column
from striate.data.readers.text_table import IMAGE_NAMES, LABEL_NAMES, LARGEST_BYTES, TextTable
from striate.errors import DataError
from striate.observer import Progress, silent
from striate.units import say_bytes

# A glance at the first lines is enough for tables of other kinds; the first two rows of pixels may be long.
_GLANCE_BYTES, _GLANCE_LINES, _HEAD_BYTES = 1 << 16, 8, 1 << 23
_PARTING, _FEWEST_PARTED = (b",", b";", b"\t", b"|", b" "), 15
_ROWS_AT_ONCE = 1024
_BRACKETS = bytes.maketrans(b"[]()", b"    ")


@dataclass(frozen=True)
class _Form:
    """How the file is laid out: the delimiter as bytes, the lines above the first row, whether points are commas."""

    columns: PixelColumns
    delimiter: bytes
    above: int
    commas: bool = False


def find_pixel_form(path: Path) -> _Form | None:
    """Return how a table holds pixels, told by its first two rows; None where it is a table of another kind."""
    with open(path, "rb") as file:
        head = file.read(_GLANCE_BYTES)
        first = [line for line in head.splitlines() if line.strip()][:_GLANCE_LINES]
        if max((sum(map(line.count, _PARTING)) for line in first), default=0) < _FEWEST_PARTED:
            return None
        if len(head) == _GLANCE_BYTES and len(first) < _GLANCE_LINES:
            head += file.read(_HEAD_BYTES)
    text = decode_text(head[: len(head) // 2 * 2])
    layout = find_layout(text, ())
    rows = []
    for i, line in enumerate(re.split(r"\r\n|\n|\r", layout.text)):
        if line.strip():
            rows.append((i, _cells(line, layout.delimiter)))
        if len(rows) == 2:
            break
    if not rows:
        return None
    header, row = rows[0][1], rows[-1][1]
    commas = layout.delimiter in (";", "\t") and any(DECIMAL_COMMA.fullmatch(cell) for cell in row)
    if commas:
        header, row = (list(map(with_point, cells)) for cells in (header, row))
    found = find_pixel_columns(header, row)
    if found is None:
        return None
    above = layout.line - 1 + rows[0][0] + (rows[-1][0] - rows[0][0] or 1) * found.has_header
    return _Form(found, layout.delimiter.encode(), above, commas)


def read_pixel_table(
    path: Path, form: _Form, *, label_column: str | None = None, progress: Progress = silent
) -> Catalog:
    """Read a table whose cells are pixels: a column for each, or one with all of an image, parted by blanks.

    Arguments:
        path: the table.
        form: as `find_pixel_form` found it.
        label_column: the column of labels, where it cannot be guessed.
        progress: told how many rows were read.

    Returns:
        A catalog of arrays whose names count the rows from 1, or are those of a column of names.

    Raises:
        ArgumentError: there is no such column.
        DataError: the number of pixels is no square and no three squares, or no row can be read.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise DataError(
            f"{path} must be a table of at most {say_bytes(LARGEST_BYTES)}; got {say_bytes(path.stat().st_size)}. "
            "Save the pixels as arrays, in an .npz file"
        )
    raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw[:4]:
        raw = decode_text(raw).encode()
    lines = raw.removeprefix(b"\xef\xbb\xbf").splitlines()
    del raw
    rows = [(i, line) for i, line in enumerate(lines[form.above :], form.above + 1) if line.strip()]
    values, others, refused = _parse(form, rows, progress)
    if not len(values):
        why = next(iter(refused.values()), "it has no rows")
        raise DataError(f"{path} must have rows of pixels; none can be read ({why})")
    return pixel_catalog(str(path), form.columns, values, others, refused, label_column)


def pixel_catalog(
    source: str,
    columns: PixelColumns,
    values: np.ndarray,
    others: Sequence[Sequence[str]],
    refused: dict[int, str],
    label_column: str | None,
) -> Catalog:
    """Return the catalog of rows of pixels.

    Arguments:
        values: (n, d) pixels of the rows that could be read.
        others: (m,) the cells of each row that are no pixels; none for a row that was refused.
        refused: {place among m: why}.
    """
    kept = [i for i in range(len(others)) if i not in refused]
    cells = [others[i] for i in kept]
    told: tuple[str, ...] = ()
    if columns.open_ends:
        columns, values, cells, told = _closed(columns, values, cells, label_column)
    names = [*columns.columns[: columns.first], *columns.columns[columns.last :]]
    table = TextTable(tuple(names), [(i + 1, list(row)) for i, row in zip(kept, cells, strict=True)])
    image, label = table.guess(IMAGE_NAMES), table.guess(LABEL_NAMES)
    split = find_split_column(table.columns, table.rows, {image, label})
    labels, label, label_note = _labels(table, image, label, split.place, label_column, source)
    rivals = note_rivals(table.columns, table.rows, label, () if label_column else LABEL_NAMES)
    splits = [split.of("" if split.place is None else row[split.place]) for row in cells]
    if columns.order is not None:
        values = values[:, columns.order]
    images, taken = as_images(source, values, columns.shape)
    scaled = as_pixels(source, [("pixels", images)])
    numbers = [str(i + 1) for i in range(len(others))]
    named = [row[image] for row in cells] if image is not None else []
    if len(set(named)) == len(kept) and all(named):
        for i, name in zip(kept, named, strict=True):
            numbers[i] = displayable(name)
    place = None if label is None else (label if label < columns.first else label + columns.last - columns.first)
    note = "; ".join(filter(None, (describe(columns, values.shape[1], taken, place), label_note)))
    refused = refused | _without(kept, labels, splits)
    status = "repaired" if scaled.repair else "used"
    entries = [Entry(numbers[i], "skipped", refused[i]) if i in refused else Entry(numbers[i], status, scaled.repair)
               for i in range(len(others))]  # fmt: skip
    entries.append(Entry(displayable(Path(source).name), "skipped", f"{TABLE_TOLD}{note}"))
    good = [i for i, row in enumerate(kept) if row not in refused]
    labels = [labels[i] for i in good]
    encoded, classes = encode(labels)
    return Catalog(
        source, "table", [numbers[kept[i]] for i in good], scaled.pixels[good], encoded, classes,
        np.array([splits[i] for i in good], "U5"), Ledger(entries),
        {name: [cells[i][place] for i in good] for place, name in enumerate(names)},
        (*split.notes, *told, *rivals, *naming_notes(labels)),
        raw=None if scaled.raw is None else scaled.raw[good], window=scaled.window,
    )  # fmt: skip


def _without(kept: Sequence[int], labels: Sequence[str | None], splits: Sequence[str | None]) -> dict[int, str]:
    """Return {row: why} of the rows that have no label where others have one, or are in no split."""
    some_labelled = any(label is not None for label in labels)
    without = {row: "no label" for row, label in zip(kept, labels, strict=True) if label is None and some_labelled}
    return without | {row: "set aside as in no split" for row, one in zip(kept, splits, strict=True) if one is None}


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == BLANKS:
        return line.split()
    with_limit = csv.field_size_limit(1 << 30)
    try:
        return [
            cell.strip() for cell in next(csv.reader(io.StringIO(line), delimiter=delimiter, skipinitialspace=True))
        ]
    except (csv.Error, StopIteration):
        return []
    finally:
        csv.field_size_limit(with_limit)


def _parse(
    form: _Form, rows: Sequence[tuple[int, bytes]], progress: Progress
) -> tuple[np.ndarray, list[list[str]], dict[int, str]]:
    """Return (values (n, d), the other cells of each row, {place: why} of the rows that cannot be read)."""
    blocks: list[np.ndarray] = []
    others: list[list[str]] = []
    refused: dict[int, str] = {}
    count: int | None = None if form.columns.in_one else form.columns.last - form.columns.first
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        progress("reading rows", start, len(rows))
        parts: list[bytes] = []
        for place, (line, text) in enumerate(rows[start : start + _ROWS_AT_ONCE], start):
            cells, pixels = _parted(form, text)
            others.append(cells)
            found = pixels.count(b",") + 1
            count = found if count is None else count
            if found != count or len(cells) != len(form.columns.columns) - (form.columns.last - form.columns.first):
                refused[place] = f"not as many values as the first row: {found:,} on line {line}, not {count:,}"
            else:
                parts.append(pixels)
        block = _numbers(b",".join(parts), len(parts) * (count or 0))
        if block is None:
            good = []
            kept = (i for i in range(start, min(start + _ROWS_AT_ONCE, len(rows))) if i not in refused)
            for place, pixels in zip(list(kept), parts, strict=True):
                row = _numbers(pixels, count or 0)
                if row is None:
                    refused[place] = f"not numbers throughout: line {rows[place][0]}"
                else:
                    good.append(row)
            block = np.concatenate(good) if good else np.zeros(0, np.uint8)
        blocks.append(block.reshape(-1, count or 1))
    return (np.concatenate(blocks) if blocks else np.zeros((0, 1), np.uint8)), others, refused


def _parted(form: _Form, line: bytes) -> tuple[list[str], bytes]:
    """Return the cells of a row that are no pixels, and the pixels with commas between them."""
    first, after = form.columns.first, len(form.columns.columns) - form.columns.last
    if b'"' in line:
        cells = _cells(decode_text(line), form.delimiter.decode())
        stop = len(cells) - after
        return [*cells[:first], *(cells[stop:] if after else [])], _with_commas(" ".join(cells[first:stop]).encode())
    if form.delimiter == b" ":
        line = b" ".join(line.split())
    *before, line = line.split(form.delimiter, first)
    behind: list[bytes] = []
    if after:
        line, *behind = line.rsplit(form.delimiter, after)
    others = [decode_text(cell).strip() for cell in (*before, *behind)]
    if form.commas:
        others = list(map(with_point, others))
        line = line.replace(b",", b".")
    if form.columns.in_one:
        return others, _with_commas(line)
    return others, line if form.delimiter == b"," else line.replace(form.delimiter, b",")


def _with_commas(pixels: bytes) -> bytes:
    """Return the numbers of one cell, `[1, 2, 3]` or `1 2 3`, with one comma between them."""
    pixels = pixels.translate(_BRACKETS).strip(b" \t\r\n").replace(b",", b" ")
    return b",".join(pixels.split()) if b"  " in pixels or b"\t" in pixels else pixels.replace(b" ", b",")


def _numbers(text: bytes, count: int) -> np.ndarray | None:
    """Return the numbers in `text`, parted by commas, in the smallest type that holds them; None unless all are."""
    for kind in (np.int64, np.float64):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # older NumPy warns where the newer raises
                values = np.fromstring(text, kind, sep=",")
        except ValueError:
            continue
        if len(values) == count and (kind == np.int64 or np.isfinite(values).all()):
            whole = kind == np.int64
            if whole and len(values) and values.min() >= 0 and values.max() <= 255:
                return values.astype(np.uint8)
            return (
                values.astype(np.int32) if whole and abs(values).max(initial=0) < 1 << 31 else values.astype(np.float32)
            )
    return None


def _closed(
    columns: PixelColumns, values: np.ndarray, cells: list[Sequence[str]], named: str | None
) -> tuple[PixelColumns, np.ndarray, list[Sequence[str]], tuple[str, ...]]:
    """Return unnamed columns with the labels at one end, the other end among the pixels, and what is to be said."""
    first, last = [row[-2] for row in cells], [row[-1] for row in cells]
    ends = columns.columns[columns.first - 1], columns.columns[-1]
    end, sure = (-ends.index(named), True) if named in ends else label_end(first, last, values)
    told = () if sure else (
        f"the labels may be in column {ends[0]} or {ends[1]}: {ends[end]} is taken. Choose with --label-column",
    )  # fmt: skip
    label, pixel = (first, last) if end == 0 else (last, first)
    column = np.array([float(cell) if NUMBER.fullmatch(cell) else 0.0 for cell in pixel])[:, None]
    column = column.astype(values.dtype) if np.array_equal(column, column.astype(values.dtype)) else column
    joined = np.hstack([values, column] if end == 0 else [column, values])
    start = columns.first - (0 if end == 0 else 1)
    closed = replace(columns, first=start, last=start + joined.shape[1], open_ends=False)
    return closed, joined, [[*row[:-2], one] for row, one in zip(cells, label, strict=True)], told


def _labels(
    table: TextTable, image: int | None, label: int | None, split: int | None, named: str | None, source: str
) -> tuple[list[str | None], int | None, str]:
    """Return (label of each row, their place among the table's columns, what is to be said)."""
    if named:
        label = table.place(Path(source), named, "--label-column")
        if label in (image, split):
            image = split = None
    elif label is None:
        if (told := find_one_hot(table.columns, table.rows)) and told.labels:
            return [one or None for one in told.labels], None, told.note
        free = [i for i, name in enumerate(table.columns) if i not in (image, split) and name]
        label = free[0] if len(free) == 1 else None
    cells: list[str] = ["" if label is None else row[label] for _, row in table.rows]
    if label is not None and any("." in cell for cell in cells) and all(_is_whole(cell) for cell in cells if cell):
        cells = [str(class_name(float(cell))) if cell else "" for cell in cells]
    return [None if is_missing(cell, in_table=True) else cell for cell in cells], label, ""


def _is_whole(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None and float(cell).is_integer()
