"""Images beside a file that describes them, as Hugging Face's `imagefolder` and Roboflow have them.

`metadata.jsonl` or `metadata.csv` (a column `file_name`, relative to the file's own folder, and one of labels),
`_classes.csv` (`filename`, and a column of 0 and 1 for each class) or `_annotations.coco.json`;
one at the top, or one in each of `train/`, `test/` and so on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.labels import encode
from striate.data.ledger import Entry, Ledger
from striate.data.readers.annotations import read_annotations
from striate.data.readers.assembling import displayable
from striate.data.readers.folders import IMAGE_TYPES, read_folders
from striate.data.readers.split_names import split_of
from striate.data.readers.tables import read_table
from striate.data.readers.text_table import load_table
from striate.errors import DataError, StriateError
from striate.observer import Progress, silent

_TABLES, _COCO = ("metadata.jsonl", "metadata.csv", "_classes.csv"), "_annotations.coco.json"
# The column of file names as Hugging Face and Roboflow call it.
_FILES = ("file_name", "filename")
_MOST_FOLDERS = 64


def is_metadata(name: str) -> bool:
    """Return whether a file's name is that of one which describes the images beside it."""
    return name in (*_TABLES, _COCO)


def find_metadata(path: Path) -> list[Path]:
    """Return the files that describe the images in a folder, in order.

    Looks into the folder and those of splits below it, or into the only one there is; no further than two levels.
    """
    found: list[Path] = []
    level = [path]
    for _ in range(3):
        below: list[Path] = []
        for folder in level:
            files, folders = _listed(folder)
            found += [folder / name for name in files if is_metadata(name)]
            splits = [name for name in folders if split_of(name) or name.casefold() in ("data", "images")]
            below += [folder / name for name in (splits or (folders if len(folders) == 1 else []))]
        if not below or len(below) > _MOST_FOLDERS:
            break
        level = below
    return sorted(file for file in found if _describes(file))


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    try:
        with os.scandir(folder) as entries:
            listed = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return [], []
    return [name for name, is_dir in listed if not is_dir], [name for name, is_dir in listed if is_dir]


def _describes(file: Path) -> bool:
    """Whether a file has a column of file names and another one: a metadata.csv of something else is none of ours."""
    if file.name == _COCO:
        return True
    try:
        table = load_table(file)
    except StriateError:
        return file.name.endswith(".jsonl")  # which reading it will tell
    return not {*_FILES}.isdisjoint(table.columns) and len(table.columns) > 1


def read_metadata(
    path: Path, *, label_column: str | None = None, only: bool = False, progress: Progress = silent
) -> Catalog:
    """Read a folder in which files describe the images beside them.

    Arguments:
        path: the folder.
        label_column: which column has the labels, where it cannot be guessed.
        only: whether the only column beside the files may be the labels, even where there are class folders.
        progress: told how many rows were looked up.

    Returns:
        A catalog whose names are paths relative to `path`. Where a file says no splits, folders called train, test and
        so on are splits. Images that no file describes are skipped in the ledger.

    Raises:
        DataError: no such files, or they describe no images.
    """
    files = find_metadata(path)
    if not files:
        raise DataError(f"{path} must hold metadata.jsonl or metadata.csv with a column file_name; it holds neither")
    try:
        parts = [(file, _read(file, label_column, progress, only=only)) for file in files]
    except DataError as error:  # a file that is called so and is none does not hide class folders
        if instead := _by_folders(
            path, files, f"set aside: {str(error).removeprefix(str(files[0]))[:120].strip(' :')}"
        ):
            return instead
        raise
    described = [(file, catalog, i) for file, catalog in parts for i in range(len(catalog))]
    names = [_name(catalog.images[i], path) for _, catalog, i in described]
    classes = [catalog.classes[catalog.labels[i]] if catalog.labels[i] >= 0 else None for _, catalog, i in described]
    if not any(classes) and (instead := _by_folders(path, files)):
        return instead
    if not any(classes) and not only:  # no folders are the classes: the only other column may be
        return read_metadata(path, label_column=label_column, only=True, progress=progress)
    keep = [i for i, name in enumerate(classes) if name is not None or not any(classes)]
    entries = list(_entries(parts, path))
    entries += [Entry(displayable(names[i]), "skipped", "no label") for i in set(range(len(names))) - set(keep)]
    known = set(names) | {entry.name for entry in entries}
    entries += [Entry(displayable(name), "skipped", f"not named in {files[0].name}") for name in _images(path)
                if name not in known]  # fmt: skip
    labels, order = encode([classes[i] for i in keep])
    shown = [displayable(names[i]) for i in keep]
    splits = [_split(described[i][1], described[i][2], names[i]) for i in keep]
    columns = {
        column: [_cell(described[i][1], column, described[i][2]) for i in keep]
        for column in dict.fromkeys(column for _, catalog in parts for column in catalog.columns)
    }
    ledger = Ledger([*(Entry(name, "used") for name in shown), *entries])
    images = [described[i][1].images[described[i][2]] for i in keep]
    notes = tuple(dict.fromkeys(note for _, catalog in parts for note in catalog.notes))
    return Catalog(str(path), "metadata", shown, images, labels, order, np.array(splits, "U5"), ledger, columns, notes)


def _by_folders(path: Path, files: list[Path], why: str = "set aside: it has no column of classes") -> Catalog | None:
    """Return the catalog of class folders whose metadata tell something else, as captions; None without classes."""
    try:
        catalog = read_folders(path)
    except DataError:
        return None
    told = [Entry(displayable(_name(file, path)), "skipped", why) for file in files]
    return replace(catalog, ledger=catalog.ledger.revised(told)) if len(catalog.classes) > 1 else None


def _read(file: Path, label_column: str | None, progress: Progress, *, only: bool) -> Catalog:
    if file.name == _COCO:
        return read_annotations(file, images=file.parent, progress=progress)
    table = load_table(file)
    column = next((name for name in _FILES if name in table.columns), _FILES[0])
    return read_table(
        file, table=table, images=file.parent, image_column=column, label_column=label_column, only=only,
        progress=progress,
    )  # fmt: skip


def _name(image: Path, path: Path) -> str:
    return os.path.relpath(image, path).replace(os.sep, "/")


def _split(catalog: Catalog, row: int, name: str) -> str:
    """Return what the file says, or else the outermost folder that is called as a split is."""
    said = str(catalog.splits[row])
    return said or next((split for part in name.split("/")[:-1] if (split := split_of(part))), "")


def _cell(catalog: Catalog, column: str, row: int) -> str:
    return catalog.columns[column][row] if column in catalog.columns else ""


def _entries(parts: list[tuple[Path, Catalog]], path: Path) -> Iterator[Entry]:
    """Yield the lines of the files' own ledgers that are about no used image, named relative to `path`."""
    for file, catalog in parts:
        folder = _name(file.parent, path)
        prefix = "" if folder == "." else folder + "/"
        yield Entry(displayable(prefix + file.name), "used", "describes the images beside it")
        for entry in catalog.ledger:
            if entry.status == "skipped":
                yield replace(entry, name=prefix + entry.name)


def _images(path: Path) -> Iterator[str]:
    for folder, below, files in os.walk(path):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in IMAGE_TYPES and not name.startswith("."):
                yield _name(Path(folder, name), path)
