"""Whether data are fit for training, and what must be said of their classes before their figures are believed."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePosixPath

import numpy as np

from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.data.ledger import NO_LABELS, TABLE_TOLD, Entry
from striate.data.readers.folders import IMAGE_TYPES
from striate.data.splitting import Splits
from striate.errors import DataError, some

_NAMED = 10
_BOXES = re.compile(r"(?:^|/)labels/(?:.*/)?[^/]+\.txt$", re.IGNORECASE)
# A word before a number: cat.0.jpg, dog (3).jpg, owl_17.jpg.
_WORD = re.compile(r"([^\W\d_]{2,}(?:[ _-][^\W\d_]+)*)[ ._-]*\(?\d")
_LABEL_FILES = (".json", ".jsonl", ".csv", ".tsv", ".parquet")


def check_trainable(catalog: Catalog) -> None:
    """Raise a DataError unless the catalog has labels, two classes to learn at least, and no doubts."""
    if not catalog.labelled:
        raise unlabelled(catalog, "training", f" in {catalog.source}")
    if catalog.doubts:
        raise DataError(catalog.doubts[0])
    present = [catalog.classes[i] for i in np.unique(catalog.labels)]
    if len(present) < 2:
        raise DataError(
            f"training needs at least two classes; {catalog.source} has only {present[0]!r}. "
            f"Add images of another class{_set_aside(catalog)}"
        )
    _check_taught(catalog, present)


def labelled_part(catalog: Catalog) -> Catalog:
    """Return the images that have a label, the others skipped in the ledger; all of them where none or all have one."""
    without = np.flatnonzero(catalog.labels < 0)
    if not 0 < len(without) < len(catalog):
        return catalog
    names = [catalog.names[i] for i in without.tolist()]
    said = f"{len(without):,} of {len(catalog):,} images have no label, such as {names[0]}: they are left out"
    ledger = catalog.ledger.revised(Entry(name, "skipped", "no label") for name in names)
    kept = catalog.subset(np.flatnonzero(catalog.labels >= 0))
    return replace(kept, ledger=ledger, notes=(*catalog.notes, said))


def _set_aside(catalog: Catalog) -> str:
    """Return where another class may be: in a file of labels beside the images, or with what was set aside."""
    if told := (catalog.format == "folders" and _in_names(catalog.names)) or _beside(catalog):
        return told
    if catalog.format == "folders" and any(_BOXES.search(entry.name) for entry in catalog.ledger):
        return (
            ". Its labels/*.txt look like boxes of several objects in each image, as YOLO has them: Striate learns one "
            "class for a whole image"
        )
    skipped = sum(entry.status == "skipped" for entry in catalog.ledger)
    return f" ({catalog.ledger.summary()})" if skipped else ""


def _beside(catalog: Catalog) -> str:
    """Return a sentence on a file beside the images that may have their labels; nothing where there is none."""
    if catalog.format == "archive":
        tables = [entry.name for entry in catalog.ledger if entry.name.casefold().endswith(_LABEL_FILES)]
        if not tables:
            return ""
        return f". If {tables[0]} in it has their labels, name its columns with --image-column and --label-column"
    if catalog.format != "folders":
        return ""
    for kind, tool in ((".json", "labelme"), (".xml", "Pascal VOC")):
        count = sum(entry.name.casefold().endswith(kind) for entry in catalog.ledger)
        if count > max(2, len(catalog) // 2):
            return (
                f". {count:,} {kind} files lie beside the images, one for each as {tool} writes them: make one table "
                "(CSV) of image files and classes from them, and give that as the source"
            )
    named = [entry.name for entry in catalog.ledger if entry.name.casefold().endswith(_LABEL_FILES)]
    if not named:
        return ""
    return f". If {Path(catalog.source, named[0])} has their labels, give that file as the source"


def _check_taught(catalog: Catalog, present: list[str]) -> None:
    """Refuse a source that trains on one class only and judges others, as sets for finding defects do."""
    own = (catalog.splits == "train") | (catalog.splits == "")
    taught = np.unique(catalog.labels[own])
    if not (catalog.splits == "train").any() or len(taught) != 1:
        return
    name = catalog.classes[int(taught[0])]
    others = [other for other in present if other != name]
    judged = "test" if (catalog.splits == "test").any() else "valid"
    raise DataError(
        f"training needs images of at least two classes; the train split of {catalog.source} has only {name!r}, and "
        f"{some(others)} {'is' if len(others) == 1 else 'are'} in {judged} alone. Striate learns classes from "
        f"examples of each, not what is unlike one class: move some images of {some(others, 2)} into train, or "
        f"give {judged} alone to have it split{_where(catalog, judged)}"
    )


def _where(catalog: Catalog, split: str) -> str:
    """Return ": PATH" of a split's folder, if folders were read."""
    row = int(np.flatnonzero(catalog.splits == split)[0])
    label, parts = catalog.classes[int(catalog.labels[row])], catalog.names[row].split("/")
    if catalog.format != "folders" or label not in parts[1:]:
        return ""
    return f": {Path(catalog.source, *parts[: parts.index(label, 1)])}"


def unlabelled(catalog: Catalog, what: str, where: str = "") -> DataError:
    """Return the error for images without labels, with what was found and how to give labels.

    Arguments:
        what: what needs them, training or evaluation.
        where: " in SOURCE", if that is to be said.
    """
    if not len(catalog):
        first = next((f", such as {entry.name}: {entry.detail}" for entry in catalog.ledger if entry.detail), "")
        return DataError(
            f"{what} needs images with one label each; {catalog.source} gives none{first} (in all, "
            f"{catalog.ledger.summary()}). Correct these lines and leave one for each image"
        )
    without = int((catalog.labels < 0).sum())
    advice = "Put the images into one folder a class, or give a table with a label column"
    if catalog.format in ("folders", "archive"):
        advice += _in_names(catalog.names) or _beside(catalog) or _one_of_several(catalog)
    if catalog.format == "table" or (catalog.format in ("parquet", "metadata") and catalog.columns):
        told = [e.detail.removeprefix(TABLE_TOLD) for e in catalog.ledger if e.detail.startswith(TABLE_TOLD)]
        columns = f"Its columns are {some(catalog.columns)}; s" if catalog.columns else "S"
        told = [text for text in told if not text.startswith(NO_LABELS)]  # which this sentence says
        advice = f"{columns}ay which one holds the labels with --label-column{f' ({told[0]})' if told else ''}"
        advice += _in_folders(catalog.names)
    more = f". But {catalog.notes[-1]}" if catalog.notes else ""
    return DataError(
        f"{what} needs a label for every image; {without:,} of {len(catalog):,}{where} have none. {advice}{more}"
    )


def _one_of_several(catalog: Catalog) -> str:
    """Return a sentence on a folder that lies beside others of images, as one class does; nothing of others."""
    folder = Path(catalog.source)
    if catalog.format != "folders" or not folder.is_dir() or folder.resolve().parent == folder.resolve():
        return ""
    others = [other for other in folder.resolve().parent.iterdir() if other.is_dir() and _has_images(other)]
    if len(others) < 2 or not _has_images(folder):
        return ""
    return f". {folder} lies beside other folders of images: if these are the classes, give {folder.parent}"


def _has_images(folder: Path) -> bool:
    """Whether one of the first files of a folder is called as images are."""
    try:
        with os.scandir(folder) as entries:
            return any(os.path.splitext(entry.name)[1].lower() in IMAGE_TYPES for entry in islice(entries, 100))
    except OSError:
        return False


def _in_folders(names: Sequence[str]) -> str:
    """Return a sentence on files of a table that lie in folders as classes do; nothing where they do not.

    >>> _in_folders(["pics/cat/1.png", "pics/cat/2.png", "pics/dog/1.png", "pics/dog/2.png"])
    '. Its files lie in the folders cat, dog: if these are the classes, give pics instead of the table'
    """
    folders = sorted({str(PurePosixPath(name.replace("\\", "/")).parent) for name in names})
    if not 2 <= len(folders) <= len(names) // 2:
        return ""
    above = _above(folders) or "their folder"
    listed = some([PurePosixPath(folder).name for folder in folders])
    return f". Its files lie in the folders {listed}: if these are the classes, give {above} instead of the table"


def _in_names(names: Sequence[str]) -> str:
    """Return a sentence on images whose names begin with one of a few words, as classes; nothing where they do not.

    >>> _in_names(["train/cat.0.jpg", "train/cat.1.jpg", "train/dog.0.jpg", "train/dog.1.jpg"])
    '. Their names begin with cat (2), dog (2): if these are the classes, move each into a folder of its own'
    """
    found = [match[1] for name in names if (match := _WORD.match(PurePosixPath(name).name))]
    counts = Counter(found)
    if len(found) < 0.9 * len(names) or not 2 <= len(counts) <= len(names) // 2 or min(counts.values()) < 2:
        return ""
    listed = some([f"{word} ({count:,})" for word, count in sorted(counts.items())])
    return f". Their names begin with {listed}: if these are the classes, move each into a folder of its own"


def _above(folders: Sequence[str]) -> str:
    """Return the folder that all of these lie in; empty where there is none, as of absolute and relative ones."""
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return ""


def classes_sentence(images: ImageSet) -> str:
    """Return the classes of an image set with how many images each has, at most ten of them."""
    counts = np.bincount(images.labels[images.labels >= 0], minlength=len(images.classes))
    present = [(name, int(count)) for name, count in zip(images.classes, counts, strict=True) if count]
    return f"{len(present):,} classes: {some([f'{name} ({count:,})' for name, count in present], _NAMED)}"


def untaught_classes(splits: Splits[ImageSet]) -> tuple[str, ...]:
    """Say which classes are judged but not taught, or taught but not judged, and what that does to the figures."""
    classes, said = splits.train.classes, []
    taught = np.bincount(splits.train.labels, minlength=len(classes))
    for what, part in (("validation", splits.valid), ("test", splits.test)):
        if not len(part):
            continue
        judged = np.bincount(part.labels, minlength=len(classes))
        if len(lost := np.flatnonzero((judged > 0) & (taught == 0))):
            count = int(judged[lost].sum())
            said.append(
                f"{_listed(classes, judged, lost)} {'has' if len(lost) == 1 else 'have'} no training images: each of "
                f"the {count:,} {what} images counts as an error, so accuracy there is at most "
                f"{100 * (1 - count / len(part)):.1f} %"
            )
        own = (part.splits != "").any()  # what chance left out is said where chance splits
        if own and len(unseen := np.flatnonzero((judged == 0) & (taught > 0))):
            said.append(
                f"{_listed(classes, taught, unseen)} {'has' if len(unseen) == 1 else 'have'} no {what} images: "
                f"{what} accuracy says nothing about {'it' if len(unseen) == 1 else 'them'}"
            )
    return tuple(said)


def _listed(classes: tuple[str, ...], counts: np.ndarray, places: np.ndarray) -> str:
    return some([f"{classes[i]} ({counts[i]:,})" for i in places], _NAMED)
