"""Files of several pages: multi-page TIFF, animated GIF, WebP, PNG and the like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from striate.data.decoding.stored import Stored

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a file that has several: `path`, and `number` from 0."""

    path: Path | Stored
    number: int

    def __str__(self) -> str:
        return page_name(str(self.path), self.number)


def page_name(name: str, number: int) -> str:
    """Return what a page of a file is called.

    >>> page_name("a.tif", 0)
    'a.tif#1'
    """
    return f"{name}#{number + 1}"


def file_and_page(way: Page | _T) -> tuple[Path | Stored | _T, int]:
    """Return the file of a page and its number; of anything else that itself and 0, its first."""
    return (way.path, way.number) if isinstance(way, Page) else (way, 0)
