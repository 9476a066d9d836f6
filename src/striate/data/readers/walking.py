"""What lies below a folder: its image files by their names, and what else there is, with why it is none."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from striate.data.ledger import Entry
from striate.data.readers.assembling import displayable
from striate.observer import Progress

IMAGE_TYPES = frozenset({
    ".avif", ".bmp", ".dds", ".dib", ".gif", ".heic", ".heif", ".icns", ".ico", ".im", ".j2k", ".jfif", ".jp2", ".jpe",
    ".jpeg", ".jpg", ".msp", ".pbm", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".sgi", ".tga", ".tif", ".tiff",
    ".webp", ".xbm",
})  # fmt: skip
TABLE_TYPES = frozenset({".csv", ".tsv"})
_CLUTTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "ehthumbs.db", "icon\r"})
# Files by whose names other forms are known; images beside them go first.
_OTHER_FORMS = (
    (re.compile(r"data_batch_\d+|test_batch|batches\.meta(\.txt)?", re.I), "a file of CIFAR", "cifar"),
    (re.compile(r".*(images|labels)[-_.]idx\d[-_.]ubyte(\.gz)?", re.I), "an IDX file", "idx"),
    (re.compile(r".*\.np[yz]", re.I), "an array", "npy"),
)
# So many files are listed between two words about it.
_TOLD = 4096
_READ_ALREADY = "set aside as a link to a folder that is read already"


@dataclass
class Walked:
    """What the walk gathers: files in order, folders that hold none, and what was set aside or skipped."""

    files: list[str] = field(default_factory=list)  # paths relative to the root: there may be millions
    entries: list[Entry] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)  # {format: a file of it beside the images}
    arrays: list[str] = field(default_factory=list)  # .npy files: images where there are no others

    def skip(self, relative: str, why: str) -> None:
        """Note that a file or folder is left out, and why."""
        self.entries.append(Entry(displayable(relative), "skipped", why))

    def take_arrays(self, arrays: list[str]) -> None:
        """Take arrays for the images, where there are no image files."""
        self.files = sorted(arrays)
        taken = {displayable(one) for one in arrays}
        self.entries = [entry for entry in self.entries if entry.name not in taken]


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
        below[:] = sorted(name for name in below if not is_clutter(name))
        if any(map(_names_image, files)):
            return True
    return False


def _names_image(name: str) -> bool:
    return not is_clutter(name) and os.path.splitext(name)[1].lower() in IMAGE_TYPES


def is_clutter(name: str) -> bool:
    """Whether a name is that of a hidden file or folder, or of one that systems leave behind."""
    return name.startswith(".") or name.casefold() in _CLUTTER


def walk_folder(root: str, progress: Progress) -> Walked:
    """Walk everything under `root`, links to folders last, so that a folder counts where it really lies.

    Every real folder is entered once, and none that holds the root: loops of links and links to `/` come to an end.
    """
    found = Walked()
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
    found.files.sort()
    found.folders.sort()
    return found


def _walk_real(
    top: str, prefix: str, found: Walked, entered: set[str], links: deque[tuple[str, str]], progress: Progress
) -> None:
    stack = [(top, prefix)]
    while stack:
        folder, prefix = stack.pop()
        for entry in _scan(folder, prefix, found, progress):
            relative = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                real = os.path.realpath(entry.path)
                if is_clutter(entry.name):
                    found.skip(relative + "/", "set aside as a hidden or system folder")
                elif real in entered:
                    found.skip(relative + "/", _READ_ALREADY)
                else:
                    entered.add(real)
                    found.folders.append(relative)
                    stack.append((entry.path, relative + "/"))
            else:
                found.folders.append(relative)
                links.append((entry.path, relative))


def _scan(folder: str, prefix: str, found: Walked, progress: Progress) -> list[os.DirEntry[str]]:
    """Note the files of a folder, and return the folders and links to folders in it, sorted."""
    below = []
    try:
        with os.scandir(folder) as entries:
            for i, entry in enumerate(entries):
                if i % _TOLD == 0:
                    progress("listing files", len(found.files), 0)
                if entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and _is(entry.is_dir)):
                    below.append(entry)
                else:
                    _sort_file(entry, prefix + entry.name, found)
    except OSError as error:
        found.skip(prefix, f"folder cannot be opened: {error.strerror}")
    return sorted(below, key=lambda entry: entry.name)


def _is(question: Callable[[], bool]) -> bool:
    """Return the answer of `entry.is_dir` or `is_file`; False for a link that leads in a circle."""
    try:
        return question()
    except OSError:
        return False


def _other_form(relative: str) -> tuple[str, str] | None:
    """Return (what, format) of a file directly in the source whose name is known from another form, None for others."""
    return next(((what, form) for names, what, form in _OTHER_FORMS if names.fullmatch(relative)), None)


def _sort_file(entry: os.DirEntry[str], relative: str, found: Walked) -> None:
    if not _is(entry.is_file) and not is_clutter(entry.name):
        found.skip(relative, "broken link" if entry.is_symlink() else "not a regular file")
    else:
        sort_name(relative, found)


def sort_name(relative: str, found: Walked) -> None:
    """Put a file where its name says that it belongs: among the images, or among what was set aside or skipped."""
    name = relative.rpartition("/")[2] if "/" in relative else relative
    if is_clutter(name):
        found.skip(relative, "set aside as a hidden or system file")
    elif name is relative and (form := _other_form(relative)):
        found.skip(relative, f"set aside as {form[0]} beside images")
        found.others[form[1]] = relative
        if name.lower().endswith(".npy"):
            found.arrays.append(relative)
    elif (extension := image_type(name)) is not None:
        if extension in TABLE_TYPES:
            found.tables.append(relative)
        if extension in TABLE_TYPES and relative == name:
            found.skip(relative, "set aside as a table (if it holds the labels, give it as the source)")
        else:
            found.skip(relative, f"not an image file type: {extension}")
        if extension == ".npy":
            found.arrays.append(relative)
    else:
        found.files.append(relative)
