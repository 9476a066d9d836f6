"""A finding: one kind of thing that is wrong with images, which ones, and what it does to the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from striate.notebook.tables import html_table

Severity = Literal["serious", "warning", "note"]
Kind = Literal[
    "unreadable", "exact-copies", "near-copies", "leak", "conflicting-labels", "wrong-labels", "odd-one-out", "blank",
    "dark", "bright", "blurred", "low-detail", "enlarged", "tiny", "odd-aspect", "small-class", "imbalance", "shift",
    "shortcut", "mixed-channels", "mixed-formats", "untrainable", "unlabelled", "unused",
]  # fmt: skip
SEVERITIES: tuple[str, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True)
class Mark:
    """One image of a finding.

    Arguments:
        image: its name, relative to the source.
        detail: what was found on it.
        leave_out: whether a training is better off without it.
        likely: the class that it probably is, where that is known.
        group: the number of its group within the finding, from 1; 0 where there are no groups.
    """

    image: str
    detail: str = ""
    leave_out: bool = False
    likely: str = ""
    group: int = 0


@dataclass(frozen=True)
class Finding:
    """One kind of thing that is wrong.

    Arguments:
        kind: what it is, by a name that programs may rely on.
        severity: serious (the answer cannot be believed), warning (it is worse or less sure than it could be), note.
        title: what was found, in one line.
        effect: what that does to the answer.
        advice: what to do about it.
        marks: the images, those that matter most first.
        weight: how many percent of what is judged or learned from it touches: findings of one severity are ranked by
            it.
        figures: numbers that programs may want, by name.
    """

    kind: Kind
    severity: Severity
    title: str
    effect: str
    advice: str
    marks: tuple[Mark, ...] = ()
    weight: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        rows = [(mark.image, mark.detail, mark.likely, "yes" if mark.leave_out else "") for mark in self.marks]
        notes = [f"What it does: {self.effect}.", f"What to do: {self.advice}"]
        return html_table(f"{self.severity}: {self.title}", ("image", "what", "likely", "leave out"), rows, notes)

    @property
    def images(self) -> tuple[str, ...]:
        """The names of the images, those that matter most first, each once."""
        return tuple(dict.fromkeys(mark.image for mark in self.marks))

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The names of the images that belong together, group by group; none where the finding has no groups."""
        found: dict[int, list[str]] = {}
        for mark in self.marks:
            if mark.group:
                found.setdefault(mark.group, []).append(mark.image)
        return tuple(map(tuple, found.values()))

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `groups` for copies only."""
        told: dict[str, Any] = {
            "kind": self.kind, "severity": self.severity, "title": self.title, "effect": self.effect,
            "advice": self.advice, "count": len(self.images), "images": list(self.images),
        }  # fmt: skip
        if self.groups:
            told["groups"] = [list(group) for group in self.groups]
        if likely := {mark.image: mark.likely for mark in self.marks if mark.likely}:
            told["likely"] = likely
        return told | dict(self.figures)


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by what they do to the answer: the serious ones first, those that touch most before others."""
    return tuple(sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), -one.weight, one.kind, one.title)))


def counted(count: int, singular: str = "image", plural: str = "") -> str:
    """Return a number with its noun.

    >>> counted(1), counted(1200), counted(2, "class", "classes")
    ('1 image', '1,200 images', '2 classes')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def is_or_are(count: int) -> str:
    """Return the verb that fits a number."""
    return "is" if count == 1 else "are"


def points(share: float) -> str:
    """Return a share in [0, 1] as percentage points.

    >>> points(0.031), points(0.0002)
    ('3.1 points', 'less than 0.1 points')
    """
    return f"{100 * share:.1f} points" if share >= 0.001 else "less than 0.1 points"
