"""Images that are no files of their own: members of archives, cells of tables, each a way to its bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from striate.errors import DecodingError
from striate.units import say_bytes


class Stored(ABC):
    """The bytes of one image within a larger file; read when asked for, and small enough for any worker process.

    Implementations are frozen dataclasses whose `repr` tells the image's place in the file and nothing that differs
    from run to run: with the file's own size and times it is what the cache knows the image by.
    """

    origin: Path

    @abstractmethod
    def read(self) -> bytes:
        """Return the bytes of the image file.

        Raises:
            DecodingError: they are damaged or absurdly many; the message is the reason.
            OSError: the file cannot be read any more.
        """


def too_many_bytes(size_bytes: int, most_bytes: int, what: str = "a file") -> DecodingError:
    """Return the error of an image whose file, or what lies in it, is too large to be read."""
    return DecodingError(f"oversized: {what} of {say_bytes(size_bytes)}; at most {say_bytes(most_bytes)} are read")
