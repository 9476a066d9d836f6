"""Answers as Parquet. Its index comes last in the file, so until then rows are kept in a journal of Arrow batches."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from striate.classifier.bulk.answers import Answer, Unread
from striate.classifier.bulk.row_format import Columns, Written
from striate.classifier.prediction import Prediction
from striate.data.readers.assembling import displayable
from striate.errors import MissingExtraError
from striate.system.files import replace_atomically

_MAGIC = b"striate answers 1\n"
# Before each batch: how many bytes it has, and their CRC-32. A batch that was cut off is told by either.
_HEAD = struct.Struct("<QI")
_GROUP_ROWS, _GROUP_BYTES = 65_536, 32 << 20


def import_pyarrow() -> Any:
    """Return pyarrow.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError('Parquet needs pyarrow: pip install "striate[parquet]"') from error
    return pyarrow


@dataclass(frozen=True)
class ParquetRows:
    """Rows of Parquet: strings, float32 and booleans, with no value where there is none.

    A set is a list of classes; names that are no UTF-8 are written with backslashes.
    """

    columns: Columns
    kind: ClassVar[str] = "parquet"

    def begin(self) -> bytes:
        """Return the first line of a journal."""
        return _MAGIC

    def encode(self, answers: Sequence[Answer]) -> bytes:
        """Return one Arrow batch."""
        pa = import_pyarrow()
        said = [one if isinstance(one, Prediction) else None for one in answers]
        likely = np.stack(
            [one.probabilities if one else np.full(len(self.columns.classes), np.nan, np.float32) for one in said]
        )
        values: dict[str, Any] = {
            "image": [self.called(one.image) for one in answers],
            "class": [one and one.label for one in said],
            "probability": [one and one.probability for one in said],
            "known": [one and one.known for one in said],
            "sure": [one and one.sure for one in said],
            "set": [one and one.set for one in said],
            "error": [one.why if isinstance(one, Unread) else None for one in answers],
        }
        schema = self._journal_schema()
        arrays = [pa.array(values[field.name], field.type) for field in schema if field.name != "likely"]
        flat = pa.array(likely.astype(np.float32).reshape(-1))
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, len(self.columns.classes)))
        payload = pa.record_batch(arrays, schema=schema).serialize().to_pybytes()
        return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload

    def called(self, image: str) -> str:
        """Return the name as UTF-8 can say it."""
        return displayable(image)

    def written(self, file: BinaryIO) -> Iterator[Written]:
        """Yield the rows of the batches that are whole."""
        for batch, end in self._batches(file):
            wrong = batch.column("error").is_valid().to_pylist()
            for name, refused in zip(batch.column("image").to_pylist(), wrong, strict=True):
                yield Written(name, not refused, end)

    def read(self, file: BinaryIO) -> Iterator[Answer]:
        """Yield the answers."""
        for batch, _ in self._batches(file):
            for row in batch.to_pylist():
                if row["error"] is not None:
                    yield Unread(row["image"], row["error"])
                    continue
                told = {name: row[name] for name in self.columns.optional}
                told |= {"set": tuple(told["set"])} if "set" in told else {}
                yield Prediction(row["image"], self.columns.classes, np.array(row["likely"], np.float32), **told)

    def finish(self, journal: Path, path: Path) -> None:
        """Write the batches into row groups, a bounded number at a time."""
        replace_atomically(path, lambda temporary: self._assemble(journal, temporary))
        journal.unlink()

    def _assemble(self, journal: Path, path: Path) -> None:
        pa = import_pyarrow()
        writer = pa.parquet.ParquetWriter(path, self._schema(), compression="zstd")
        batches, rows, held = [], 0, 0
        with journal.open("rb") as file, writer:
            for batch, _ in self._batches(file):
                batches.append(batch)
                rows, held = rows + batch.num_rows, held + batch.nbytes
                if rows >= _GROUP_ROWS or held >= _GROUP_BYTES:
                    writer.write_table(self._spread(batches), row_group_size=rows)
                    batches, rows, held = [], 0, 0
            if batches:
                writer.write_table(self._spread(batches), row_group_size=rows)

    def _spread(self, batches: Sequence[Any]) -> Any:
        """Return batches of a journal as a table with a column for each class, empty where there is an error."""
        pa = import_pyarrow()
        table = pa.Table.from_batches(batches).combine_chunks()
        count = len(self.columns.classes)
        wrong = np.asarray(table["error"].is_valid().to_numpy(zero_copy_only=False), bool)
        likely = np.asarray(table["likely"].chunk(0).flatten()).reshape(-1, count)
        shown = {f"p({name})": pa.array(likely[:, k], pa.float32(), mask=wrong) for k, name in
                 enumerate(self.columns.classes)}  # fmt: skip
        arrays = [shown.get(field.name) if field.name in shown else table[field.name] for field in self._schema()]
        return pa.Table.from_arrays(arrays, schema=self._schema())

    def _fields(self) -> list[tuple[str, Any]]:
        pa = import_pyarrow()
        kinds = {"known": pa.bool_(), "sure": pa.bool_(), "set": pa.list_(pa.string())}
        plain = [("image", pa.string()), ("class", pa.string()), ("probability", pa.float32())]
        return [*plain, *((name, kinds[name]) for name in self.columns.optional)]

    def _schema(self) -> Any:
        pa = import_pyarrow()
        likely = [(f"p({name})", pa.float32()) for name in self.columns.classes]
        return pa.schema([*self._fields(), *likely, ("error", pa.string())])

    def _journal_schema(self) -> Any:
        pa = import_pyarrow()
        likely = pa.list_(pa.field("item", pa.float32()), len(self.columns.classes))
        return pa.schema([*self._fields(), ("error", pa.string()), ("likely", likely)])

    def _batches(self, file: BinaryIO) -> Iterator[tuple[Any, int]]:
        """Yield the whole batches of a journal, and where each ends."""
        pa = import_pyarrow()
        schema = self._journal_schema()
        if file.read(len(_MAGIC)) != _MAGIC:
            return
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, digest = _HEAD.unpack(head)
            payload = file.read(size) if size < 1 << 32 else b""
            if len(payload) != size or zlib.crc32(payload) != digest:
                return
            yield pa.ipc.read_record_batch(pa.py_buffer(payload), schema), file.tell()
