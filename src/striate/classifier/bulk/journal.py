"""The journal: rows appended to `OUT.part` as they come, and found again there by a command that goes on.

Beside it `OUT.part.json` says what the rows are of, so that no file is made of two models. A row that was cut off is
cut away, and done again. `OUT` itself is there when it is whole, never before.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from striate.classifier.bulk.answers import Answer, Unread
from striate.classifier.bulk.row_format import RowFormat
from striate.data.lineup import Lineup
from striate.errors import ArgumentError, StorageError
from striate.system.files import followed, write_atomically, write_failure
from striate.system.locks import Lock

_VERSION = 2
# After so long at most what was written is on the disk, should the machine itself go down.
_SYNC_S = 5.0
_MOST_KEPT = 20
# What the journal is of, by the words for it.
_WORDS = {
    "model": "the model", "images": "the images", "places": "where the images lie", "reading": "how they are read",
    "sure": "--sure", "sets": "--sets", "columns": "the columns", "kind": "the kind of file",
    "journal": "Striate's version",
}  # fmt: skip


class Journal:
    """Rows on their way to a file; a context manager that keeps other processes away.

    Arguments:
        path: the file that there is to be.
        rows: how answers become bytes.
        about: what decides the answers, as plain JSON values; another command may go on only if its are the same.

    Raises:
        ArgumentError: another process writes it, or what is there is of another command.
        StorageError: it cannot be written.
    """

    def __init__(self, path: Path, rows: RowFormat, about: Mapping[str, Any]):
        self.path, self.rows = path, rows
        target = followed(path)
        self.part = target.with_name(target.name + ".part")
        self.about_path = target.with_name(target.name + ".part.json")
        self._lock = Lock(target.with_name(target.name + ".part.lock"))
        about = {"journal": _VERSION, **about, "kind": rows.kind, "columns": rows.columns.names}
        self._about = json.loads(json.dumps(about))  # as it will be read
        self._file: BinaryIO | None = None
        self._synced_s = time.monotonic()
        self.done = self.unread = self.resumed = 0
        self.refused: list[Unread] = []

    def __enter__(self) -> Journal:
        taken = f"{self.path} is being written by another striate predict. Wait for it, or name another file"
        self._lock.take(ArgumentError(taken), lambda error: StorageError(write_failure(error, self.path)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if not self.done:  # nothing to go on from: leave nothing behind
            self._remove()
        self._lock.release(remove=not self.part.exists())

    def open(self, lineup: Lineup) -> Sequence[int]:
        """Open the journal, and return the places of the images that have no row in it yet.

        Raises:
            ArgumentError: its rows are of another command.
        """
        try:
            found, end = self._found(lineup)
            if not self.done:
                write_atomically(self.about_path, json.dumps(self._about, indent=1))
                self.part.write_bytes(self.rows.begin())
                end = self.part.stat().st_size
            self._file = self.part.open("r+b")
            self._file.truncate(end)
            self._file.seek(end)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise error if isinstance(error, StorageError) else StorageError(write_failure(error, self.part)) from error
        return found

    def append(self, answers: Sequence[Answer]) -> None:
        """Write rows behind those that are there.

        Raises:
            StorageError: the disk is full; what was written before is kept.
        """
        assert self._file is not None
        try:
            self._file.write(self.rows.encode(answers))
            self._file.flush()
            if time.monotonic() - self._synced_s > _SYNC_S:
                os.fsync(self._file.fileno())
                self._synced_s = time.monotonic()
        except OSError as error:
            why = write_failure(error, self.part).partition("; what was there is kept")[0]
            raise StorageError(f"{why}. {self.done:,} rows are there; the same command goes on from them") from error
        self.done += len(answers)
        for one in answers:
            if isinstance(one, Unread):
                self.unread += 1
                self.refused += [one] if len(self.refused) < _MOST_KEPT else []

    def finish(self) -> None:
        """Make the file of the journal, at once or not at all."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.rows.finish(self.part, self.path)
        self.about_path.unlink(missing_ok=True)

    def _found(self, lineup: Lineup) -> tuple[Sequence[int], int]:
        """Return the places without a row, and where the last whole row ends."""
        everything = range(len(lineup))
        if not self.part.exists():
            return everything, 0
        begin, end, matching, others = self.rows.begin(), 0, 0, set[str]()
        with self.part.open("rb") as file:
            if not begin.startswith(file.read(len(begin) + 1)):  # else there are no rows to lose
                self._check_same()
            file.seek(0)
            for row in self.rows.written(file):
                self.done, self.unread, end = self.done + 1, self.unread + (not row.readable), row.end
                if not others and matching < len(lineup) and self.rows.called(lineup.names[matching]) == row.image:
                    matching += 1
                else:
                    others.add(row.image)
        self.resumed = self.done
        rest = range(matching, len(lineup))
        if others:  # the source has changed: what has a row keeps it, and what is new gets one
            known = {self.rows.called(lineup.names[i]) for i in range(matching)} | others
            rest = [i for i in rest if self.rows.called(lineup.names[i]) not in known]
        return rest, end

    def _check_same(self) -> None:
        """Refuse to go on with what another command has begun."""
        try:
            before = json.loads(self.about_path.read_text("utf-8"))
            assert isinstance(before, dict)
        except (OSError, ValueError, AssertionError):
            raise ArgumentError(
                f"{self.part} must have {self.about_path.name} beside it, which says what its rows are of. "
                f"Remove {self.part} to begin anew, or name another file"
            ) from None
        other = [word for key, word in _WORDS.items() if before.get(key) != self._about.get(key)]
        if other:
            listed = " and ".join([", ".join(other[:-1]), other[-1]] if other[1:] else other)
            raise ArgumentError(
                f"{self.path} must be gone on with by the command that began it; the rows in {self.part} "
                f"are of another: {listed} differ{'' if other[1:] else 's'}. "
                f"Give that command again, name another file, or remove {self.part} to begin anew"
            )

    def _remove(self) -> None:
        if self._file is not None:  # else it is not ours
            self.part.unlink(missing_ok=True)
            self.about_path.unlink(missing_ok=True)
