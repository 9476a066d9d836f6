"""Folders of class folders, with train/valid/test above them or not."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from sys import intern
from typing import NamedTuple

import numpy as np

from striate.data.catalog import Catalog
from striate.data.foreign import foreign_name
from striate.data.labels import encode, is_missing, naming_notes
from striate.data.ledger import Entry, Ledger
from striate.data.readers.arrangement import arrange
from striate.data.readers.assembling import displayable, unique
from striate.data.readers.masks import MASK, mask_files
from striate.data.readers.split_names import splits_among
from striate.data.readers.walking import (
    IMAGE_TYPES,
    TABLE_TYPES,
    Walked,
    holds_images,
    image_type,
    is_clutter,
    sort_name,
    walk_folder,
)
from striate.errors import DataError, some
from striate.observer import Progress, silent
from striate.units import say_count

__all__ = [
    "IMAGE_TYPES", "TABLE_TYPES", "holds_images", "image_type", "list_folder", "read_folders", "read_image",
    "read_listed",
]  # fmt: skip

_ARCHIVES = (".npz", ".npy", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", "-ubyte", "-ubyte.gz")
_LISTS = (".txt", ".csv", ".tsv", ".json", ".lst", ".mat")
_ONE_LIST = re.compile(
    r"(?:train[\W_]*(?:and|val|valid)?[\W_]*test|tr[\W_]*te|data|eval)[\W_]*(?:splits?|sets?|partitions?)", re.I
)
_EXPECTED = "Expected one folder of images for each class, e.g. {0}/cats/1.jpg and {0}/dogs/1.jpg"


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
    return _arranged(path, path, walk_folder(os.fspath(path), progress))


def list_folder(path: Path, progress: Progress = silent) -> tuple[list[str], list[Entry]]:
    """Return all image files below a folder, whatever its folders mean, as predicting wants them.

    Arguments:
        path: the folder.
        progress: told how many files were listed.

    Returns:
        Their paths relative to it, sorted, and the ledger's lines of all else.

    Raises:
        DataError: there are none.
    """
    found = walk_folder(os.fspath(path), progress)
    if not found.files and found.arrays:
        found.take_arrays(found.arrays)
    if not found.files:
        raise DataError(_nothing(path, found))
    return found.files, found.entries


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
    found = Walked(entries=list(entries))
    known: dict[str, bool] = {"": True}  # whether a folder is looked into

    def enter(folder: str) -> bool:
        """Note a folder and those above it; False if it is, or lies in, a hidden or system folder."""
        if folder not in known:
            parts, open_ = folder.split("/"), True
            for i, name in enumerate(parts):
                path = "/".join(parts[: i + 1])
                if path not in known:
                    known[path] = open_ and not is_clutter(name)
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
            sort_name(relative, found)
    found.files.sort()
    found.folders.sort()
    return _arranged(path, Path(), found)


def _arranged(path: Path, below: Path, found: Walked) -> Catalog:
    """Return the catalog of what was found: splits, classes, and a line in the ledger for every file.

    Arguments:
        path: what holds them, for messages.
        below: what goes before the relative paths.
    """
    if not found.files and any("/" in one for one in found.arrays):
        found.take_arrays([one for one in found.arrays if "/" in one])
    if not found.files:
        raise DataError(_nothing(path, found))
    folders = [intern(relative.rpartition("/")[0]) for relative in found.files]  # one text a folder, not one a file
    arrangement = arrange(str(path), Counter(folders))
    # Asked once a folder: there are many files.
    labels_of = {folder: role.label and displayable(role.label) for folder, role in arrangement.roles.items()}
    missing = {
        folder for folder, role in arrangement.roles.items() if role.label is not None and is_missing(role.label)
    }
    masks = mask_files(found.files)
    rows: list[_Row] = []
    for relative, folder in zip(found.files, folders, strict=True):
        role = arrangement.roles[folder]
        if role.why:
            found.skip(relative, role.why)
        elif relative in masks:
            found.skip(relative, f"{MASK}: of {displayable(masks[relative])}")
        elif folder in missing:
            found.skip(relative, f"no label: its folder is called {role.label}")
        else:
            rows.append(_Row(relative, role.split, labels_of[folder]))
    _note_empty(found, [row.relative for row in rows])
    given = [row.label for row in rows]
    labels, classes = encode(given)
    if len(classes) == 1 and found.tables:
        raise DataError(_tables_instead(path, found.tables))
    names = unique([displayable(row.relative) for row in rows])
    ledger = Ledger([*(Entry(name, "used") for name in names), *found.entries])
    splits = np.array([row.split for row in rows], dtype="U5")
    notes = (*arrangement.notes, *_note_masks(masks), *naming_notes(given), *_note_missing(found))
    notes += _note_others(path, found) + (() if splits.any() else _note_lists(found))
    images, doubts = [below / row.relative for row in rows], tuple(arrangement.doubts)
    return Catalog(str(path), "folders", names, images, labels, classes, splits, ledger, notes=notes, doubts=doubts)


class _Row(NamedTuple):
    """One image: its path relative to the root, its split and its class."""

    relative: str
    split: str
    label: str | None


def _note_masks(masks: Mapping[str, str]) -> tuple[str, ...]:
    """Say how many files are masks of others by their names."""
    if not masks:
        return ()
    mask, image = next(iter(masks.items()))
    return (
        f"{say_count(len(masks), 'file is', 'files are')} set aside as masks of images beside them, such as "
        f"{displayable(mask)} of {displayable(image)}",
    )


def _note_missing(found: Walked) -> tuple[str, ...]:
    """Say how many images lie in a folder whose name means that there is no label."""
    details = [entry.detail for entry in found.entries if entry.detail.startswith("no label: ")]
    if not details:
        return ()
    folder = details[0].rpartition(" ")[2]
    return (
        f"{say_count(len(details), 'image has', 'images have')} no label, being in a folder called {folder}: left out",
    )


def _note_others(path: Path, found: Walked) -> tuple[str, ...]:
    """Say how what belongs to another form would be read."""
    return tuple(
        f"{path} holds images, so {displayable(file)} is set aside; --format {form} reads that instead"
        for form, file in found.others.items()
    )


def _note_lists(found: Walked) -> tuple[str, ...]:
    """Say which files look like the lists of a split that the folders do not have: train.txt and test.txt."""
    names = [entry.name for entry in found.entries if entry.name.lower().endswith(_LISTS)]
    stems = {name.rpartition("/")[2].rpartition(".")[0]: name for name in sorted(names)}
    among = splits_among(stems)
    if "train" not in among.values() or len(set(among.values())) < 2:
        among = [stem for stem in stems if _ONE_LIST.fullmatch(stem)]
    if not among:
        return ()
    return (
        f"lists of a split are not honoured ({some([stems[stem] for stem in among])}): the images are split anew. "
        "To have one honoured, give a table of image files, classes and a column called split",
    )


def _note_empty(found: Walked, kept: list[str]) -> None:
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


def _nothing(path: Path, found: Walked) -> str:
    expected = _EXPECTED.format(str(path).rstrip("/"))
    if found.tables:
        return _tables_instead(path, found.tables)
    if not found.entries:
        return f"{path} must hold images; it is empty. {expected}"
    if archives := [entry.name for entry in found.entries if entry.name.endswith(_ARCHIVES)]:
        return f"{path} must hold images; it holds {_archives_instead(path, archives)}"
    if shards := [entry.name for entry in found.entries if entry.name.lower().endswith(".parquet")]:
        homes = sorted({str(path / name.rpartition("/")[0]) for name in shards})
        return f"{path} must hold one set; it has Parquet files in {some(homes, 4)}. Give one of these as the source"
    forms = (foreign_name(entry.name) for entry in found.entries)
    if form := next(filter(None, forms), None):
        return f"{path} must hold images; none of its {len(found.entries):,} files is one. {form}"
    first = "; ".join(f"{entry.name}: {entry.detail}" for entry in found.entries[:3])
    return f"{path} must hold images; none of its {len(found.entries):,} files is one ({first}). {expected}"


def _archives_instead(path: Path, archives: list[str]) -> str:
    if all(name.endswith(".npz") for name in archives) and any("/" in name for name in archives):
        return (
            f"{len(archives):,} archives of arrays, such as {archives[0]}. Save each image by numpy.save, as .npy in "
            "one folder a class, or all in one file, numpy.savez('set.npz', images=images, labels=labels)"
        )
    if len(archives) > 1:
        listed = some([displayable(name) for name in sorted(archives)])
        return f"{listed}. Unpack them, each into a folder of its name, or give one of them as the source"
    return f"{archives[0]}. Give that as the source: {path / archives[0]}"


def _tables_instead(path: Path, tables: list[str]) -> str:
    listed = ", ".join(displayable(table) for table in sorted(tables)[:3])
    return (
        f"{path} must have a folder of images for each of at least two classes; but it holds tables ({listed}). "
        "If one of them names the images and their labels, give that table as the source"
    )


def read_image(path: Path) -> Catalog:
    """Read one image file as an unlabelled catalog of one."""
    name = displayable(path.name)
    splits = np.array([""], dtype="U5")
    return Catalog(str(path), "image", [name], [path], np.array([-1]), (), splits, Ledger([Entry(name, "used")]))
