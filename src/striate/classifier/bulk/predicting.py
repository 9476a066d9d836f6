"""Predicting a lineup into a file, resumed where it stopped; or to whoever listens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import Any, Literal

from striate.classifier.bulk.answers import Answer, Unread, model_digest, stream_answers
from striate.classifier.bulk.csv_rows import CsvRows
from striate.classifier.bulk.journal import Journal
from striate.classifier.bulk.parquet_rows import ParquetRows, import_pyarrow
from striate.classifier.bulk.row_format import Columns, RowFormat
from striate.classifier.classifier import Classifier
from striate.classifier.submission import SubmissionRows, check_sample
from striate.data.lineup import Lineup
from striate.data.readers.lookup import is_address
from striate.errors import ArgumentError
from striate.observer import Progress, silent
from striate.system.files import is_plain_file, replace_atomically
from striate.system.signals import stop_signals

# Yields the answers to the images at some places of a lineup.
Stream = Callable[[Sequence[int]], Generator[list[Answer]]]


@dataclass(frozen=True)
class Outcome:
    """What came of predicting into a file.

    Arguments:
        rows: how many the file, or the journal if it was stopped, has.
        resumed: how many of them an earlier command had written.
        unread: how many of them are of images that could not be read.
        refused: the first ones of those that this command met.
        stopped: whether a signal ended it before the last image.
        journal: where the rows are while the file is not whole.
    """

    rows: int
    resumed: int
    unread: int
    refused: tuple[Unread, ...]
    stopped: bool
    journal: Path


@dataclass(frozen=True)
class BulkRequest:
    """What is wanted of a lineup.

    Arguments:
        images: the arguments that named the images, and with `reading` how they are read: a command that goes on must
            have the same.
        sure, sets: a wanted precision and a wanted coverage, as for `Classifier.predict`.
        path: the file to write; None: answers are only told.
        kind: what it is.
        like: a sample submission whose form it is to have.
    """

    images: Sequence[str] = ()
    reading: Mapping[str, Any] = field(default_factory=dict)
    sure: float | None = None
    sets: float | None = None
    path: Path | None = None
    kind: Literal["csv", "parquet"] = "csv"
    like: Path | None = None


def predict_lineup(
    model: Classifier,
    lineup: Lineup,
    wanted: BulkRequest,
    *,
    stream: Stream | None = None,
    hear: Callable[[Sequence[Answer]], object] | None = None,
    progress: Progress = silent,
    note: Callable[[str], object] = lambda text: None,
) -> Outcome | None:
    """Predict the images of a lineup, into a file or only to who hears; None where there is no file.

    Arguments:
        stream: gives the answers, where others than this process do.
        hear, progress, note: as for `predict_to_file`.

    Raises:
        ArgumentError: too much is asked of the model's validation images; or as `predict_to_file`.
        DataError: the sample submission cannot be filled, see `check_sample`.
        MissingExtraError: Parquet is wanted, and pyarrow is not installed.
    """
    stream = stream or partial(stream_answers, model, lineup, sure=wanted.sure, sets=wanted.sets, progress=progress)
    if wanted.path is None:
        done = 0
        for answers in stream(range(len(lineup))):
            done += len(answers)
            if hear:
                hear(answers)
            progress("predicting", done, len(lineup))
        return None
    columns = columns_of(model, wanted.sure, wanted.sets)
    if wanted.kind == "parquet":
        import_pyarrow()
        rows = ParquetRows(columns)
    else:
        if wanted.like:
            check_sample(wanted.like, model.classes)
        rows = SubmissionRows(columns, wanted.like) if wanted.like else CsvRows(columns)
    reading = {name: str(value) for name, value in wanted.reading.items() if value is not None}
    reading |= {name: _from_anywhere(reading[name]) for name in ("images", "data_dir") if name in reading}
    # Both: rows have the names as they were typed, and the same words mean other files in another folder.
    images = {"images": list(wanted.images), "places": [_from_anywhere(one) for one in wanted.images]}
    about = {"model": model_digest(model), **images, "reading": reading}
    about |= {"sure": wanted.sure, "sets": wanted.sets}
    return predict_to_file(wanted.path, rows, about, lineup, stream, hear=hear, progress=progress, note=note)


def _from_anywhere(argument: str) -> str:
    """Return the absolute path of what an argument names here; what is no path, such as `digits`, as it is."""
    path = os.path.expanduser(argument)
    if os.path.exists(path) or (has_magic(path) and not is_address(path)):
        return os.path.abspath(path)
    return argument


def columns_of(model: Classifier, sure: float | None, sets: float | None) -> Columns:
    """Return the columns that a model's answers have, with what was asked for beside."""
    there = {"known": model.trust.novelty is not None, "sure": sure is not None, "set": sets is not None}
    return Columns(model.classes, tuple(name for name, given in there.items() if given))


def predict_to_file(
    path: Path,
    rows: RowFormat,
    about: Mapping[str, Any],
    lineup: Lineup,
    stream: Stream,
    *,
    hear: Callable[[Sequence[Answer]], object] | None = None,
    progress: Progress = silent,
    note: Callable[[str], object] = lambda text: None,
) -> Outcome:
    """Write a row for each image of a lineup, going on from what an earlier command has written.

    Whenever the process ends, the rows that were written are kept in `PATH.part`, and each image gets one row.

    Arguments:
        path: the file; a pipe or a device is written at the end, and cannot be gone on with.
        rows: its format.
        about: what decides the answers, see `Journal`.
        stream: gives the answers.
        hear: is told all answers in the order of the file, earlier ones as they were written; None: nobody.
        note: is told what a user should see once.

    Raises:
        ArgumentError: the path is a folder, another process writes it, or what is there is of another command.
        StorageError: it cannot be written, or the disk is full.
    """
    if path.is_dir():
        raise ArgumentError(f"the file to write must be no folder; got {path}. Name a file in it")
    if not is_plain_file(path):
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "answers"
            outcome = predict_to_file(made, rows, about, lineup, stream, hear=hear, progress=progress, note=note)
            if not outcome.stopped:
                replace_atomically(path, lambda temporary: shutil.copyfile(made, temporary))
            return outcome
    with Journal(path, rows, about) as journal, ExitStack() as stack:
        asked = stack.enter_context(stop_signals(lambda _: note("stopping after this block; once more stops at once")))
        todo = journal.open(lineup)
        if journal.resumed:
            note(f"{journal.resumed:,} of {len(lineup):,} rows are in {journal.part} already; going on from there")
        if journal.resumed and hear:
            with journal.part.open("rb") as file:
                for answer in rows.read(file):
                    hear([answer])
        answers = stack.enter_context(closing(stream(todo)))  # its threads stop with it
        total, stopped = journal.done + len(todo), False
        for block in answers:
            journal.append(block)
            if hear:
                hear(block)
            progress("predicting", journal.done, total)
            stopped = asked() and journal.done < total
            if stopped:
                break
        if not stopped:
            journal.finish()
        told = (journal.done, journal.resumed, journal.unread, tuple(journal.refused))
        return Outcome(*told, stopped, journal.part)
