"""What an archive holds: the names of its members, checked, and for each image a way to its bytes; nothing is unpacked.

Names that lead out of the archive, devices, and archives that would unpack to far more than they are, are refused
with the member that is meant.
"""

from __future__ import annotations

import os
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from striate.data.decoding.decode import LIMIT_BYTES
from striate.data.decoding.stored import Stored, too_many_bytes
from striate.data.ledger import Entry
from striate.data.readers.assembling import displayable
from striate.data.readers.bombs import MOST_RATIO, is_bomb
from striate.errors import DataError, DecodingError, brief
from striate.units import say_bytes

MOST_MEMBERS = 3_000_000
# Members are unpacked in memory: no image that is decoded has more bytes, whatever little it is packed into.
_HARMLESS_BYTES, _MOST_SWELLING = 256 << 20, 20
_LONGEST_NAME = 4096
_DRIVE = re.compile(r"[A-Za-z]:")
STORED, DEFLATED = 0, 8


@dataclass(frozen=True, slots=True)
class Slice(Stored):
    """A member that lies in the archive as it is.

    Arguments:
        origin: the archive.
        offset, size: where its bytes begin, and how many there are.
        unpacked: for a compressed tar, the plain one, which lives as long as the process that read it.
    """

    origin: Path
    offset: int
    size: int
    unpacked: Path | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """Return the member's bytes."""
        check_member_bytes(self.size, 0 if self.unpacked else None)
        with open(self.unpacked or self.origin, "rb") as file:
            file.seek(self.offset)
            return _read(file, self.size)


@dataclass(frozen=True, slots=True)
class Deflated(Stored):
    """A member of a zip.

    Arguments:
        origin: the archive.
        header: where the member's local header begins.
        packed, size: bytes in the archive, and unpacked.
        method: 0 stored, 8 deflated.
        crc: of the unpacked bytes.
    """

    origin: Path
    header: int
    packed: int
    size: int
    method: int
    crc: int

    def read(self) -> bytes:
        """Return the member's bytes, checked against size and checksum."""
        check_member_bytes(self.size, self.packed)
        with open(self.origin, "rb") as file:
            file.seek(self.header)
            local = file.read(30)
            if len(local) < 30 or local[:4] != b"PK\3\4":
                raise DecodingError("damaged: the archive has no member in its place")
            file.seek(int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little"), 1)
            data = _read(file, self.packed)
        if self.method == DEFLATED:
            try:
                data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, self.size + 1)
            except zlib.error as error:
                raise DecodingError(f"damaged: it cannot be unpacked ({brief(error)})") from None
        if len(data) != self.size or zlib.crc32(data) != self.crc:
            raise DecodingError("damaged: size or checksum of the member in the archive is wrong")
        return data


def _read(file: BinaryIO, size_bytes: int) -> bytes:
    """Return the next bytes of a file; room is made for no more than it has, whatever its directory says.

    Raises:
        DecodingError: it has fewer.
    """
    if size_bytes > os.fstat(file.fileno()).st_size - file.tell():
        raise DecodingError("truncated: the archive ends before the image does")
    return file.read(size_bytes)


def check_member_bytes(size_bytes: int, packed_bytes: int | None = None) -> None:
    """Refuse a member that is larger than any image file may be, or is made of far too little.

    Arguments:
        packed_bytes: how many of the archive it is made of, 0 where that is not known; None: it lies there as it is.

    Raises:
        DecodingError: it is.
    """
    if packed_bytes is not None and size_bytes > max(_HARMLESS_BYTES, _MOST_SWELLING * packed_bytes):
        raise DecodingError(f"oversized: {say_bytes(size_bytes)} once unpacked, as a decompression bomb is")
    if size_bytes > LIMIT_BYTES:
        raise too_many_bytes(size_bytes, LIMIT_BYTES)


@dataclass
class Contents:
    """The members of an archive: files in its order, folders, and what the ledger says of the others.

    Arguments:
        path: the archive.
        files: {name, parted by `/`: way to the bytes}.
    """

    path: Path
    files: dict[str, Stored] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)  # name → target, both as checked

    def skip(self, name: str, why: str) -> None:
        """Note a member that is not used."""
        self.entries.append(Entry(displayable(name), "skipped", why))

    def refuse(self, name: str, why: str) -> DataError:
        """Return the error that names a member."""
        shown = displayable(name.replace("\0", "\\0"))
        shown = shown if len(shown) <= 120 else shown[:117] + "…"
        return DataError(
            f"{self.path}: its member {shown!r} {why}. Nothing was unpacked; make the archive again from its files"
        )

    def add(self, name: str, way: Stored) -> None:
        """Note a file; of two with one name the last one counts, as where they are unpacked."""
        if name in self.files:
            again = sum(entry.name.startswith(displayable(name) + " (again") for entry in self.entries[-3:]) + 1
            self.skip(
                f"{name} (again {again})" if again > 1 else f"{name} (again)", "replaced: a later member of this name"
            )
        self.files[name] = way
        if len(self.files) + len(self.folders) > MOST_MEMBERS:
            raise self.refuse(name, f"is one of more than {MOST_MEMBERS:,}")

    def checked(self, name: str) -> str:
        """Return a member's name without `./` and doubled strokes.

        Raises:
            DataError: it is absolute, leads out of the archive, or is no name.
        """
        if "\0" in name or len(name) > _LONGEST_NAME:
            raise self.refuse(name, "has a zero byte in its name" if "\0" in name else "has a name of absurd length")
        if name.startswith(("/", "\\")) or _DRIVE.match(name):
            raise self.refuse(name, "has an absolute name, which would lie outside of the archive")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts or ".." in name.split("\\"):
            raise self.refuse(name, "has .. in its name, which leads outside of the archive")
        return "/".join(parts)

    def link(self, name: str, target: str) -> None:
        """Note a link to another member.

        Arguments:
            name: as checked.
            target: relative to the archive's top, as it stands there.
        """
        parts: list[str] = []
        for part in target.split("/"):
            if part == ".." and not parts:
                raise self.refuse(
                    name, f"is a link that leads outside of the archive, to {displayable(target)[:120]!r}"
                )
            if part == "..":
                parts.pop()
            elif part not in ("", "."):
                parts.append(part)
        self.links[name] = "/".join(parts)

    def follow_links(self) -> None:
        """Put the files that links lead to in their place; a link to anything else is skipped."""
        for name, target in self.links.items():
            seen = {name}
            while target in self.links and target not in seen:
                seen.add(target)
                target = self.links[target]
            if target in self.files and target not in seen:
                self.add(name, self.files[target])
            else:
                self.skip(name, f"a link to what is no file of the archive: {displayable(target)[:120]}")


def check_ratio(contents: Contents, unpacked_bytes: int, packed_bytes: int, name: str) -> None:
    """Refuse an archive that unpacks to absurdly much.

    Arguments:
        unpacked_bytes: how much it unpacks to, as far as known.
        packed_bytes: how large it is.
        name: the member to be named.

    Raises:
        DataError: it is a bomb.
    """
    if is_bomb(unpacked_bytes, packed_bytes):
        raise contents.refuse(
            name,
            f"makes it a decompression bomb: {say_bytes(packed_bytes)} would unpack to "
            f"{say_bytes(unpacked_bytes)} or more, over {MOST_RATIO} times as much",
        )
