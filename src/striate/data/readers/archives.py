"""Archives (`.zip`, `.tar`, compressed or not) of class folders, or of a table with its images, read in place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from striate.data.catalog import Catalog
from striate.data.ledger import Entry
from striate.data.readers.assembling import displayable
from striate.data.readers.folders import IMAGE_TYPES, read_listed
from striate.data.readers.members import Contents, Deflated, Slice
from striate.data.readers.metadata import is_metadata
from striate.data.readers.tars import list_tar
from striate.data.readers.text_table import LARGEST_BYTES
from striate.data.readers.zips import list_zip
from striate.errors import DataError, DecodingError, StriateError, some
from striate.observer import Progress, silent
from striate.units import say_bytes

_TABLES = (".csv", ".tsv", ".json", ".jsonl")
# A table takes many times its bytes once it is read: of one that is packed, little may swell so far.
_HARMLESS_TABLE_BYTES, _MOST_SWELLING = 8 << 20, 20
_MOST_TABLES = 20

ReadPath = Callable[[Path], Catalog]


def read_archive(path: Path, read_path: ReadPath, *, by_table: bool = False, progress: Progress = silent) -> Catalog:
    """Read an archive of images as the folder would be read that it unpacks to; no image is unpacked.

    Arguments:
        path: the archive.
        read_path: reads a table, or a folder with one, that was taken out of the archive without its images.
        by_table: whether a table goes before class folders, as where its columns were named.
        progress: told how many members were listed.

    Returns:
        A catalog whose names are the members', or a table's own.

    Raises:
        DataError: it is damaged, a bomb, names places outside of it, or holds no images.
    """
    with open(path, "rb") as file:
        contents = list_zip(path) if file.read(2) == b"PK" else list_tar(path, progress)
    tables = [name for name in contents.files if name.lower().endswith(_TABLES) and not _hidden(name)]
    tables = [name for name in tables if _worth_reading(name, contents)]
    metadata = [name for name in tables if is_metadata(name.rpartition("/")[2])]
    catalog, error = None, None
    try:
        catalog = read_listed(path, contents.files, contents.folders, contents.entries)
        catalog = replace(
            catalog,
            format="archive",
            images=[contents.files[image.as_posix()] for image in catalog.images],
            doubts=tuple(_of_archive(doubt, path) for doubt in catalog.doubts),
        )
    except DataError as found:
        error = _named(found, path, contents)
    doubtful = catalog is None or len(catalog.classes) < 2 or bool(catalog.doubts)
    if by_table and not tables:
        raise DataError(
            f"{path} holds no table, whose columns could be named. Leave out --image-column and --label-column"
        )
    if metadata or (tables and (doubtful or by_table)):
        told, refused = _with_tables(contents, tables, metadata, read_path)
        if by_table and told is None:
            raise refused or DataError(f"no table of {path} has these columns and names its images: {some(tables, 4)}")
        catalog = told or catalog
        error = refused or error
    if catalog is None:
        raise error or DataError(f"{path} must hold images; it holds none")
    return catalog


def _of_archive(doubt: str, path: Path) -> str:
    """Return a doubt of folders with what can be given instead where they lie in an archive."""
    doubt = doubt.replace(f"give that, and {path} as --images", "put it into the archive, or unpack this one")
    return doubt.replace("--format folders", "--format archive")


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part.casefold() == "__macosx" for part in name.split("/"))


def _worth_reading(name: str, contents: Contents) -> bool:
    """Whether a table may be one of images; one beside an image of its own name describes that one."""
    stem = name.rpartition(".")[0]
    return not any(stem + extension in contents.files for extension in (".jpg", ".png", ".jpeg"))


def _named(error: DataError, path: Path, contents: Contents) -> DataError:
    """Return the error with what to do where an archive holds archives."""
    inner = [
        n for n in contents.files if n.lower().endswith((".zip", ".tar", ".gz", ".tgz", ".parquet", ".npz", ".h5"))
    ]
    closed = [entry for entry in contents.entries if entry.detail.startswith(("packed by", "encrypted"))]
    if closed and not contents.files:
        return DataError(
            f"{path} must hold images that can be read in place; {closed[0].name} is {closed[0].detail}. "
            "Unpack the archive and give the folder as the source"
        )
    if not inner:
        return error
    return DataError(
        f"{path} must hold images; it holds {displayable(inner[0])}, which is not looked into. "
        "Unpack the archive and give that as the source"
    )


def _with_tables(
    contents: Contents, tables: list[str], metadata: list[str], read_path: ReadPath
) -> tuple[Catalog | None, DataError | None]:
    """Return the catalog of the tables with their images, None if no table names them, and why the only one does not.

    The readers of tables look files up on a disk: they are given a folder with the archive's names, all of them empty
    but for the tables, and what they find there is found in the archive again.

    Raises:
        DataError: several tables name images and labels.
    """
    with tempfile.TemporaryDirectory(prefix="striate-names-") as made:
        root = Path(os.path.realpath(made))
        _lay_out(contents, tables, root)
        found: dict[str, Catalog] = {}
        refused: DataError | None = None
        for name in metadata[:1] or sorted(tables)[:_MOST_TABLES]:
            if "submission" in name.casefold():
                continue
            try:
                catalog = read_path(root if metadata else root / name)
            except StriateError as error:
                refused = DataError(str(error).replace(str(root), str(contents.path)))
                if metadata:
                    raise refused from None
                continue
            if metadata or catalog.classes:
                found["/".join(metadata) if metadata else name] = catalog
        if len(found) > 1:
            listed = ", ".join(displayable(name) for name in list(found)[:4])
            raise DataError(
                f"{contents.path} holds {len(found)} tables that name images and classes: {listed}. "
                "Unpack it and give one of them as the source"
            )
        made = next((_in_archive(catalog, name, contents, root) for name, catalog in found.items()), None)
        return made, refused if len(tables) == 1 else None


def _lay_out(contents: Contents, tables: list[str], root: Path) -> None:
    """Write the archive's names below `root`: tables with their content, images empty."""
    wanted = set(tables)
    for name, way in contents.files.items():
        if name not in wanted and os.path.splitext(name)[1].lower() not in IMAGE_TYPES:
            continue
        file = root / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            content = way.read() if name in wanted and _is_readable(contents, name) else b""
            file.write_bytes(content)
        except (DecodingError, OSError):  # a damaged table is none; a name that no disk takes is not looked up
            continue


def _is_readable(contents: Contents, name: str) -> bool:
    """Return whether a table is small enough to be one of images.

    Raises:
        DataError: it unpacks to far more than it is.
    """
    way = contents.files[name]
    size_bytes = getattr(way, "size", 0)
    packed_bytes = size_bytes
    if isinstance(way, Deflated):
        packed_bytes = way.packed
    elif isinstance(way, Slice) and way.unpacked:
        packed_bytes = contents.path.stat().st_size
    if size_bytes > max(_HARMLESS_TABLE_BYTES, _MOST_SWELLING * packed_bytes):
        swollen = f"is a table of {say_bytes(size_bytes)} in {say_bytes(packed_bytes)}, as in a decompression bomb"
        raise contents.refuse(name, swollen)
    return size_bytes <= LARGEST_BYTES


def _in_archive(catalog: Catalog, name: str, contents: Contents, root: Path) -> Catalog:
    """Return a catalog of empty files as one of the archive's members, with a line for each member."""
    in_files = not isinstance(catalog.images, np.ndarray)  # a table of pixels holds its images itself
    relative = [os.path.relpath(os.path.normpath(image), root) for image in catalog.images] if in_files else []
    relative = [inside.replace(os.sep, "/") for inside in relative]
    listed = {entry.name for entry in catalog.ledger}
    used = set(relative) | set(name.split("/") if name in contents.files else [])
    more = [Entry(e.name, e.status, e.detail) for e in contents.entries]
    for member in contents.files:
        shown = displayable(member)
        if member == name or is_metadata(member.rpartition("/")[2]):
            more.append(Entry(shown, "used", "the table of the images"))
        elif member not in used and shown not in listed:
            more.append(Entry(shown, "skipped", "set aside as not named by the archive's table"))
    return replace(
        catalog,
        source=str(contents.path),
        format="archive",
        images=[contents.files[inside] for inside in relative] if in_files else catalog.images,
        ledger=catalog.ledger.revised(entry for entry in more if entry.name not in listed),
    )
