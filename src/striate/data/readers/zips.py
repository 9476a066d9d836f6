"""The members of a `.zip`: its directory is read, the members are left where they are."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

from striate.data.readers.members import DEFLATED, STORED, Contents, Deflated, check_ratio
from striate.errors import DataError, brief

_METHODS = {12: "bzip2", 14: "LZMA", 93: "Zstandard", 9: "Deflate64"}
_LONGEST_TARGET = 4096


def list_zip(path: Path) -> Contents:
    """Return the members of a zip.

    Raises:
        DataError: it is damaged, names lead out of it, members overlap, or it is a bomb.
    """
    contents = Contents(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except UnicodeDecodeError:
        raise DataError(f"{path} has names that are said to be UTF-8 and are not. Make the archive again") from None
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise DataError(f"{path} is a damaged or incomplete zip ({brief(error)}). Get it again") from None
    _check_overlaps(contents, members)
    for member in members:
        _add(contents, member)
    contents.follow_links()
    return contents


def _add(contents: Contents, member: zipfile.ZipInfo) -> None:
    name = member.orig_filename  # zipfile cuts it at a zero byte
    if "/" not in name and "\\" in name:  # how some programs for Windows write their folders
        name = name.replace("\\", "/")
    name = contents.checked(name)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if member.filename.endswith("/") or kind == stat.S_IFDIR:  # is_dir fails where there is no name
        if name:
            contents.folders.append(name)
        return
    if not name or not member.filename:
        raise contents.refuse(member.orig_filename, "has no name")
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        raise contents.refuse(member.filename, "is a device or a pipe, no file")
    way = Deflated(
        contents.path, member.header_offset, member.compress_size, member.file_size, member.compress_type, member.CRC
    )
    if member.flag_bits & 1:
        contents.skip(name, "encrypted, which takes its password")
    elif member.compress_type not in (STORED, DEFLATED):
        method = _METHODS.get(member.compress_type, f"method {member.compress_type}")
        contents.skip(name, f"packed by a method that is not read: {method}")
    elif kind == stat.S_IFLNK:
        target = way.read().decode("utf-8", "surrogateescape") if member.file_size <= _LONGEST_TARGET else "/"
        if target.startswith("/"):
            raise contents.refuse(name, f"is a link that leads outside of the archive, to {target[:120]!r}")
        contents.link(name, f"{name.rpartition('/')[0]}/{target}")
    else:
        contents.add(name, way)


def _check_overlaps(contents: Contents, members: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share their bytes, which is how a small zip unpacks to terabytes, and absurd sizes."""
    total_bytes = sum(member.file_size for member in members)
    if members:
        largest = max(members, key=lambda member: member.file_size)
        check_ratio(contents, total_bytes, contents.path.stat().st_size, largest.filename)
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise contents.refuse(member.filename, "shares its bytes with another, as in a decompression bomb")
        end = member.header_offset + 30 + member.compress_size
