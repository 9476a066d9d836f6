"""Row groups of a Parquet file, read so that no small one fills the memory.

Text and bytes are left in the dictionaries that they were written with: a value that a million rows have is there once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.data.readers.parquet_pages import Room, tally_pages
from striate.errors import MissingExtraError

# Dictionaries hold two gigabytes at most: of larger groups, whose files are large too, values are read as they are.
_DICTIONARY_BYTES = 1 << 30
_AT_ONCE_BYTES = 64 << 20


def pyarrow_parquet() -> Any:
    """Return the module pyarrow.parquet.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError('Parquet needs pyarrow: pip install "striate[parquet]"') from None
    return pyarrow.parquet


class ParquetGroups:
    """The row groups of one file; a context manager.

    Arguments:
        path: the file.
    """

    def __init__(self, path: Path):
        parquet = pyarrow_parquet()
        self._path, self.room = path, Room(path)
        self.metadata = parquet.read_metadata(path)
        self.schema = self.metadata.schema.to_arrow_schema()
        columns = [self.metadata.schema.column(i) for i in range(self.metadata.num_columns)]
        words = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
        self._widths = {column.path: column.length or 0 for column in columns}
        self._plain = parquet.ParquetFile(path, metadata=self.metadata)
        self._kept = parquet.ParquetFile(path, metadata=self.metadata, read_dictionary=words)

    def __enter__(self) -> ParquetGroups:
        return self

    def __exit__(self, *_: object) -> None:
        self._plain.close()
        self._kept.close()

    def check(self, group: int, columns: list[str]) -> tuple[int, bool]:
        """Return what columns of a group unpack to in bytes, and whether any values are told by differences.

        Raises:
            DataError: that is absurdly much.
        """
        return tally_pages(self._path, group, columns, self.room, self._widths)

    def read(self, group: int, columns: list[str]) -> dict[str, Any]:
        """Return columns of a group, which have been checked, as pyarrow's chunked arrays by name.

        Raises:
            DataError: their texts are absurdly long.
        """
        import pyarrow
        import pyarrow.compute as compute

        size_bytes, delta = tally_pages(self._path, group, columns, Room(self._path), self._widths)
        file = self._kept if size_bytes < _DICTIONARY_BYTES and not delta else self._plain
        if delta:  # pyarrow gives each value its own beginning, of few at once
            rows = max(1, _AT_ONCE_BYTES // max(1, size_bytes))
            batches = []
            for batch in file.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False):
                self.room.unpack(batch.nbytes)
                batches.append(batch)
            table = pyarrow.Table.from_batches(batches)
        else:
            table = file.read_row_group(group, columns=columns, use_threads=False)
        found = {}
        for name in columns:
            first, *fields = name.split(".")
            found[name] = table.column(first)
            for field in fields:
                found[name] = compute.struct_field(found[name], field)  # pyright: ignore
        return found


def text_bytes(values: Any) -> int:
    """Return how many bytes of text values are once each row has its own."""
    import pyarrow
    import pyarrow.compute as compute

    total = 0
    for chunk in values.chunks if isinstance(values, pyarrow.ChunkedArray) else [values]:
        kind = chunk.type
        if pyarrow.types.is_dictionary(kind) and _is_text(kind.value_type):
            lengths = compute.take(compute.binary_length(chunk.dictionary), chunk.indices)  # pyright: ignore
            total += compute.sum(compute.cast(lengths, "int64")).as_py() or 0  # pyright: ignore
        elif pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
            total += text_bytes(chunk.flatten())
        elif _is_text(kind):
            total += chunk.nbytes
    return total


def _is_text(kind: Any) -> bool:
    import pyarrow

    checks = pyarrow.types.is_string, pyarrow.types.is_large_string, pyarrow.types.is_binary
    return any(check(kind) for check in (*checks, pyarrow.types.is_large_binary))
