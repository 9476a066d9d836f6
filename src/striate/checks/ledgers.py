"""Files that cannot be read, as findings: the part of the ledger that a user must see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from striate.checks.finding import Finding, Mark, Severity, counted, is_or_are
from striate.data.ledger import Entry, Ledger
from striate.errors import some

SERIOUS_SHARE = 0.05
# How the ledger speaks of what was never meant to be an image, and of images that nobody can use as they are named.
_ASIDE = "set aside"
_UNUSED = (
    "no label", "no class", "several classes", "two labels", "duplicate row", "not named in", "no file name",
    "not an image file type", "a second image", "no image of this key",
)  # fmt: skip


def find_unreadable(ledger: Ledger) -> list[Finding]:
    """Return what cannot be read of a source, and what is left out of it though it may be images."""
    lost = [entry for entry in ledger if entry.status == "skipped" and not entry.detail.startswith(_ASIDE)]
    unused = [entry for entry in lost if entry.detail.startswith(_UNUSED)]
    unreadable = [entry for entry in lost if not entry.detail.startswith(_UNUSED)]
    return [*_unreadable(unreadable, len(ledger)), *_unused(unused)]


def _unreadable(entries: Sequence[Entry], files: int) -> list[Finding]:
    if not entries:
        return []
    share = len(entries) / files
    severity: Severity = "serious" if share >= SERIOUS_SHARE else "warning"
    return [Finding(
        "unreadable", severity, f"{counted(len(entries), 'file')} cannot be read: {_reasons(entries)}",
        "they are not used at all: neither learned from nor judged. If they are of one kind of image more than of "
        "another, what is left is no fair sample", "copy or export them again from where they came from",
        tuple(Mark(entry.name, entry.detail) for entry in entries), 100 * share,
    )]  # fmt: skip


def _unused(entries: Sequence[Entry]) -> list[Finding]:
    if not entries:
        return []
    return [Finding(
        "unused", "note", f"{counted(len(entries), 'file')} {is_or_are(len(entries))} not used: {_reasons(entries)}",
        "nothing is learned from them", "give them a label, or move them away",
        tuple(Mark(entry.name, entry.detail) for entry in entries), 0.0,
    )]  # fmt: skip


def _reasons(entries: Sequence[Entry]) -> str:
    """Return how often each reason was given; what follows a colon is one file's own."""
    found = Counter(entry.detail.split(":")[0] for entry in entries)
    return some([f"{why} ({count:,})" for why, count in found.most_common()], 4)
