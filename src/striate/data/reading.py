"""`read`: from whatever holds labelled images to a `Catalog`; the reader is chosen by looking at the content."""

from __future__ import annotations

import difflib
import gzip
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.data.builtin import names as builtin
from striate.data.catalog import Catalog
from striate.data.foreign import foreign_file, foreign_folder
from striate.data.readers.arrays import read_arrays
from striate.data.readers.cifar import is_cifar_folder, read_cifar
from striate.data.readers.folders import IMAGE_TYPES, read_folders, read_image
from striate.data.readers.frames import is_frame, read_frame
from striate.data.readers.idx import is_idx_folder, read_idx
from striate.data.readers.lookup import is_address
from striate.data.readers.npz import read_npy, read_npz
from striate.data.readers.pixel_tables import find_pixel_form, read_pixel_table
from striate.data.readers.tables import read_table
from striate.errors import ArgumentError, DataError, SourceNotFoundError, StriateError, unknown
from striate.observer import Progress, silent


@dataclass(frozen=True)
class _Options:
    """What only tables need to be told."""

    images: Path | None
    image_column: str | None
    label_column: str | None

    def check_for_tables(self, instead: str) -> None:
        """Refuse options that were given where there is no table; `instead` says what there is."""
        given = ["--" + name.replace("_", "-") for name, value in vars(self).items() if value is not None]
        if given:
            raise ArgumentError(f"{', '.join(given)} must come with a table; {instead}")


def _read_text(path: Path, options: _Options, progress: Progress) -> Catalog:
    """Read a table that holds pixels or one that names image files."""
    form = find_pixel_form(path) if options.image_column is None and options.images is None else None
    if form is not None:
        return read_pixel_table(path, form, label_column=options.label_column, progress=progress)
    return read_table(path, **vars(options), progress=progress)


_Reader = Callable[[Path, _Options, Progress], Catalog]

FORMATS: dict[str, _Reader] = {
    "folders": lambda path, options, progress: read_folders(path, progress=progress),
    "table": _read_text,
    "cifar": lambda path, options, progress: read_cifar(path, progress=progress),
    "cifar100-coarse": lambda path, options, progress: read_cifar(path, labels="coarse", progress=progress),
    "idx": lambda path, options, progress: read_idx(path, progress=progress),
    "npz": lambda path, options, progress: read_npz(path),
    "npy": lambda path, options, progress: read_npy(path),
    "image": lambda path, options, progress: read_image(path),
}


def read(
    source: Any,
    *,
    format: str | None = None,
    images: str | Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    data_dir: str | Path | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Find the images and labels in a source; nothing is decoded yet.

    Arguments:
        source: a path (a folder of class folders, a table that names image files, the CIFAR archive or folder, an IDX
            folder or file, `.npz`, `.npy`), the name of a built-in set (`digits`, `xo:300`, `mnist`…), or in Python
            (images, labels), an array, any iterable of (image, label), or a DataFrame, which is a table. A path that
            exists goes before a name.
        format: the reader to insist on, one of `FORMATS`, where the content would be taken for something else.
        images: for a table, the folder that its file names are relative to.
        image_column, label_column: for a table, the columns where they cannot be guessed.
        data_dir: where the published files of `mnist` and so on are looked for first.
        progress: told what is read and how far it is.

    Returns:
        The catalog, with a line in its ledger for every file.

    Raises:
        SourceNotFoundError: no such path or name.
        DataError: the source holds no images or is damaged.
        ArgumentError: an unknown format or column, or an option that the source's form does not have.

    >>> catalog = read("digits")
    >>> len(catalog), catalog.classes[:3], catalog.images.shape
    (1797, ('0', '1', '2'), (1797, 8, 8, 1))
    """
    if isinstance(source, Catalog):
        return source
    if format is not None and format not in FORMATS:
        raise ArgumentError(unknown("format", format, FORMATS))
    options = _Options(None if images is None else Path(images), image_column, label_column)
    if is_frame(source):
        return read_frame(source, **vars(options), progress=progress)
    if not isinstance(source, str | os.PathLike):
        options.check_for_tables("the images are in memory")
        return read_arrays(source)
    path = Path(os.path.expanduser(source))
    try:
        if not os.fspath(source) or not path.exists():
            if isinstance(source, str) and builtin.is_name(source):
                options.check_for_tables(f"{source} is a built-in set")
                return builtin.read_builtin(source, data_dir=data_dir, progress=progress)
            raise SourceNotFoundError(_not_found(source, path))
        chosen = format or recognise(path)
        if chosen != "table":
            options.check_for_tables(f"{path} is read as {chosen}")
        return FORMATS[chosen](path, options, progress)
    except StriateError:
        raise
    except OSError as error:  # no permission, a name that is too long, a folder in the place of a file
        raise DataError(f"{error.filename or path} cannot be read: {error.strerror or error}") from None


def recognise(path: Path) -> str:
    """Return the format of an existing path, one of `FORMATS`, by what it contains.

    Raises:
        DataError: it is none of them.
    """
    foreign = foreign_folder(path) if path.is_dir() else foreign_file(path) if path.is_file() else None
    if foreign:
        raise DataError(f"{path}: {foreign}")
    if path.is_dir():
        if is_cifar_folder(path):
            return "cifar"
        if is_idx_folder(path):
            return "idx"
        return "npy" if _is_npy_folder(path) else "folders"
    with open(path, "rb") as file:
        head = file.read(512)
    if not head:
        raise DataError(f"{path} must hold images; it is an empty file")
    if head.startswith(b"PK"):
        return "npz"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"\x1f\x8b"):
        return "idx" if _unzipped_head(path).startswith(b"\0\0") else "cifar"
    if head[257:262] == b"ustar":
        return "cifar"
    if head.startswith(b"\0\0") and len(head) > 3 and head[3] in (1, 2, 3, 4):
        return "idx"
    if path.suffix.lower() in IMAGE_TYPES:
        return "image"
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")) and not (head[1] == 0 and head[3:4] == b"\0"):
        raise DataError(
            f"{path} must be a table, an IDX file, an .npz or a CIFAR archive; it begins with {head[:8].hex(' ')}. "
            f"Insist with --format {'|'.join(FORMATS)} if you know better."
        )
    return "table"


def _is_npy_folder(path: Path) -> bool:
    return any(name.endswith(".npy") for name in os.listdir(path)) and not any(file.is_dir() for file in path.iterdir())


def _unzipped_head(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(4)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}). Get it again.") from None


def _not_found(source: str | os.PathLike[str], path: Path) -> str:
    text = os.fspath(source)
    if not text:
        return "a source must be a path or the name of a built-in set; got nothing"
    if is_address(text):
        return f"{text} is an address: download it first, then give the file or folder"
    if isinstance(source, str) and os.sep not in text and not path.suffix:
        return f"{text} is no path here: {unknown('set', text, builtin.NAMES)}"
    parent = path.parent
    if not parent.is_dir():
        return f"{text} does not exist; neither does its folder {parent}. Check the path."
    near = difflib.get_close_matches(path.name, [entry.name for entry in parent.iterdir()], 1)
    hint = f"Did you mean {parent / near[0]}?" if near else "Check the path."
    return f"{text} does not exist. {hint}"
