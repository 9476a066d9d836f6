"""JSON that says which image has which label, as programs write it: mappings, columns, pairs, splits of these."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from striate.data.readers.layout import Rows, fold, is_image_name
from striate.data.readers.records import record_rows, text_of
from striate.data.readers.split_names import split_of

Cells = tuple[tuple[str, ...], Rows]

# Keys of what describes a set and lists no images.
_ABOUT = frozenset({"info", "licenses", "categories", "classes", "class_names", "names", "meta", "metadata", "version"})
_MOST_NESTED = 4


def rows_of_json(value: Any, images: Collection[str], labels: Collection[str]) -> Cells | None:
    """Return (columns, rows of (line, cells)) of what JSON tells of images; None where it tells of none.

    Read are `{file: label}`, `{file: {"label": …}}`, `{class: [files]}`, `[[file, label], …]`, columns as pandas writes
    them (`{"file": […], "label": […]}`, or numbered), lists of records, and any of these below the names of splits or
    below one key.

    Arguments:
        value: what was parsed.
        images, labels: names of columns of files and of labels, folded, by which such keys are known.

    >>> rows_of_json({"a.png": "cat", "b.png": "dog"}, {"file"}, {"label"})
    (('file', 'label'), [(1, ['a.png', 'cat']), (2, ['b.png', 'dog'])])
    """
    return _rows(value, frozenset(images), frozenset(images) | frozenset(labels), 0)


def _rows(value: Any, images: frozenset[str], known: frozenset[str], depth: int) -> Cells | None:
    if depth > _MOST_NESTED or not value:
        return None
    if isinstance(value, list):
        return _of_list(value)
    if not isinstance(value, dict):
        return None
    if all(map(split_of, value)) and all(isinstance(part, dict | list) for part in value.values()):
        return _of_splits(value, lambda part: _rows(part, images, known, depth + 1))
    folded = {fold(str(key)) for key in value}
    if folded & known and (made := _of_columns(value)):
        return made
    if not folded & known and (made := _of_mapping(value, images)):
        return made
    inside = [part for key, part in value.items() if fold(str(key)) not in _ABOUT and isinstance(part, dict | list)]
    found = [made for part in inside if (made := _rows(part, images, known, depth + 1))]
    return found[0] if len(found) == 1 else None


def _of_list(value: Sequence[Any]) -> Cells | None:
    """Return rows of a list of records, or of pairs of a file and its label."""
    if all(isinstance(one, dict) for one in value):
        return record_rows(list(enumerate(value, 1)))
    if all(isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) for one in value):
        return _pairs((file, label) for file, label in value)
    return None


def _pairs(found: Any) -> Cells:
    return ("file", "label"), [(i, [str(file), text_of(label)]) for i, (file, label) in enumerate(found, 1)]


def _of_splits(value: Mapping[str, Any], read: Callable[[Any], Cells | None]) -> Cells | None:
    parts = {split: read(part) for split, part in value.items()}
    if not all(parts.values()):
        return None
    columns = tuple(dict.fromkeys(column for made in parts.values() if made for column in made[0]))
    rows: Rows = []
    for split, made in parts.items():
        for _, cells in made[1] if made else ():
            told = dict(zip(made[0], cells, strict=False)) if made else {}
            rows.append((len(rows) + 1, [*(told.get(column, "") for column in columns), split]))
    return (*columns, "split"), rows


def _of_columns(value: Mapping[str, Any]) -> Cells | None:
    """Return rows of columns: lists of one length, or mappings with the same keys."""
    parts = [part for part in value.values() if isinstance(part, list | dict)]
    if len(parts) < max(2, len(value)):
        return None
    if all(isinstance(part, list) for part in parts) and len({len(part) for part in parts}) == 1:
        columns = parts
    elif all(isinstance(part, dict) for part in parts) and len({tuple(part) for part in parts}) == 1:
        columns = [list(part.values()) for part in parts if isinstance(part, dict)]
    else:
        return None
    cells = zip(*columns, strict=True)
    return tuple(map(str, value)), [(i, [text_of(cell) for cell in row]) for i, row in enumerate(cells, 1)]


def _of_mapping(value: Mapping[str, Any], images: frozenset[str]) -> Cells | None:
    """Return rows of {file: label}, {file: record} or {class: files}."""
    parts = list(value.values())
    if all(isinstance(part, dict) for part in parts):
        named = any(fold(str(key)) in images - {"id", "image_id"} for part in parts for key in part)
        records = [({} if named else {"file": key}) | part for key, part in value.items()]
        return record_rows(list(enumerate(records, 1))) if named or _are_files(value) else None
    if all(isinstance(part, list) for part in parts):
        inside = [one for part in parts for one in part]
        if inside and (
            all(isinstance(one, str) and is_image_name(one) for one in inside)
            or all(
                isinstance(one, str) and one.startswith(f"{label}/") for label, part in value.items() for one in part
            )
        ):
            return _pairs((file, label) for label, files in value.items() for file in files)
    plain = all(isinstance(part, str | int | float | list | None) for part in parts)
    flat = all(not isinstance(one, dict | list) for part in parts if isinstance(part, list) for one in part)
    told = plain and flat and any(part not in (None, []) for part in parts)
    return _pairs(value.items()) if told and (_are_files(value) or len(value) > 1) else None


def _are_files(names: Collection[str]) -> bool:
    return sum(map(is_image_name, names)) >= 0.9 * len(names)
