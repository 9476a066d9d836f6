"""What unpacks to absurdly much: a small file that would fill memory or disk is refused before it does."""

from __future__ import annotations

from striate.errors import DataError
from striate.system.devices import memory_bytes
from striate.units import say_bytes

# A file may unpack to so much whatever its own size is, and beyond that to so many times its size.
HARMLESS_BYTES, MOST_RATIO = 256 << 20, 200


def is_bomb(unpacked_bytes: int, packed_bytes: int) -> bool:
    """Return whether so many bytes unpack to absurdly many."""
    return unpacked_bytes > max(HARMLESS_BYTES, MOST_RATIO * packed_bytes)


def check_declared_size(what: str, size_bytes: int, file_bytes: int, *, compressed: bool) -> None:
    """Refuse a declared size that the file cannot hold or memory cannot take, before anything is allocated.

    Arguments:
        what: file and part, for the message.
        size_bytes: the size that the file declares.
        file_bytes: the file's own size on disk.
        compressed: whether the file is deflated, which shrinks at most 1,032-fold.

    Raises:
        DataError: the size is absurd.
    """
    if size_bytes > file_bytes * (1032 if compressed else 1) + 1024:
        raise DataError(
            f"{what} declares {size_bytes:,} bytes, more than its file of {file_bytes:,} bytes can hold. Get it again"
        )
    if size_bytes > memory_bytes():
        raise DataError(
            f"{what} declares {say_bytes(size_bytes)}, more than this machine's memory "
            f"({say_bytes(memory_bytes())}). Check the file or use a part of it"
        )
    if is_bomb(size_bytes, file_bytes):
        raise DataError(
            f"{what} declares {say_bytes(size_bytes)}, over {MOST_RATIO} times as much as its file of "
            f"{say_bytes(file_bytes)}, as a decompression bomb does. Save it uncompressed if it is what you want"
        )
