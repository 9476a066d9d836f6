"""A checkup: what was found in a source, as one value for the command, the page and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from striate.checks.doubtful import Wanted, wanted_json
from striate.checks.examined import JUDGING
from striate.checks.finding import SEVERITIES, Finding, counted
from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.data.ledger import Ledger
from striate.notebook.tables import html_table


@dataclass(frozen=True, eq=False)
class Checkup:
    """What is wrong with a source.

    Arguments:
        source: what the user gave.
        findings: those that matter most first.
        catalog: what was found.
        images: those that can be read, prepared, with their groups; None where none can.
        files: sizes, channels and formats of the files, as plain values.
        ledger: what became of every file.
        wanted: unlabelled images to label first, of those in `pool`.
        pool: the unlabelled images, prepared; None where nobody asked.
        notes: what a user should be told beside.
    """

    source: str
    findings: tuple[Finding, ...]
    catalog: Catalog
    images: ImageSet | None
    files: Mapping[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    wanted: tuple[Wanted, ...] = ()
    pool: ImageSet | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Checkup of {self.source}: {self.sentence}>"

    def _repr_html_(self) -> str:
        rows = [(one.severity, one.kind, one.title, len(one.images) or None) for one in self.findings]
        headings = ("severity", "kind", "what", "images")
        return html_table(f"{self.source}: {self.sentence}", headings, rows, self.notes)

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Return the findings of one kind."""
        return tuple(one for one in self.findings if one.kind == kind)

    @property
    def left_out(self) -> frozenset[str]:
        """The images that a training with the table of findings does without: none that the source judges by."""
        return frozenset(mark.image for one in self.findings for mark in one.marks if mark.leave_out) - self.judging

    @property
    def judging(self) -> frozenset[str]:
        """The images that the source itself judges by, validation and test: no table leaves them out."""
        judges = zip(self.catalog.names, self.catalog.splits, strict=True)
        return frozenset(str(name) for name, part in judges if part in JUDGING)

    @property
    def serious(self) -> bool:
        """Whether anything was found that makes the answer unbelievable."""
        return any(one.severity == "serious" for one in self.findings)

    @property
    def sentence(self) -> str:
        """What was found, in one line."""
        counts = {name: sum(one.severity == name for one in self.findings) for name in SEVERITIES}
        if not self.findings:
            return f"nothing is wrong with {counted(len(self.catalog))}, as far as was looked"
        told = (
            f"{counts['serious']} serious, {counted(counts['warning'], 'warning')}, {counted(counts['note'], 'note')}"
        )
        return f"{told} on {counted(len(self.catalog))}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values that programs may rely on."""
        told = {
            "source": self.source,
            "images": len(self.catalog),
            "classes": self.catalog.class_counts(),
            "serious": self.serious,
            "findings": [one.to_json() for one in self.findings],
            "files": dict(self.files),
            "ledger": self.ledger.summary(),
            "notes": list(self.notes),
        }
        return told | ({"to_label": wanted_json(self.wanted)} if self.pool is not None else {})
