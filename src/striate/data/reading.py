"""`read`: from whatever holds labelled images to a `Catalog`; the reader is chosen by looking at the content."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from striate.data.builtin import names as builtin
from striate.data.catalog import Catalog
from striate.data.foreign import foreign_file, foreign_folder
from striate.data.readers.annotations import is_annotations, read_annotations
from striate.data.readers.archives import read_archive
from striate.data.readers.arrays import read_arrays
from striate.data.readers.cifar import is_cifar_archive, is_cifar_folder, read_cifar
from striate.data.readers.folders import IMAGE_TYPES, holds_images, read_folders, read_image
from striate.data.readers.frames import is_frame, read_frame
from striate.data.readers.idx import is_idx_folder, read_idx
from striate.data.readers.layout import decode_text, is_utf16
from striate.data.readers.lookup import is_address
from striate.data.readers.metadata import find_metadata, read_metadata
from striate.data.readers.npz import holds_one_image, is_npz, read_npy, read_npz
from striate.data.readers.pages import check_pages, each_page
from striate.data.readers.parquet import is_parquet, read_parquet
from striate.data.readers.pixel_tables import find_pixel_form, read_pixel_table
from striate.data.readers.shards import holds_shards
from striate.data.readers.tables import read_table
from striate.data.readers.tars import first_members, is_compressed, is_tar, uncompressed_head
from striate.data.readers.webdataset import is_shard, is_webdataset, read_webdataset
from striate.errors import ArgumentError, DataError, SourceNotFoundError, StriateError, unknown
from striate.observer import Progress, silent
from striate.system.files import nearest_path


@dataclass(frozen=True)
class _Options:
    """What only tables need to be told."""

    images: Path | None
    image_column: str | None
    label_column: str | None

    def check_for_tables(self, instead: str, taken: Sequence[str] = ()) -> None:
        """Refuse options that were given where there is no table; `instead` says what there is."""
        given = [
            "--" + name.replace("_", "-")
            for name, value in vars(self).items()
            if value is not None and name not in taken
        ]
        if given:
            raise ArgumentError(f"{', '.join(given)} must come with a table; {instead}")


def _read_text(path: Path, options: _Options, progress: Progress) -> Catalog:
    """Read a table that holds pixels or one that names image files."""
    form = find_pixel_form(path) if options.image_column is None and options.images is None else None
    if form is not None:
        return read_pixel_table(path, form, label_column=options.label_column, progress=progress)
    try:
        return read_table(path, **vars(options), progress=progress)
    except DataError:
        if find_pixel_form(path) is None or options.image_column is not None:
            raise
        raise ArgumentError(f"{path} holds the pixels of its images itself: leave out --images") from None


_Reader = Callable[[Path, _Options, Progress], Catalog]
_LOOKED_AT, _LOOKED_AT_BYTES = 16, 1 << 16

FORMATS: dict[str, _Reader] = {
    "folders": lambda path, options, progress: read_folders(path, progress=progress),
    "table": _read_text,
    "cifar": lambda path, options, progress: read_cifar(path, progress=progress),
    "cifar100-coarse": lambda path, options, progress: read_cifar(path, labels="coarse", progress=progress),
    "idx": lambda path, options, progress: read_idx(path, progress=progress),
    "npz": lambda path, options, progress: read_npz(path),
    "npy": lambda path, options, progress: read_npy(path),
    "image": lambda path, options, progress: read_image(path),
    "archive": lambda path, options, progress: read_archive(
        path,
        lambda inner: _read_inside(inner, options, progress),
        by_table=bool(options.image_column or options.label_column),
        progress=progress,
    ),
    "webdataset": lambda path, options, progress: read_webdataset(path, progress=progress),
    "parquet": lambda path, options, progress: read_parquet(path, **vars(options), progress=progress),
    "metadata": lambda path, options, progress: read_metadata(
        path, label_column=options.label_column, progress=progress
    ),
    "coco": lambda path, options, progress: read_annotations(path, images=options.images, progress=progress),
    "labelstudio": lambda path, options, progress: read_annotations(path, images=options.images, progress=progress),
}
# Which options for tables the other forms take.
_TAKEN = {
    "archive": ("image_column", "label_column"),
    "parquet": ("images", "image_column", "label_column"),
    "metadata": ("label_column",),
    "coco": ("images",),
    "labelstudio": ("images",),
}


def read(
    source: Any,
    *,
    format: str | None = None,
    images: str | Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    data_dir: str | Path | None = None,
    pages: str | None = None,
    progress: Progress = silent,
) -> Catalog:
    """Find the images and labels in a source; nothing is decoded yet.

    Arguments:
        source: a path (a folder of class folders, a table that names image files or holds pixels, a zip or tar of
            either, Parquet, WebDataset, COCO or Label Studio JSON, the CIFAR archive or folder, an IDX folder or file,
            `.npz`, `.npy`), the name of a built-in set (`digits`, `xo:300`, `mnist`…), or in Python (images, labels),
            an array, any iterable of (image, label), or a DataFrame. A path that exists goes before a name, but for
            the folder of a run.
        format: the reader to insist on, one of `FORMATS`, where the content would be taken for something else.
        images: for a table, the folder that its file names are relative to.
        image_column, label_column: for a table, the columns where they cannot be guessed.
        data_dir: where published files are looked for first.
        pages: of files of several pages, "first" (None) or "all" as one image each.
        progress: told what is read and how far it is.

    Returns: the catalog, with a line in its ledger for every file.

    Raises:
        SourceNotFoundError: no such path or name.
        DataError: the source holds no images or is damaged.
        ArgumentError: an unknown format or column, or an option that the source's form does not have.

    >>> catalog = read("digits")
    >>> len(catalog), catalog.classes[:3], catalog.images.shape
    (1797, ('0', '1', '2'), (1797, 8, 8, 1))
    """
    _check_format(format)
    if isinstance(source, Catalog):
        return source
    options = _Options(None if images is None else Path(os.path.expanduser(images)), image_column, label_column)
    every = check_pages(pages) == "all"
    try:
        catalog = _read(source, format, options, data_dir and os.path.expanduser(data_dir), progress)
        return each_page(catalog, progress) if every else catalog
    except StriateError:
        raise
    except OSError as error:  # no permission, a name that is too long, a folder in the place of a file
        raise DataError(f"{error.filename or source} cannot be read: {error.strerror or error}") from None


def _read(source: Any, format: str | None, options: _Options, data_dir: Any, progress: Progress) -> Catalog:
    if is_frame(source):
        return read_frame(source, **vars(options), progress=progress)
    if not isinstance(source, str | os.PathLike):
        options.check_for_tables("the images are in memory")
        return read_arrays(source)
    path = Path(os.path.expanduser(source))
    name = source if isinstance(source, str) and builtin.is_name(source) else None
    if not os.fspath(source) or not path.exists() or (name and _is_run(path)):
        if name:
            options.check_for_tables(f"{name} is a built-in set")
            return builtin.read_builtin(name, data_dir=data_dir, progress=progress)
        raise SourceNotFoundError(_not_found(source, path))
    chosen = format or recognise(path)
    if chosen != "table":
        options.check_for_tables(f"{path} is read as {chosen}", _TAKEN.get(chosen, ()))
    catalog = FORMATS[chosen](path, options, progress)
    return replace(catalog, doubts=()) if format else catalog  # who insists has no doubts


def _is_run(path: Path) -> bool:
    """Return whether a folder is a run's, as `striate train digits --out digits` makes one: no images are in it."""
    return (path / "run.json").is_file() or (path.is_dir() and {one.name for one in path.iterdir()} == {".lock"})


def _check_format(format: str | None) -> None:
    if format is not None and format not in FORMATS:
        raise ArgumentError(unknown("format", format, FORMATS))


def recognise(path: Path) -> str:
    """Return the format of an existing path, one of `FORMATS`, by what it contains.

    Raises:
        DataError: it is none of them.
    """
    foreign = foreign_folder(path) if path.is_dir() else foreign_file(path) if path.is_file() else None
    if foreign:
        raise DataError(f"{path}: {foreign}")
    if path.is_dir():
        if marked := _marked(path):
            return "folders" if holds_images(path) else marked
        return "metadata" if find_metadata(path) else _kind_of_folder(path)
    with open(path, "rb") as file:
        head = file.read(512)
    if not head:
        raise DataError(f"{path} must hold images; it is an empty file")
    if head.startswith(b"PK"):
        return "npz" if is_npz(path) else "archive"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"\x93NUMPY"):
        return "image" if holds_one_image(path) else "npy"
    if is_compressed(head):
        inside = uncompressed_head(path)
        if inside.startswith(b"\0\0") and not is_tar(inside):
            return "idx"
        return _kind_of_tar(path) if is_tar(inside) else "cifar"
    if head[257:262] == b"ustar" or is_tar(head):
        return _kind_of_tar(path)
    if head.startswith(b"\0\0") and len(head) > 3 and head[3] in (1, 2, 3, 4):
        return "idx"
    if path.suffix.lower() in IMAGE_TYPES:
        return "image"
    if b"\0" in head and not is_utf16(head):
        raise DataError(
            f"{path} must be a table, an IDX file, an .npz, an archive or Parquet; it begins with {head[:8].hex(' ')}. "
            f"Insist with --format {'|'.join(FORMATS)} if you know better"
        )
    return _kind_of_json(path) if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "table"


def _kind_of_tar(path: Path) -> str:
    first = first_members(path, _LOOKED_AT)
    if is_cifar_archive([name for name, _ in first]):
        return "cifar"
    return "webdataset" if is_webdataset(first) else "archive"


def _kind_of_json(path: Path) -> str:
    """Return the form of a text that begins as JSON does; what only names files and labels is a table."""
    with open(path, "rb") as file:
        text = decode_text(file.read(_LOOKED_AT_BYTES))
    if not is_annotations(text):
        return "table"
    return "coco" if text.lstrip("\ufeff \t\r\n").startswith("{") else "labelstudio"


def _read_inside(path: Path, options: _Options, progress: Progress) -> Catalog:
    """Return the catalog of what an archive's names were laid out as."""
    form = recognise(path)
    if form not in ("table", "metadata", "coco", "labelstudio"):
        raise DataError(f"{path} must be a table; it is read as {form}")
    return FORMATS[form](path, options, progress)


def _marked(folder: Path) -> str:
    """Return the format that a folder's file names speak for: cifar, idx, npy, or "" for none."""
    if is_cifar_folder(folder):
        return "cifar"
    if is_idx_folder(folder):
        return "idx"
    return "npy" if _is_npy_folder(folder) else ""


def _kind_of_folder(path: Path) -> str:
    shards = (("parquet", is_parquet), ("webdataset", is_shard))
    form = next((form for form, is_one in shards if holds_shards(path, is_one)), "folders")
    return "folders" if form != "folders" and holds_images(path) else form


def _is_npy_folder(path: Path) -> bool:
    return any(name.endswith(".npy") for name in os.listdir(path)) and not any(file.is_dir() for file in path.iterdir())


def _not_found(source: str | os.PathLike[str], path: Path) -> str:
    text = os.fspath(source)
    if not text:
        return "a source must be a path or the name of a built-in set; got nothing"
    if is_address(text):
        return f"{text} is an address: download it first, then give the file or folder"
    if isinstance(source, str) and not {"/", "\\"} & set(text) and not path.suffix:
        return f"{text} is no path here: {unknown('set', text, builtin.NAMES)}"
    if path.is_symlink():
        return f"{text} is a link to {os.readlink(path)}, which does not exist. Check where it leads"
    parent = path.parent
    if not parent.is_dir():
        return f"{text} does not exist; neither does its folder {parent}. Check the path"
    near = nearest_path(path)
    hint = f"Did you mean {near}?" if near else "Check the path"
    return f"{text} does not exist. {hint}"
