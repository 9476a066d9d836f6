"""Folders of class folders, with train/valid/test above them or not."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from striate.data.catalog import Catalog
from striate.data.foreign import foreign_name
from striate.data.labels import encode, is_missing, naming_notes
from striate.data.ledger import Entry, Ledger
from striate.data.readers.arrangement import arrange
from striate.data.readers.assembling import displayable, unique
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
# Files by whose names other forms are known; images beside them go first.
_OTHER_FORMS = (
    (re.compile(r"data_batch_\d+|test_batch|batches\.meta(\.txt)?", re.I), "a file of CIFAR", "cifar"),
    (re.compile(r".*(images|labels)[-_.]idx\d[-_.]ubyte(\.gz)?", re.I), "an IDX file", "idx"),
    (re.compile(r".*\.np[yz]", re.I), "an array", "npy"),
)
_EXPECTED = "Expected one folder of images for each class, e.g. {0}/cats/1.jpg and {0}/dogs/1.jpg."
_READ_ALREADY = "set aside as a link to a folder that is read already"


@dataclass
class _Found:
    """What the walk gathers: files in order, folders that hold none, and what was set aside or skipped."""

    files: list[tuple[str, str]] = field(default_factory=list)  # (path, path relative to the root)
    entries: list[Entry] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)  # {format: a file of it beside the images}

    def skip(self, relative: str, why: str) -> None:
        self.entries.append(Entry(displayable(relative), "skipped", why))


def image_type(name: str) -> str | None:
    """Return the extension that says `name` is no image, or None if it may be one (a known type, or no extension).

    >>> image_type("a.JPG"), image_type("scan.0042"), image_type("notes.txt")
    (None, None, '.txt')
    """
    extension = os.path.splitext(name)[1].lower()
    return None if extension in IMAGE_TYPES or re.fullmatch(r"\.?\d*", extension) else extension


def holds_images(folder: Path) -> bool:
    """Whether image files lie in a folder or anywhere below it, told by their names."""
    for _, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if not _clutter(name))
        if any(map(_names_image, files)):
            return True
    return False


def _names_image(name: str) -> bool:
    return not _clutter(name) and os.path.splitext(name)[1].lower() in IMAGE_TYPES


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


def _other_form(relative: str) -> tuple[str, str] | None:
    """Return (what, format) of a file directly in the source whose name is known from another form, None for others."""
    return next(((what, form) for names, what, form in _OTHER_FORMS if names.fullmatch(relative)), None)


def _sort_file(entry: os.DirEntry[str], relative: str, found: _Found) -> None:
    if not _is(entry.is_file) and not _clutter(entry.name):
        found.skip(relative, "broken link" if entry.is_symlink() else "not a regular file")
    else:
        _sort_name(entry.path, relative, found)


def _sort_name(path: str, relative: str, found: _Found) -> None:
    name = relative.rpartition("/")[2] if "/" in relative else relative
    if _clutter(name):
        found.skip(relative, "set aside as a hidden or system file")
    elif name is relative and (form := _other_form(relative)):
        found.skip(relative, f"set aside as {form[0]} beside images")
        found.others[form[1]] = relative
    elif (extension := image_type(name)) is not None:
        if extension in TABLE_TYPES:
            found.tables.append(relative)
        if extension in TABLE_TYPES and relative == name:
            found.skip(relative, "set aside as a table (if it holds the labels, give it as the source)")
        else:
            found.skip(relative, f"not an image file type: {extension}")
    else:
        found.files.append((path, relative))


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
    return _arranged(path, _walk(os.fspath(path), progress))


def read_listed(path: Path, files: Iterable[str], folders: Iterable[str], entries: Iterable[Entry]) -> Catalog:
    """Return the catalog that a folder of these files would give; nothing is looked up.

    Arguments:
        path: what holds them, for messages.
        files: their paths relative to it, parted by `/`.
        folders: folders that it names, likewise; those that hold files need not be among them.
        entries: what the ledger has to say of other members.

    Returns:
        A catalog whose images are the relative paths, as `Path`.

    Raises:
        DataError: as `read_folders`.
    """
    found = _Found(entries=list(entries))
    known: dict[str, bool] = {"": True}  # whether a folder is looked into

    def enter(folder: str) -> bool:
        """Note a folder and those above it; False if it is, or lies in, a hidden or system folder."""
        if folder not in known:
            parts, open_ = folder.split("/"), True
            for i, name in enumerate(parts):
                path = "/".join(parts[: i + 1])
                if path not in known:
                    known[path] = open_ and not _clutter(name)
                    if known[path]:
                        found.folders.append(path)
                    elif open_:
                        found.skip(path + "/", "set aside as a hidden or system folder")
                open_ = known[path]
        return known[folder]

    for folder in folders:
        enter(folder)
    for relative in files:
        if enter(relative.rpartition("/")[0]):
            _sort_name(relative, relative, found)
    found.files.sort(key=lambda file: file[1])
    found.folders.sort()
    return _arranged(path, found)


def _arranged(path: Path, found: _Found) -> Catalog:
    """Return the catalog of what was found: splits, classes, and a line in the ledger for every file."""
    if not found.files:
        raise DataError(_nothing(path, found))
    folders = [relative.rpartition("/")[0] for _, relative in found.files]
    arrangement = arrange(str(path), Counter(folders))
    # Asked once a folder: there are many files.
    labels_of = {folder: role.label and displayable(role.label) for folder, role in arrangement.roles.items()}
    missing = {
        folder for folder, role in arrangement.roles.items() if role.label is not None and is_missing(role.label)
    }
    rows: list[_Row] = []
    for (file, relative), folder in zip(found.files, folders, strict=True):
        role = arrangement.roles[folder]
        if role.why:
            found.skip(relative, role.why)
        elif folder in missing:
            found.skip(relative, f"no label: its folder is called {role.label}")
        else:
            rows.append(_Row(file, relative, role.split, labels_of[folder]))
    _note_empty(found, [row.relative for row in rows])
    given = [row.label for row in rows]
    labels, classes = encode(given)
    if len(classes) == 1 and found.tables:
        raise DataError(_tables_instead(path, found.tables))
    names = unique([displayable(row.relative) for row in rows])
    ledger = Ledger([*(Entry(name, "used") for name in names), *found.entries])
    splits = np.array([row.split for row in rows], dtype="U5")
    notes = (*arrangement.notes, *naming_notes(given), *_note_missing(found), *_note_others(path, found))
    images, doubts = [Path(row.path) for row in rows], tuple(arrangement.doubts)
    return Catalog(str(path), "folders", names, images, labels, classes, splits, ledger, notes=notes, doubts=doubts)


class _Row(NamedTuple):
    """One image: its path, its path relative to the root, its split and its class."""

    path: str
    relative: str
    split: str
    label: str | None


def _note_missing(found: _Found) -> tuple[str, ...]:
    """Say how many images lie in a folder whose name means that there is no label."""
    details = [entry.detail for entry in found.entries if entry.detail.startswith("no label: ")]
    if not details:
        return ()
    folder = details[0].rpartition(" ")[2]
    return (f"{len(details):,} images have no label, since their folder is called {folder}; they are left out",)


def _note_others(path: Path, found: _Found) -> tuple[str, ...]:
    """Say how what belongs to another form would be read."""
    return tuple(
        f"{path} holds images, so {displayable(file)} is set aside; --format {form} reads that instead"
        for form, file in found.others.items()
    )


def _note_empty(found: _Found, kept: list[str]) -> None:
    """Say in the ledger which folders hold no image: such a folder is no class."""
    filled = set()
    for relative in kept:
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
