"""The pages of a Parquet column as their own headers tell them, before any is unpacked.

What a file's footer says of sizes is its writer's word; what takes memory is each page, by the header before it.
Source: the Parquet format's `PageHeader`, in Thrift's compact protocol.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from striate.data.readers.bombs import is_bomb
from striate.errors import DataError

# Fields of PageHeader by number; of the header of its kind the number of values and their encoding are fields too.
_KIND, _UNPACKED, _PACKED, _KINDS = 1, 2, 3, (5, 7, 8)
# Of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData: the fields that lead to the pages.
_GROUPS, _COLUMNS, _ABOUT = 4, 1, 3
_NAME, _NUMBER, _LENGTH, _FIRST, _DICTIONARY = 3, 5, 7, 9, 11
_VALUES, _ENCODINGS = 1, {5: 2, 7: 2, 8: 4}
# Of these a value takes its length, or its beginning, from others: few bytes make many.
_DELTAS = 6, 7
_MOST_DEPTH = 8
# A page is in memory twice, packed away and taken apart: less than of an archive may be unpacked of a small file.
_HARMLESS_BYTES, _MOST_RATIO = 64 << 20, 40
# What is kept for a row, and for one of its cells, as Python's objects.
_ROW_BYTES, _CELL_BYTES = 400, 64


@dataclass(frozen=True)
class ParquetPage:
    """One page: how many bytes it is and unpacks to, how many values it has.

    Arguments:
        delta: whether values are told by what they differ from others.
    """

    packed_bytes: int
    unpacked_bytes: int
    values: int
    delta: bool


class Room:
    """How much of one file may still be unpacked, and how many values taken from it.

    Arguments:
        path: the file.
    """

    def __init__(self, path: Path):
        self._path, self._size_bytes = path, path.stat().st_size
        self._unpacked_bytes = self._kept_bytes = 0

    def unpack(self, size_bytes: int) -> None:
        """Count what is unpacked.

        Raises:
            DataError: it is absurdly much for such a file.
        """
        self._unpacked_bytes += size_bytes
        if self._unpacked_bytes > max(_HARMLESS_BYTES, _MOST_RATIO * self._size_bytes):
            raise self._refused(f"unpacks to over {_MOST_RATIO} times its size")

    def keep(self, rows: int, cells: int = 0) -> None:
        """Count rows, and their cells, that are kept.

        Raises:
            DataError: they are absurdly many for such a file.
        """
        self.keep_bytes(rows * _ROW_BYTES + cells * _CELL_BYTES)

    def keep_bytes(self, size_bytes: int) -> None:
        """Count what is kept beside, such as the text of cells.

        Raises:
            DataError: it is absurdly much for such a file.
        """
        self._kept_bytes += size_bytes
        if is_bomb(self._kept_bytes, self._size_bytes):
            raise self._refused("has absurdly many rows, or much text, for its size")

    def _refused(self, why: str) -> DataError:
        return DataError(f"{self._path} {why}, as a decompression bomb does. Save it again, if it is what you want")


def tally_pages(path: Path, group: int, columns: list[str], room: Room, widths: dict[str, int]) -> tuple[int, bool]:
    """Count what columns of a row group unpack to; return that, in bytes, and whether any is told by differences.

    Arguments:
        columns: by name; of nested ones a dot is before each field.
        widths: bytes of a value, of the columns that have values of one width.

    Raises:
        DataError: it is a bomb.
        IndexError, KeyError, TypeError, ValueError: a header is damaged.
    """
    size_bytes, delta, found = 0, False, path.stat()
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for chunk in _chunks(path, found.st_size, found.st_mtime_ns)[group]:
            name = b".".join(chunk[_NAME]).decode()
            if not any(f"{name}.".startswith(f"{wanted}.") for wanted in columns):
                continue
            for page in _pages(content, chunk):
                unpacked = max(page.unpacked_bytes, page.values * widths.get(name, 0))
                size_bytes += unpacked
                delta |= page.delta
                room.unpack(unpacked)
                room.keep(0, page.values)
    return size_bytes, delta


@lru_cache(maxsize=8)
def _chunks(path: Path, size_bytes: int, _: int) -> list[list[dict[int, Any]]]:
    """Return what the footer says of each column of each row group; pyarrow ends the process where that is damaged."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        length = int.from_bytes(content[size_bytes - 8 : size_bytes - 4], "little")
        footer = _Thrift(content, size_bytes - 8 - length).struct()
    return [[column[_ABOUT] for column in group[_COLUMNS]] for group in footer[_GROUPS]]


def _pages(content: Any, chunk: dict[int, Any]) -> Iterator[ParquetPage]:
    at, first = chunk[_FIRST], chunk.get(_DICTIONARY, 0)
    at = first if 0 < first < at else at
    end, seen = at + chunk[_LENGTH], 0
    while at < end and seen < chunk[_NUMBER]:
        thrift = _Thrift(content, at)
        head = thrift.struct()
        kind = next((number for number in _KINDS if number in head), 0)
        about = head.get(kind, {})
        values = about.get(_VALUES, 0) if kind != 7 else 0
        page = ParquetPage(head[_PACKED], head[_UNPACKED], values, about.get(_ENCODINGS.get(kind)) in _DELTAS)
        if min(page.packed_bytes, page.unpacked_bytes, page.values) < 0:
            raise ValueError("a page of less than no bytes")
        yield page
        seen += page.values
        at = thrift.at + page.packed_bytes


class _Thrift:
    """Reads Thrift's compact protocol, as much of it as Parquet has.

    Arguments:
        content: bytes, which may be mapped.
        at: where it begins.
    """

    def __init__(self, content: Any, at: int):
        self._content, self.at = content, at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Return the fields of a struct by their numbers; text is bytes.

        Raises:
            IndexError, ValueError: it is damaged.
        """
        if depth > _MOST_DEPTH:
            raise ValueError("a page header that is nested too deep")
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._number()
            found[number] = self._value(head & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._number()
            case 7:
                self.at += 8
                return None
            case 8:
                length = self._varint()
                self.at += length
                return self._content[self.at - length : self.at]
            case 9 | 10:
                return self._list(depth)
            case 12:
                return self.struct(depth + 1)
        raise ValueError("a page header of no known form")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()
        if size > len(self._content) - self.at:
            raise ValueError("a list of more than there is")
        kind = head & 15
        return [self._byte() if kind < 3 else self._value(kind, depth) for _ in range(size)]

    def _byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128 or shift > 63:
                return value

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
