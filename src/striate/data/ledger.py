"""The ledger: what became of every file that a source holds. Nothing is dropped in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from striate.notebook.tables import html_table
from striate.system.cells import table_text
from striate.system.files import write_atomically

Status = Literal["used", "repaired", "skipped"]

# How the line of a table of images begins, which goes on with what it was taken for.
TABLE_TOLD = "set aside as the table: "
NO_LABELS = "no column of labels among "


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a file's name within its source, its status, and how it was repaired or why it was skipped."""

    name: str
    status: Status
    detail: str = ""


class Ledger:
    """Every file of a source, in order, each with one `Entry`. A value: changes make a new ledger.

    >>> ledger = Ledger([Entry("a.png", "used"), Entry("b.png", "skipped", "empty file")])
    >>> print(ledger.summary())
    2 files: 1 used, 1 skipped (empty file: 1)
    """

    def __init__(self, entries: Iterable[Entry] = ()):
        self._entries = {entry.name: entry for entry in entries}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __repr__(self) -> str:
        return f"<Ledger of {self.summary()}>"

    def _repr_html_(self) -> str:
        told = [(entry.name, entry.status, entry.detail) for entry in self if entry.status != "used"]
        return html_table(self.summary(), ("file", "what", "why"), told)

    def revised(self, entries: Iterable[Entry]) -> Ledger:
        """Return a ledger in which `entries` replace those of the same name and new names are added at the end."""
        return Ledger([*self, *entries])

    def count(self, status: Status) -> int:
        """Return how many files have this status."""
        return sum(entry.status == status for entry in self)

    @property
    def skipped_share(self) -> float:
        """Share of skipped files, in [0, 1]; files set aside as not meant to be images do not count."""
        counted = [entry for entry in self if not entry.detail.startswith("set aside")]
        return sum(entry.status == "skipped" for entry in counted) / max(1, len(counted))

    def reasons(self, status: Status) -> Counter[str]:
        """Return how often each reason was given; what follows a colon is one file's own and is left out."""
        return Counter(entry.detail.split(":")[0] for entry in self if entry.status == status)

    def summary(self) -> str:
        """Return one line of counts with the most frequent reasons."""
        parts = [f"{self.count('used'):,} used"]
        for status in ("repaired", "skipped"):
            if count := self.count(status):
                reasons = ", ".join(f"{why}: {n:,}" for why, n in self.reasons(status).most_common(4))
                parts.append(f"{count:,} {status} ({reasons})")
        return f"{len(self):,} file{'s' if len(self) != 1 else ''}: {', '.join(parts)}"

    def write_csv(self, path: str | Path) -> None:
        """Write the ledger as CSV with the columns name, status, detail (UTF-8)."""
        rows = [("name", "status", "detail"), *((entry.name, entry.status, entry.detail) for entry in self)]
        write_atomically(path, table_text(rows))
