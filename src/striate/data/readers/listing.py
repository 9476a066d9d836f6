"""Finding files by the names that a table gives them: one listing of each folder instead of one question a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from striate.data.readers.folders import IMAGE_TYPES
from striate.system.cells import from_cell

MOST_FOLDERS = 10_000


class Listing:
    """Looks names up below one folder; each sub-folder is listed once.

    Arguments:
        base: the folder that relative names are relative to.
    """

    def __init__(self, base: Path):
        self._base = os.fspath(base)
        self._files: dict[str, set[str]] = {}
        self._stems: dict[str, dict[str, str]] = {}

    def find(self, name: str) -> Path | None:
        """Return the path of the file called `name`, or None.

        A name without extension finds the first image of that stem; backslashes part folders where nothing else fits,
        and an apostrophe before what a spreadsheet would take for a formula is none of the name.
        """
        path = self._find(name)
        if path is None and (plain := from_cell(name)) != name:
            return self.find(plain)
        return self._find(name.replace("\\", "/")) if path is None and "\\" in name else path

    def _find(self, name: str) -> Path | None:
        folder, file = os.path.split(os.path.join(self._base, name))
        if folder not in self._files:
            self._list(folder)
        if file in self._files[folder]:
            return Path(folder, file)
        if folder not in self._stems:
            self._stems[folder] = _stems(self._files[folder])
        return Path(folder, self._stems[folder][file]) if file in self._stems[folder] else None

    def _list(self, folder: str) -> None:
        try:
            with os.scandir(folder) as entries:
                self._files[folder] = {entry.name for entry in entries if entry.is_file()}
        except (OSError, ValueError):  # ValueError: a name with a zero byte
            self._files[folder] = set()


def _stems(files: set[str]) -> dict[str, str]:
    """Return {name without extension: name} of the image files; of several, the first in order."""
    parts = ((*os.path.splitext(file), file) for file in sorted(files, reverse=True))
    return {stem: file for stem, extension, file in parts if extension.lower() in IMAGE_TYPES}


def folders_holding(top: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders below `top`, sorted, that hold more than half of `names`.

    Looks at no more than 10,000 folders and follows no links.
    """
    holding = []
    for i, (folder, below, _) in enumerate(os.walk(top)):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if i >= MOST_FOLDERS:
            break
        listing = Listing(Path(folder))
        if 2 * sum(listing.find(name) is not None for name in names) > len(names):
            holding.append(Path(folder))
    return holding
