"""What a file of answers must know: how rows become bytes that can be appended, and how whole they are found again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from striate.classifier.bulk.answers import Answer

# Which of the columns between probability and the classes there are is known before the first image.
OPTIONAL = ("known", "sure", "set")


@dataclass(frozen=True)
class Columns:
    """The columns of a file of answers: image, class, probability, `optional`, one for each class, error.

    Arguments:
        classes: (k,) the model's.
        optional: those of `OPTIONAL` that the model and what was asked for give.
    """

    classes: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All of them, in order."""
        return ["image", "class", "probability", *self.optional, *(f"p({name})" for name in self.classes), "error"]


@dataclass(frozen=True)
class Written:
    """A row that was found whole: its image, whether it could be read, and where in the file its bytes end."""

    image: str
    readable: bool
    end: int


class RowFormat(Protocol):
    """Rows of answers as bytes that are appended to a journal, of which a whole file is made at the end.

    Arguments:
        kind: of rows; those of another kind cannot be gone on with.
    """

    kind: ClassVar[str]

    @property
    def columns(self) -> Columns:
        """The columns."""
        ...

    def begin(self) -> bytes:
        """Return what an empty journal begins with."""
        ...

    def encode(self, answers: Sequence[Answer]) -> bytes:
        """Return answers as bytes to be appended."""
        ...

    def called(self, image: str) -> str:
        """Return an image's name as the file can hold it."""
        ...

    def written(self, file: BinaryIO) -> Iterator[Written]:
        """Yield the rows of a journal, in order, up to the first one that is not whole."""
        ...

    def read(self, file: BinaryIO) -> Iterator[Answer]:
        """Yield the answers of a whole journal."""
        ...

    def finish(self, journal: Path, path: Path) -> None:
        """Make the file at `path` of a whole journal, at once or not at all; the journal may be gone then."""
        ...
