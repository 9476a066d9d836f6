"""Parquet files of few bytes that would become gigabytes: by dictionaries, runs, shared beginnings, packed pages."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from tests.attacks.attack import ATTACKS, Attack, source
from tests.data import forms

MANY, LONG = 200_000, 1 << 20


def _written(columns: dict[str, Any], **options: Any) -> bytes:
    import pyarrow
    import pyarrow.parquet

    made = io.BytesIO()
    options = {"compression": "zstd", "store_schema": False} | options
    pyarrow.parquet.write_table(pyarrow.table(columns), made, **options)
    return made.getvalue()


def _same(value: Any, count: int = MANY) -> Any:
    """Return a column whose rows all have one value, which its dictionary holds once."""
    import pyarrow

    return pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(count, np.int32)), pyarrow.array([value]))


def _pictures(count: int = MANY) -> Any:
    return _same(forms.picture(0, 0), count)


def _lists(count: int) -> Any:
    """Return four lists of so many labels, each of a megabyte."""
    import pyarrow

    ends = np.linspace(0, count, 5).astype(np.int32)
    return pyarrow.ListArray.from_arrays(pyarrow.array(ends), _same("x" * LONG, count))


BOMBS: dict[str, Callable[[], bytes]] = {
    "labels-of-a-megabyte": lambda: _written({"image": _pictures(), "label": _same("x" * LONG)}),
    "another-column-of-a-megabyte": lambda: _written(
        {"image": _pictures(), "label": _same("a"), "note": _same("x" * LONG)}
    ),
    "names-of-a-megabyte": lambda: _written({"file_name": _same("x" * LONG), "label": _same("a")}),
    "lists-of-a-megabyte": lambda: _written({"image": _pictures(4), "label": _lists(MANY)}),
    "labels-that-share-their-beginning": lambda: _written(
        {"image": [forms.picture(0, 0)] * 2000, "label": ["y" * LONG] * 2000},
        use_dictionary=["image"], column_encoding={"label": "DELTA_BYTE_ARRAY"},
    ),
    "images-that-share-their-beginning": lambda: _written(
        {"image": [forms.picture(0, 0) + bytes(LONG)] * 2000, "label": [0, 1] * 1000},
        use_dictionary=False, column_encoding={"image": "DELTA_BYTE_ARRAY", "label": "PLAIN"},
    ),
    "a-page-that-unpacks-to-much": lambda: _written(
        {"image": [bytes(400 << 20), bytes(1)], "label": ["a", "b"]}, use_dictionary=False
    ),
    "many-pages-that-unpack-to-much": lambda: _written(
        {"image": [bytes(30 << 20)] * 40, "label": ["a", "b"] * 20}, use_dictionary=False, row_group_size=2
    ),
    "many-rows-of-nothing": lambda: _written({
        "image": _pictures(8_000_000), "label": _same("a", 8_000_000),
        **{f"c{i}": _same(i, 8_000_000) for i in range(9)},
    }),
}  # fmt: skip
for name, content in BOMBS.items():
    ATTACKS[f"parquet/{name}"] = Attack(
        f"parquet/{name}", lambda folder, content=content: source(folder, "a.parquet", content()), 1, "a.parquet"
    )

# Sound, if odd: one image of four megabytes, most of them behind its end, that four hundred rows share.
ATTACKS["parquet/one-image-in-every-row"] = Attack(
    "parquet/one-image-in-every-row",
    lambda folder: source(folder, "a.parquet", _written({
        "image": _same(forms.picture(0, 0) + np.random.default_rng(0).bytes(4 << 20), 400), "label": ["a", "b"] * 200,
    })), 0, "",
)  # fmt: skip
