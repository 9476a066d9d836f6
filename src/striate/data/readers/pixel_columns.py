"""Which columns of a table are the pixels of images, and how those lie: told by names, by number and by smoothness."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from striate.data.ledger import NO_LABELS
from striate.data.readers.layout import is_image_name
from striate.errors import DataError, some

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SEVERAL = re.compile(r"[\[(\s]*\d+\.?\d*([\s,;\[\]()]+\d+\.?\d*){15,}[\s\])]*")
# Columns called pixel1, pixel2… are pixels from a few on; others that are only numbered must be many.
_FEWEST_NAMED, _FEWEST = 16, 64
_COLOURS = frozenset({"r", "g", "b", "red", "green", "blue"})
# So much more one end must follow its neighbour than the other, for this to be the labels without a word.
_SURE_TIE = 0.3
_MEANT = frozenset({"pixel", "pix", "px", "p", "pixels"})


@dataclass(frozen=True)
class PixelColumns:
    """The columns of a table that are pixels, which are neighbours, or the one whose cells hold all pixels.

    Arguments:
        columns: the names of all columns; counted from 1 where the table has no header.
        first, last: place of the first, and past the last, that is pixels.
        order: (n,) the pixels' places among these in the order of the picture's rows; None where they stand so.
        shape: (h, w) or (h, w, c) where the names say so.
        in_one: whether one column holds all pixels of an image.
        has_header: whether the first row is names.
        open_ends: without names, whether the first or the last column may be labels.
    """

    columns: tuple[str, ...]
    first: int
    last: int
    order: np.ndarray | None = None
    shape: tuple[int, ...] = ()
    in_one: bool = False
    has_header: bool = True
    open_ends: bool = False


def find_pixel_columns(header: Sequence[str], row: Sequence[str]) -> PixelColumns | None:
    """Return the pixels among the columns of a table's first two rows; None where there are none.

    >>> find_pixel_columns(["label", *(f"pixel{i}" for i in range(784))], ["7"] + ["0"] * 784).shape
    ()
    >>> find_pixel_columns(["file", "label"], ["a.png", "cat"]) is None
    True
    """
    for place, cell in enumerate(row):
        if _SEVERAL.fullmatch(cell):
            without = place < len(header) and _SEVERAL.fullmatch(header[place]) is not None
            names = _counted(len(row)) if without else tuple(header)
            return PixelColumns(names, place, place + 1, shape=_nested(cell), in_one=True, has_header=not without)
    if len(row) < _FEWEST_NAMED or len(header) != len(row):
        return None
    if (_is_number(header[0]) or not header[0]) and _are_counted(header[1:]) and not _are_counted(row[1:]):
        return _without_names(tuple(header), row, has_header=True)
    words = [place for place, cell in enumerate(header) if not _is_number(cell)]
    if len(words) <= 1 and not any(_is_number(row[place]) for place in words):
        return _without_names(_counted(len(row)), row, has_header=False)
    return _by_names(header, row)


def _nested(cell: str) -> tuple[int, ...]:
    """Return (h, w) of a cell with a list for each row of an image, [[1, 2], [3, 4]]; empty where it is none.

    >>> _nested("[[1, 2, 3], [4, 5, 6]]"), _nested("[1, 2, 3]")
    ((2, 3), ())
    """
    rows = re.findall(r"[\[(]([^\[\]()]+)[\])]", cell)
    widths = {len(re.findall(r"[\d.]+", row)) for row in rows}
    return (len(rows), *widths) if len(rows) > 1 and len(widths) == 1 and "[[[" not in re.sub(r"\s", "", cell) else ()


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None


def _counted(count: int) -> tuple[str, ...]:
    return tuple(str(i + 1) for i in range(count))


def _may_be_pixels(cells: Sequence[str]) -> bool:
    """Whether the numbers among cells are whole and no more than a byte holds, or all within 0 and 1."""
    values = [float(cell) for cell in cells if _is_number(cell)]
    whole = all(value.is_integer() for value in values)
    return bool(values) and min(values) >= 0 and max(values) <= (255 if whole else 1)


def _are_counted(cells: Sequence[str]) -> bool:
    """Whether cells are the names 0, 1, 2… or 1, 2, 3… that some programs give to columns without any."""
    return (len(cells) > 1 and all(cell == str(i) for i, cell in enumerate(cells, 1))) or (
        len(cells) > 1 and all(cell == str(i) for i, cell in enumerate(cells))
    )


def _without_names(columns: tuple[str, ...], row: Sequence[str], *, has_header: bool) -> PixelColumns | None:
    """Return the pixels of a row of numbers: all of them, or all but one at an end."""
    if has_header and not columns[0]:  # a counter of the rows, as pandas writes it
        found = _without_names(columns[1:], row[1:], has_header=True)
        return found and replace(found, columns=columns, first=found.first + 1, last=found.last + 1)
    count = len(row)
    if not _may_be_pixels(row):
        return None
    words = [i for i, cell in enumerate(row) if not _is_number(cell)]
    if words in ([0], [count - 1]) and count > _FEWEST:
        first = 1 if words == [0] else 0
        return PixelColumns(columns, first, first + count - 1, has_header=has_header)
    if words or count < _FEWEST:
        return None
    if square_side(count) is None and square_side(count - 1) is not None:
        return PixelColumns(columns, 1, count - 1, has_header=has_header, open_ends=True)
    if square_side(count) is not None:
        return PixelColumns(columns, 0, count, has_header=has_header)
    return None


def _by_names(header: Sequence[str], row: Sequence[str]) -> PixelColumns | None:
    """Return the largest group of neighbouring columns whose names differ in numbers only."""
    groups: dict[Sequence[str], list[int]] = defaultdict(list)
    numbers: dict[int, tuple[int, ...]] = {}
    for place, name in enumerate(header):
        found = re.findall(r"\d+", name)
        if 1 <= len(found) <= 3 and place < len(row) and (_is_number(row[place]) or not row[place]):
            groups[(*re.split(r"\d+", name.strip().casefold()),)].append(place)
            numbers[place] = tuple(map(int, found))
    if not groups:
        return None
    words, places = max(groups.items(), key=lambda group: len(group[1]))
    alike = {key: found for key, found in groups.items() if len(found) == len(places)}
    if len(alike) > 1 and len(places) >= _FEWEST_NAMED:
        return _of_colours(header, row, alike, numbers)
    meant = words[0].strip(" _.-") in _MEANT
    if len(places) < (_FEWEST_NAMED if meant or len(words) > 2 else _FEWEST) or places[-1] - places[0] + 1 != len(
        places
    ):
        return None
    named = any(is_image_name(cell) for cell in row)
    if not meant and (named or not _may_be_pixels([row[place] for place in places])):
        return None  # features of images that are named, or of something else
    keys = [numbers[place] for place in places]
    ranked = sorted(range(len(keys)), key=keys.__getitem__)
    order = None if ranked == list(range(len(keys))) else np.array(ranked)
    axes = tuple(len(set(axis)) for axis in zip(*keys, strict=True))
    shape = axes if len(axes) > 1 and math.prod(axes) == len(places) and (len(axes) == 2 or axes[2] in (1, 3)) else ()
    return PixelColumns(tuple(header), places[0], places[-1] + 1, order, shape)


def _of_colours(
    header: Sequence[str],
    row: Sequence[str],
    groups: Mapping[Sequence[str], list[int]],
    numbers: Mapping[int, tuple[int, ...]],
) -> PixelColumns | None:
    """Return the pixels of groups of columns for red, green and blue, r0 r1… g0 g1… b0 b1…; None of other groups.

    Arguments:
        groups: {what stands around the numbers: places}, as many each.
        numbers: {place: the numbers in its name}.
    """
    colours: dict[str, list[int]] = {}
    rest = set()
    for words, places in groups.items():
        told = re.findall(r"[a-z]+", " ".join(words))
        named = [word for word in told if word in _COLOURS]
        if len(named) != 1:
            return None
        told.remove(named[0])
        rest.add(tuple(told))
        colours[named[0][0]] = sorted(places, key=numbers.__getitem__)
    found = square_side(len(next(iter(colours.values()))))
    every = sorted(place for places in colours.values() for place in places)
    whole = every == list(range(every[0], every[0] + len(every))) and _may_be_pixels([row[place] for place in every])
    if set(colours) != {"r", "g", "b"} or len(rest) > 1 or not found or found[1] != 1 or not whole:
        return None
    order = np.array([place - every[0] for pixel in zip(*(colours[c] for c in "rgb"), strict=True) for place in pixel])
    return PixelColumns(tuple(header), every[0], every[-1] + 1, order, (found[0], found[0], 3))


def square_side(count: int) -> tuple[int, int] | None:
    """Return (side, channels) of so many values that are a square, or three; None where they are neither.

    >>> square_side(784), square_side(3072), square_side(700)
    ((28, 1), (32, 3), None)
    """
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side * side * channels == count and side:
            return side, channels
    return None


def as_images(where: str, rows: np.ndarray, shape: tuple[int, ...] = ()) -> tuple[np.ndarray, str]:
    """Return (images (n, h, w, c), what they were taken for) of rows of pixels (n, d).

    Three squares are colours pixel by pixel or one colour after the other, whichever makes smoother pictures.

    Raises:
        DataError: their number is no square and no three squares, and `shape` does not say what it is.
    """
    count = rows.shape[1]
    if shape and math.prod(shape) == count:
        h, w, c = (*shape, 1)[:3]
        return rows.reshape(len(rows), h, w, c), f"{h}×{w} {'gray' if c == 1 else 'colour'} images"
    found = square_side(count)
    if found is None:
        near = math.isqrt(count)
        raise DataError(
            f"{where} has {count:,} pixels a row, which is no square and no three squares: {near}×{near} would be "
            f"{near * near:,}. Give the columns names that say row and column, such as 1x1, 1x2…"
        )
    side, channels = found
    if channels == 1:
        return rows.reshape(len(rows), side, side, 1), f"{side}×{side} gray images"
    mixed = rows.reshape(len(rows), side, side, 3)
    apart = rows.reshape(len(rows), 3, side, side).transpose(0, 2, 3, 1)
    if _roughness(apart) < _roughness(mixed):
        return apart, f"{side}×{side} colour images, one colour after the other"
    return mixed, f"{side}×{side} colour images, colours pixel by pixel"


def _roughness(images: np.ndarray) -> float:
    some_of_them = images[:: max(1, len(images) // 64)][:64].astype(np.float64)
    return float(np.abs(np.diff(some_of_them, axis=1)).mean() + np.abs(np.diff(some_of_them, axis=2)).mean())


def label_end(first: Sequence[str], last: Sequence[str], pixels: np.ndarray) -> tuple[int, bool]:
    """Return which end of unnamed columns is the labels, 0 or −1, and whether that is sure.

    It is the one that is like labels, not like its neighbour.

    Arguments:
        first, last: (n,) cells of both ends.
        pixels: (n, d) the columns between them.
    """
    like = [_like_labels(first), _like_labels(last)]
    if like[0] != like[1]:
        return (0 if like[0] else -1), True
    ties = [_tie(cells, pixels[:, end]) for cells, end in ((first, 0), (last, -1))]
    return (0 if ties[0] <= ties[1] + 0.1 else -1), not like[0] or abs(ties[0] - ties[1]) > _SURE_TIE


def _like_labels(cells: Sequence[str]) -> bool:
    distinct = set(cells)
    return 2 <= len(distinct) <= max(2, min(200, len(cells) // 2)) and all(
        re.fullmatch(r"-?\d+(\.0*)?", c) for c in distinct
    )


def _tie(cells: Sequence[str], neighbour: np.ndarray) -> float:
    """Return how far a column follows the pixels beside it, 0 to 1."""
    values = np.array([float(cell) if _is_number(cell) else 0.0 for cell in cells])
    if values.std() == 0 or neighbour.std() == 0:
        return 0.0
    return abs(float(np.corrcoef(values, neighbour)[0, 1]))


def describe(columns: PixelColumns, count: int, taken: str, label: int | None) -> str:
    """Return what a table's columns were taken for, for the ledger."""
    what = (
        f"the {count:,} numbers of column {columns.columns[columns.first]}" if columns.in_one else f"{count:,} columns"
    )
    named = "" if label is None else f", the labels in column {columns.columns[label]}"
    sorted_ = ", put in the order of their names" if columns.order is not None else ""
    return f"{what} taken as the pixels of {taken}{sorted_}{named or no_labels(columns)}"


def no_labels(columns: PixelColumns) -> str:
    """Return that there are no labels, and the columns that may hold them."""
    rest = [*columns.columns[: columns.first], *columns.columns[columns.last :]]
    return f"; {NO_LABELS}{some(rest)}" if rest else "; no labels"
