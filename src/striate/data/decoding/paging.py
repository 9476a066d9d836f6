"""Files of several pages: multi-page TIFF, animated GIF, WebP, PNG and the like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a file that has several: `path`, and `number` from 0."""

    path: Path
    number: int

    def __str__(self) -> str:
        return page_name(str(self.path), self.number)


def page_name(name: str, number: int) -> str:
    """Return what a page of a file is called.

    >>> page_name("a.tif", 0)
    'a.tif#1'
    """
    return f"{name}#{number + 1}"
