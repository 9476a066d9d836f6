"""Files of several pages or frames, each taken as one image; those of one file stay together."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.decode import count_pages
from striate.data.decoding.paging import Page, page_name
from striate.data.decoding.stored import Stored
from striate.data.ledger import Entry, Ledger
from striate.data.preparing.parallel import in_order
from striate.errors import ArgumentError
from striate.observer import Progress, silent

# More pages than this of one file are a video.
MOST_PAGES = 10_000
_SEVERAL = frozenset({".tif", ".tiff", ".gif", ".webp", ".png", ".apng", ".avif", ".heic", ".heif", ".mpo", ""})
_BATCH = 64


def check_pages(pages: str | None) -> Literal["first", "all"]:
    """Return which pages of a file are read; None is the first.

    Raises:
        ArgumentError: neither first nor all.
    """
    if pages not in (None, "first", "all"):
        raise ArgumentError(f"pages must be first or all; got {pages!r}")
    return "all" if pages == "all" else "first"


def each_page(catalog: Catalog, progress: Progress = silent) -> Catalog:
    """Return a catalog in which every page of a file is an image of its own, named `file#1`, `file#2` and so on.

    Files of one page and arrays stay as they are. The ledger has a line for each page in the place of the file's.
    """
    counts = _counts(catalog, progress)
    if not (counts > 1).any():
        return catalog
    rows = np.repeat(np.arange(len(catalog)), counts)
    numbers = np.concatenate([np.arange(count) for count in counts])
    spread = catalog.subset(rows)
    images: list[Any] = list(spread.images)
    names, together = list(spread.names), [""] * len(rows)
    for i, (row, number) in enumerate(zip(rows.tolist(), numbers.tolist(), strict=True)):
        if counts[row] > 1:
            images[i], names[i] = Page(images[i], number), page_name(names[i], number)
            together[i] = catalog.names[row]
    pages = dict.fromkeys(catalog.names, 1) | dict(zip(catalog.names, counts.tolist(), strict=True))
    lines: list[Entry] = []
    for entry in catalog.ledger:
        count = pages.get(entry.name, 1)
        lines += [replace(entry, name=page_name(entry.name, k)) for k in range(count)] if count > 1 else [entry]
    return replace(spread, images=images, names=names, together=together, ledger=Ledger(lines))


def _counts(catalog: Catalog, progress: Progress) -> np.ndarray:
    def count(image: Any) -> int:
        several = isinstance(image, Stored) or (isinstance(image, Path) and image.suffix.lower() in _SEVERAL)
        return min(MOST_PAGES, count_pages(image)) if several else 1

    if isinstance(catalog.images, np.ndarray):
        return np.ones(len(catalog), np.int64)
    counts: list[int] = []
    with closing(in_order(count, list(catalog.images), _BATCH, heavy=False)) as batches:
        for batch in batches:
            counts += batch
            progress("counting pages", len(counts), len(catalog))
    return np.array(counts, np.int64)
