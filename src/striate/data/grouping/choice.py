"""What the user says of groups: none, auto, folder, a column of the table, or a pattern on names."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from striate.errors import ArgumentError


@dataclass(frozen=True)
class GroupBy:
    """How images are grouped: the kind of way, and the column or the pattern where there is one."""

    kind: Literal["none", "auto", "folder", "column", "pattern"]
    value: str = ""

    def __str__(self) -> str:
        return {"column": f"column {self.value}", "pattern": f"pattern {self.value}"}.get(self.kind, self.kind)


def parse_groups(text: str | None, columns: Collection[str] = ()) -> GroupBy:
    r"""Return what `--groups` says; nothing is auto.

    Arguments:
        text: none, auto, folder (that holds the image), a column, or a regular expression searched for in names, whose
            first parentheses hold the key.
        columns: those that the table has; none where the source is no table.

    Raises:
        ArgumentError: no such column, an expression that is none, or one without parentheses.

    >>> parse_groups(None).kind, parse_groups("patient", ["file", "patient"]).kind, parse_groups(r"(\d+)_").kind
    ('auto', 'column', 'pattern')
    """
    text = "auto" if text is None else text
    if text in columns:
        return GroupBy("column", text)
    if text in ("none", "auto", "folder"):
        return GroupBy(text)
    told = f"the table's columns are {', '.join(columns)}" if columns else "the source is no table with columns"
    ways = "Give none, auto, folder, a column, or a pattern such as '([^_/]+)_[0-9]+' whose parentheses hold the key"
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ArgumentError(f"--groups {text!r} is no regular expression ({error}), and {told}. {ways}") from None
    if not pattern.groups:
        raise ArgumentError(f"--groups {text!r} has no parentheses to hold a key, and {told}. {ways}")
    return GroupBy("pattern", text)
