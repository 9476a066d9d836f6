"""Finding files by the names that a table gives them: one listing of each folder instead of one question a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from striate.data.readers.folders import IMAGE_TYPES

_MOST_FOLDERS = 10_000


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

        A name without extension finds the only image of that stem; backslashes part folders where nothing else fits.
        """
        path = self._find(name)
        return self._find(name.replace("\\", "/")) if path is None and "\\" in name else path

    def _find(self, name: str) -> Path | None:
        folder, file = os.path.split(os.path.join(self._base, name))
        if folder not in self._files:
            self._list(folder)
        if file in self._files[folder]:
            return Path(folder, file)
        if file in self._stems[folder]:
            return Path(folder, self._stems[folder][file])
        return None

    def _list(self, folder: str) -> None:
        try:
            with os.scandir(folder) as entries:
                files = {entry.name for entry in entries if entry.is_file()}
        except (OSError, ValueError):
            files = set()
        self._files[folder] = files
        stems: dict[str, str] = {}
        for file in sorted(files, reverse=True):
            stem, extension = os.path.splitext(file)
            if extension.lower() in IMAGE_TYPES:
                stems[stem] = file
        self._stems[folder] = stems


def folders_holding(top: Path, names: Sequence[str]) -> list[Path]:
    """Return the folders below `top`, sorted, that hold more than half of `names`.

    Looks at no more than 10,000 folders and follows no links.
    """
    holding = []
    for i, (folder, below, _) in enumerate(os.walk(top)):
        below[:] = sorted(name for name in below if not name.startswith("."))
        if i >= _MOST_FOLDERS:
            break
        listing = Listing(Path(folder))
        if 2 * sum(listing.find(name) is not None for name in names) > len(names):
            holding.append(Path(folder))
    return holding
