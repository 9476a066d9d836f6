"""The members of a `.tar`, plain or compressed.

A plain tar is read in place. A compressed one can only be read from its beginning: it is unpacked once, as a stream,
to a plain tar in the system's folder for temporary files, which is removed when the process ends.
"""

from __future__ import annotations

import atexit
import bz2
import contextlib
import gzip
import lzma
import os
import re
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO

from striate.data.readers.assembling import displayable
from striate.data.readers.bombs import HARMLESS_BYTES, is_bomb
from striate.data.readers.members import Contents, Slice, check_ratio
from striate.errors import DataError, StorageError, brief
from striate.observer import Progress, silent
from striate.system.owners import host_name, is_alive
from striate.units import say_bytes

_BLOCK, _SMALL_BYTES = 1 << 20, 1 << 16
_COMPRESSIONS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_SPOOL = re.compile(r"striate-([A-Za-z0-9]*)-(\d+)-.*\.tar")
_DESCRIPTIONS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_LONGEST_DESCRIPTION = 1 << 20
_DAMAGES = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError, RecursionError)


class Member(tarfile.TarInfo):
    """A member whose own description is believably long: names and attributes are read into memory whole."""

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo | None:
        if self.type in _DESCRIPTIONS and self.size > _LONGEST_DESCRIPTION:
            raise tarfile.ReadError(f"a member's description declares {self.size:,} bytes")
        return super()._proc_member(tarfile_)  # type: ignore[misc]


def is_tar(head: bytes) -> bool:
    """Return whether the first 512 bytes of a file are the header of a tar's member."""
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def is_compressed(head: bytes) -> bool:
    """Return whether a file begins as gzip, bzip2 or xz do."""
    return any(head.startswith(magic) for magic in _COMPRESSIONS)


def uncompressed_head(path: Path) -> bytes:
    """Return the first 512 bytes of what a gzip, bzip2 or xz file holds.

    Raises:
        DataError: it is damaged.
    """
    try:
        with _opened(path) as file:
            return file.read(512)
    except _DAMAGES as error:
        raise DataError(f"{path} is a damaged {_kind(path)} file ({brief(error)}). Get it again") from None


def _kind(path: Path) -> str:
    with open(path, "rb") as file:
        return {b"\x1f": "gzip", b"B": "bzip2"}.get(file.read(1), "xz")


def _opened(path: Path) -> IO[bytes]:
    with open(path, "rb") as file:
        head = file.read(6)
    opener = next((opener for magic, opener in _COMPRESSIONS.items() if head.startswith(magic)), open)
    return opener(path, "rb")  # pyright: ignore[reportReturnType]


def first_members(path: Path, count: int) -> list[tuple[str, bytes]]:
    """Return (name, content) of the first members that are files, of large ones no content; fewer if damaged."""
    found: list[tuple[str, bytes]] = []
    with (
        contextlib.suppress(*_DAMAGES),
        _opened(path) as file,
        tarfile.open(fileobj=file, mode="r|", tarinfo=Member) as archive,
    ):
        for member in archive:
            if member.isreg() and not member.issparse():
                content = archive.extractfile(member) if member.size <= _SMALL_BYTES else None
                found.append((member.name.removeprefix("./"), content.read() if content else b""))
            end = member.offset_data + member.size
            if len(found) == count or end > HARMLESS_BYTES:  # what it declares would be looked for to the end
                break
    return found


def list_tar(path: Path, progress: Progress = silent) -> Contents:
    """Return the members of a tar, plain or compressed by gzip, bzip2 or xz.

    Raises:
        DataError: it is damaged, names or links lead out of it, it holds devices, or it is a bomb.
        StorageError: there is no room to unpack a compressed one.
    """
    contents = Contents(path)
    with open(path, "rb") as file:
        compressed = is_compressed(file.read(6))
    spool = _unpacked(contents, progress) if compressed else None
    try:
        with open(spool or path, "rb") as file:
            _read_headers(contents, file, spool, progress)
    except _DAMAGES as error:
        if isinstance(error, DataError) or (isinstance(error, OSError) and error.filename):
            raise
        raise DataError(f"{path} is a damaged tar ({brief(error)}). Get it again") from None
    contents.follow_links()
    return contents


def _read_headers(contents: Contents, file: IO[bytes], spool: Path | None, progress: Progress) -> None:
    last, place = "", -1
    with tarfile.open(fileobj=file, mode="r:", tarinfo=Member, encoding="utf-8", errors="surrogateescape") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]
            if member.size < 0 or archive.offset <= place:
                raise contents.refuse(member.name, "declares an absurd size")
            place, last = archive.offset, member.name
            _add(contents, member, spool)
            if len(contents.files) % 4096 == 0:
                progress("listing members", len(contents.files), 0)
        file.seek(archive.offset)
        if (rest := file.read(512)).strip(b"\0"):
            raise DataError(
                f"{contents.path} is damaged after its member {displayable(last)[:120]!r}: {rest[:8].hex(' ')} is no "
                "header. Get it again"
            )
        if last and not rest:
            contents.skip(
                f"{contents.path.name} (end)", "no end mark: the archive may be cut off after its last member"
            )
        size_bytes = file.seek(0, os.SEEK_END)
        if size_bytes < archive.offset:
            raise DataError(f"{contents.path} is incomplete: it ends within {displayable(last)[:120]!r}. Get it again")


def _add(contents: Contents, member: tarfile.TarInfo, spool: Path | None) -> None:
    name = contents.checked(member.name)
    if member.isdir():
        if name:
            contents.folders.append(name)
    elif member.islnk() or member.issym():
        target = member.linkname
        if target.startswith("/"):
            raise contents.refuse(
                name, f"is a link that leads outside of the archive, to {displayable(target)[:120]!r}"
            )
        contents.link(name, target if member.islnk() else f"{name.rpartition('/')[0]}/{target}")
    elif member.issparse():
        contents.skip(name, "a sparse file, which is not read")
    elif member.isreg():
        contents.add(name, Slice(contents.path, member.offset_data, member.size, spool))
    else:
        raise contents.refuse(name, "is a device or a pipe, no file")


_unpacked_before: dict[tuple[str, int, int, int], Path] = {}


def _unpacked(contents: Contents, progress: Progress) -> Path:
    """Return the plain tar of a compressed one, a temporary file of this process; each is made once."""
    found = contents.path.stat()
    key = (os.path.abspath(contents.path), found.st_size, found.st_mtime_ns, found.st_ino)
    if (before := _unpacked_before.get(key)) and before.exists():
        return before
    folder = Path(tempfile.gettempdir())
    _sweep(folder)
    try:
        handle, name = tempfile.mkstemp(".tar", f"striate-{host_name()}-{os.getpid()}-", folder)
    except OSError as error:
        raise StorageError(
            f"{contents.path} cannot be unpacked to {folder}: {error.strerror}. Set TMPDIR to another folder"
        ) from None
    spool = Path(name)
    atexit.register(_remove, spool, os.getpid())
    try:
        with open(handle, "wb") as file:
            _unpack(contents, file, spool, progress)
    except BaseException:
        _remove(spool, os.getpid())
        raise
    _unpacked_before[key] = spool
    return spool


def _unpack(contents: Contents, file: IO[bytes], spool: Path, progress: Progress) -> None:
    path, size_bytes, done_bytes = contents.path, contents.path.stat().st_size, 0
    with _opened(path) as source:
        while True:
            try:
                block = source.read(_BLOCK)
            except _DAMAGES as error:
                raise DataError(f"{path} is a damaged {_kind(path)} file ({brief(error)}). Get it again") from None
            if not block:
                return
            done_bytes += len(block)
            if is_bomb(done_bytes, size_bytes):
                file.flush()
                check_ratio(contents, done_bytes, size_bytes, _last_name(spool, path.name))
            try:
                file.write(block)
            except OSError as error:
                raise StorageError(
                    f"{path} needs more than {say_bytes(done_bytes)} in {tempfile.gettempdir()} to be unpacked: "
                    f"{error.strerror}. Set TMPDIR to a folder with more room, or unpack it and give the folder"
                ) from None
            progress("unpacking", done_bytes, 0)


def _last_name(spool: Path, otherwise: str) -> str:
    """Return the name of the last member that a tar which ends anywhere has begun."""
    name = otherwise
    with contextlib.suppress(*_DAMAGES), tarfile.open(spool, "r:", tarinfo=Member, encoding="utf-8") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]
            name = member.name
    return name


def _remove(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked worker leaves its parent's file alone
        path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind."""
    for path in folder.glob("striate-*.tar"):
        found = _SPOOL.fullmatch(path.name)
        if found and found[1] == host_name() and not is_alive(int(found[2])):
            with contextlib.suppress(OSError):
                path.unlink()
