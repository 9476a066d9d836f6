"""Folders of class folders, with train/valid/test above them or not."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.foreign import foreign_name
from striate.data.ledger import Entry, Ledger
from striate.data.readers.assembling import displayable, encode, split_of, unique
from striate.errors import DataError
from striate.observer import Progress, silent

IMAGE_TYPES = frozenset({
    ".avif", ".bmp", ".dds", ".dib", ".gif", ".heic", ".heif", ".icns", ".ico", ".im", ".j2k", ".jfif", ".jp2", ".jpe",
    ".jpeg", ".jpg", ".msp", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".sgi", ".tga", ".tif", ".tiff",
    ".webp", ".xbm",
})  # fmt: skip
TABLE_TYPES = frozenset({".csv", ".tsv"})
_ARCHIVES = (".npz", ".npy", ".tar.gz", ".tgz", ".tar", "-ubyte", "-ubyte.gz")
_CLUTTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db", "icon\r"})
_EXPECTED = "Expected one folder of images for each class, e.g. {0}/cats/1.jpg and {0}/dogs/1.jpg."
_READ_ALREADY = "set aside as a link to a folder that is read already"


@dataclass
class _Found:
    """What the walk gathers: files in order, folders that hold none, and what was set aside or skipped."""

    files: list[tuple[str, str]] = field(default_factory=list)  # (path, path relative to the root)
    entries: list[Entry] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def skip(self, relative: str, why: str) -> None:
        self.entries.append(Entry(displayable(relative), "skipped", why))


def image_type(name: str) -> str | None:
    """Return the extension that says `name` is no image, or None if it may be one (a known type, or no extension).

    >>> image_type("a.JPG"), image_type("scan.0042"), image_type("notes.txt")
    (None, None, '.txt')
    """
    extension = os.path.splitext(name)[1].lower()
    return None if extension in IMAGE_TYPES or re.fullmatch(r"\.?\d*", extension) else extension


def _clutter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _CLUTTER


def _walk(root: str, progress: Progress) -> _Found:
    """Walk everything under `root`, links to folders last, so that a folder counts where it really lies.

    Every real folder is entered once, and none that holds the root: loops of links and links to `/` come to an end.
    """
    found = _Found()
    real = os.path.realpath(root)
    entered = {real}
    links: deque[tuple[str, str]] = deque()
    _walk_real(root, "", found, entered, links, progress)
    while links:
        path, relative = links.popleft()
        target = os.path.realpath(path)
        if target in entered or (real + os.sep).startswith(target.rstrip(os.sep) + os.sep):
            found.skip(relative + "/", _READ_ALREADY)
            continue
        entered.add(target)
        _walk_real(path, relative + "/", found, entered, links, progress)
    found.files.sort(key=lambda file: file[1])
    found.folders.sort()
    return found


def _walk_real(
    top: str, prefix: str, found: _Found, entered: set[str], links: deque[tuple[str, str]], progress: Progress
) -> None:
    stack = [(top, prefix)]
    while stack:
        folder, prefix = stack.pop()
        progress("listing files", len(found.files), 0)
        for entry in _scan(folder, prefix, found):
            relative = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                real = os.path.realpath(entry.path)
                if _clutter(entry.name):
                    found.skip(relative + "/", "set aside as a hidden or system folder")
                elif real in entered:
                    found.skip(relative + "/", _READ_ALREADY)
                else:
                    entered.add(real)
                    found.folders.append(relative)
                    stack.append((entry.path, relative + "/"))
            elif entry.is_symlink() and _is(entry.is_dir):
                found.folders.append(relative)
                links.append((entry.path, relative))
            else:
                _sort_file(entry, relative, found)


def _scan(folder: str, prefix: str, found: _Found) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        found.skip(prefix, f"folder cannot be opened: {error.strerror}")


def _is(question: Callable[[], bool]) -> bool:
    """Return the answer of `entry.is_dir` or `is_file`; False for a link that leads in a circle."""
    try:
        return question()
    except OSError:
        return False


def _sort_file(entry: os.DirEntry[str], relative: str, found: _Found) -> None:
    if _clutter(entry.name):
        found.skip(relative, "set aside as a hidden or system file")
    elif not _is(entry.is_file):
        found.skip(relative, "broken link" if entry.is_symlink() else "not a regular file")
    elif (extension := image_type(entry.name)) is not None:
        if extension in TABLE_TYPES:
            found.tables.append(relative)
        if extension in TABLE_TYPES and relative == entry.name:
            found.skip(relative, "set aside as a table (if it holds the labels, give it as the source)")
        else:
            found.skip(relative, f"not an image file type: {extension}")
    else:
        found.files.append((entry.path, relative))


def _wrapping(found: _Found) -> str:
    """Return the prefix of folders that only wrap others: an archive's own top folder, unpacked into the source."""
    prefix = ""
    while True:
        inside = [folder for folder in found.folders if folder.startswith(prefix) and "/" not in folder[len(prefix) :]]
        if len(inside) != 1:
            return prefix
        deeper = inside[0] + "/"
        direct = any("/" not in relative[len(prefix) :] for _, relative in found.files)
        below = [folder for folder in found.folders if folder.startswith(deeper)]
        images_within = any("/" not in relative[len(deeper) :] for _, relative in found.files)
        if direct or images_within or not below or split_of(inside[0][len(prefix) :]):
            return prefix
        prefix = deeper


def _has_splits(found: _Found, prefix: str) -> bool:
    """Whether the folders below `prefix` are splits: all of them, or train and another that hold folders only."""
    names = [folder[len(prefix) :] for folder in found.folders if folder.startswith(prefix)]
    top = [name for name in names if "/" not in name]
    splits = [name for name in top if split_of(name)]
    if not splits:
        return False
    if len(splits) == len(top):
        return True
    direct = {relative[len(prefix) :].rpartition("/")[0] for _, relative in found.files}
    return len({split_of(name) for name in splits} | {"train"}) > 1 and not direct.intersection(splits)


def read_folders(path: Path, *, progress: Progress = silent) -> Catalog:
    """Read a folder that has one folder of images for each class, or train/valid/test folders that do.

    Files nested deeper belong to the class folder they are under. Hidden and system files are set aside, links
    followed, each real folder read once. A folder that holds images and no folders gives an unlabelled catalog.

    Arguments:
        path: the folder.
        progress: told how many files were listed.

    Returns:
        A catalog whose names are paths relative to `path` and whose images are paths; nothing is opened.

    Raises:
        DataError: there are no images.
    """
    found = _walk(os.fspath(path), progress)
    if not found.files:
        raise DataError(_nothing(path, found))
    prefix = _wrapping(found)
    has_splits = _has_splits(found, prefix)
    rows: list[tuple[str, str, str, str | None]] = []  # (path, relative, split, class)
    for file, relative in found.files:
        parts = relative[len(prefix) :].split("/")
        split = split_of(parts[0]) if has_splits and len(parts) > 1 else ""
        if has_splits and not split:
            found.skip(relative, "set aside as outside of train, valid and test")
            continue
        inner = parts[1:] if split else parts
        rows.append((file, relative, split, displayable(inner[0]) if len(inner) > 1 else None))
    if any(row[3] is not None for row in rows):
        for _, relative, _, name in rows:
            if name is None:
                found.skip(relative, "not in a class folder")
        rows = [row for row in rows if row[3] is not None]
    _note_empty(found, rows)
    labels, classes = encode([row[3] for row in rows])
    if len(classes) == 1 and found.tables:
        raise DataError(_tables_instead(path, found.tables))
    names = unique([displayable(row[1]) for row in rows])
    ledger = Ledger([*(Entry(name, "used") for name in names), *found.entries])
    splits = np.array([row[2] for row in rows], dtype="U5")
    return Catalog(str(path), "folders", names, [Path(row[0]) for row in rows], labels, classes, splits, ledger)


def _note_empty(found: _Found, rows: list[tuple[str, str, str, str | None]]) -> None:
    """Say in the ledger which folders hold no image: such a folder is no class."""
    filled = set()
    for _, relative, _, _ in rows:
        parent = relative.rpartition("/")[0]
        while parent and parent not in filled:
            filled.add(parent)
            parent = parent.rpartition("/")[0]
    listed = {entry.name for entry in found.entries}
    for folder in found.folders:
        if folder not in filled and displayable(folder) + "/" not in listed:
            found.skip(folder + "/", "set aside as a folder without images")


def _nothing(path: Path, found: _Found) -> str:
    expected = _EXPECTED.format(str(path).rstrip("/"))
    if found.tables:
        return _tables_instead(path, found.tables)
    if not found.entries:
        return f"{path} must hold images; it is empty. {expected}"
    if archives := [entry.name for entry in found.entries if entry.name.endswith(_ARCHIVES)]:
        return f"{path} must hold images; it holds {archives[0]}. Give that as the source: {path / archives[0]}"
    forms = (foreign_name(entry.name) for entry in found.entries)
    if form := next(filter(None, forms), None):
        return f"{path} must hold images; none of its {len(found.entries):,} files is one. {form}"
    first = "; ".join(f"{entry.name}: {entry.detail}" for entry in found.entries[:3])
    return f"{path} must hold images; none of its {len(found.entries):,} files is one ({first}). {expected}"


def _tables_instead(path: Path, tables: list[str]) -> str:
    listed = ", ".join(displayable(table) for table in sorted(tables)[:3])
    return (
        f"{path} must have a folder of images for each of at least two classes; but it holds tables ({listed}). "
        "If one of them names the images and their labels, give that table as the source."
    )


def read_image(path: Path) -> Catalog:
    """Read one image file as an unlabelled catalog of one."""
    name = displayable(path.name)
    splits = np.array([""], dtype="U5")
    return Catalog(str(path), "image", [name], [path], np.array([-1]), (), splits, Ledger([Entry(name, "used")]))
