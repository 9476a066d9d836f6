"""JSON as data sets have it: parsed within bounds, the class that a record tells, records as the rows of a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from striate.data.labels import class_name
from striate.errors import DataError

_CLASS_KEYS = (
    "class_name", "label_name", "classname", "label", "class", "cls", "category", "target", "labels", "classes",
)  # fmt: skip


def load_json(what: str, raw: bytes | str) -> Any:
    """Return what a JSON text says.

    Arguments:
        what: file, for messages.

    Raises:
        DataError: it is damaged, or nested absurdly deep.
    """
    try:
        return json.loads(raw if isinstance(raw, str) else raw.decode("utf-8-sig"))
    except RecursionError:
        raise DataError(f"{what} is JSON that is nested absurdly deep") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{what} must be JSON in UTF-8; byte {error.start:,} is none") from None
    except ValueError as error:
        raise DataError(f"{what} is damaged JSON: {str(error)[:200]}") from None


def label_of(record: Any) -> str | None:
    """Return the class that a record tells: a text or number under a usual key, or several joined by `|`.

    >>> label_of({"label": 3, "width": 640}), label_of({"category": ["cat", "cat"]}), label_of({"caption": "a cat"})
    ('3', 'cat', None)
    """
    if not isinstance(record, dict):
        return None
    folded = {str(key).casefold(): value for key, value in record.items()}
    return next((text for key in _CLASS_KEYS if (text := text_of(folded.get(key)))), None)


def text_of(value: Any) -> str:
    """Return a value of a record as the text of a table's cell; a list's distinct values are joined by `|`.

    A record within, as of a class with its number, is its name.

    >>> text_of(2.0), text_of([1, 1, 3]), text_of(None), text_of({"a": [1]}), text_of({"id": 3, "name": "cat"})
    ('2', '1|3', '', '{"a": [1]}', 'cat')
    """
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return "|".join(dict.fromkeys(filter(None, map(text_of, value))))
    if isinstance(value, dict):
        named = next((one for key in ("name", *_CLASS_KEYS) if isinstance(one := value.get(key), str | int)), None)
        if named is not None and all(not isinstance(one, dict | list) for one in value.values()):
            return str(named).strip()
        return json.dumps(value, ensure_ascii=False)
    return (class_name(value) or "").strip()


def records_in(what: str, text: str) -> list[tuple[int, dict[str, Any]]] | None:
    """Return (line, record) of a text of JSON lines, or of a JSON list of records; None if it is neither.

    Raises:
        DataError: it begins as one and is damaged further on.
    """
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if start == "[":
        try:
            values = load_json(what, text)
        except DataError:
            return None
        flat = isinstance(values, list) and values and all(isinstance(value, dict) for value in values)
        return list(enumerate(values, 1)) if flat else None
    if start != "{":
        return None
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = load_json(f"{what}, line {number},", line.strip().lstrip("\ufeff"))
        except DataError:
            if not records:
                return None
            raise
        if not isinstance(record, dict):
            raise DataError(f"{what}, line {number}, must be a JSON object; got {line.strip()[:40]!r}")
        records.append((number, record))
    return records


def record_rows(records: Sequence[tuple[int, dict[str, Any]]]) -> tuple[tuple[str, ...], list[tuple[int, list[str]]]]:
    """Return (columns, rows of (line, cells)) of records, which need not have the same keys."""
    columns = tuple(dict.fromkeys(str(key) for _, record in records for key in record))
    rows = [(line, [text_of(record.get(column)) for column in columns]) for line, record in records]
    return columns, rows
