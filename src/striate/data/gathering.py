"""The images that a user names: files, folders, patterns and sources, as one catalog."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.decode import LIMIT_BYTES
from striate.data.ledger import Entry, Ledger
from striate.data.readers.lookup import is_address
from striate.data.readers.pages import check_pages, each_page
from striate.data.reading import read
from striate.errors import ArgumentError, DataError, SourceNotFoundError
from striate.observer import Progress, silent

# What training has no use for and predicting has: images of a folder that only lack a label.
_WITHOUT_LABEL = ("set aside as an unlabelled image", "no label: ")
STDIN = "-"


def gather(arguments: Sequence[str], reading: Mapping[str, Any], progress: Progress = silent) -> Catalog:
    """Return the images that command-line arguments name, in their order, each once.

    Arguments:
        arguments: image files, folders (searched for image files), glob patterns, `-` for an image on standard input;
            or one source for `read`.
        reading: options for `read`.

    Raises:
        SourceNotFoundError: an argument that leads nowhere, or an address of the web.
        DataError: nothing comes on standard input.
    """
    found: dict[str, Path] = {}
    aside: list[Entry] = []
    streamed: bytes | None = None
    for argument in map(os.path.expanduser, arguments):
        if argument == STDIN:
            streamed = _read_stdin() if streamed is None else streamed
            continue
        if _is_pattern(argument) and not is_address(argument):
            found |= {name: Path(name) for name in _matches(argument)}
            continue
        catalog = read(argument, **{**reading, "pages": None}, progress=progress)
        if catalog.format not in ("folders", "image"):
            if len(arguments) > 1:
                raise ArgumentError(f"{argument} is a {catalog.format} source; give it alone, without further images")
            return each_page(catalog, progress) if check_pages(reading.get("pages")) == "all" else catalog
        inside = Path(argument) if catalog.format == "folders" else Path(argument).parent
        found |= {str(inside / name): path for name, path in zip(catalog.names, catalog.images, strict=True)}
        for entry in catalog.ledger:
            path = inside / entry.name
            if entry.status == "skipped" and entry.detail.startswith(_WITHOUT_LABEL) and path.is_file():
                found[str(path)] = path
            elif entry.status == "skipped":
                aside.append(replace(entry, name=str(path)))
    names, paths = list(found), list[Path | bytes](found.values())
    if streamed is not None:
        place = sum(name in found for name in arguments[: arguments.index(STDIN)])
        names.insert(place, STDIN)
        paths.insert(place, streamed)
    labels, splits = np.full(len(names), -1, np.int64), np.full(len(names), "", "U5")
    entries = Ledger(Entry(name, "used") for name in names).revised(aside)
    source = arguments[0] + (f" and {len(arguments) - 1} more" if len(arguments) > 1 else "")
    catalog = Catalog(source, "files", names, paths, labels, (), splits, entries)
    return each_page(catalog, progress) if check_pages(reading.get("pages")) == "all" else catalog


def _read_stdin() -> bytes:
    """Return the bytes of the one image on standard input."""
    if sys.stdin is None or sys.stdin.isatty():
        raise DataError("- reads an image from standard input, and nothing comes in there; for example: cat a.png | …")
    content = sys.stdin.buffer.read(LIMIT_BYTES + 1)
    if not content:
        raise DataError("- reads an image from standard input; it is empty")
    return content


def _matches(pattern: str) -> list[str]:
    found = [name for name in sorted(glob.glob(pattern, recursive=True)) if Path(name).is_file()]
    if not found:
        raise SourceNotFoundError(f"no file matches {pattern!r}")
    return found


def _is_pattern(argument: str) -> bool:
    return any(c in argument for c in "*?[") and not Path(argument).exists()
