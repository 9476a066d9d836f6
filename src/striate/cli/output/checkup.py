"""What `striate check` prints: findings by what they do to the answer, and where to see more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.cli.output.results import quoted
from striate.errors import some, visible
from striate.runs.folder import stem_of

if TYPE_CHECKING:
    from rich.console import Console

    from striate.checks.checkup import Checkup

_STYLES = {"serious": "bold red", "warning": "yellow", "note": "dim"}
_NAMED = 3


def check_folder(source: str, parent: Path = Path("checks")) -> Path:
    """Return a folder `checks/<source>-<number>` that is not there yet: nobody's edited table is written over."""
    stem, number = stem_of(source), 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"


def checkup_json(checkup: Checkup, page: Path, table: Path) -> dict[str, Any]:
    """Return what a program may rely on."""
    return checkup.to_json() | {"page": str(page), "csv": str(table)}


def print_checkup(console: Console, checkup: Checkup, page: Path, table: Path, source: str) -> None:
    """Print it for people: for each finding what, what it does, what to do, and a few names.

    Arguments:
        source: as it is typed, with how it is read.
    """
    from rich.text import Text

    def line(text: str, style: str = "") -> None:
        console.print(Text(visible(text), style=style), soft_wrap=True)

    for finding in checkup.findings:
        head = Text(f"{finding.severity:<8}", style=_STYLES[finding.severity])
        console.print(head.append(f" {visible(finding.title)}", style="bold"), soft_wrap=True)
        line(f"         {finding.effect}")
        line(f"         → {finding.advice}")
        if finding.images:
            line(f"         {some(finding.images, _NAMED)}", "dim")
    if checkup.pool is not None:
        line(f"label these first: {some([one.image for one in checkup.wanted], _NAMED)}")
    line(checkup.sentence)
    line(f"page     {page}")
    line(f"table    {table}")
    if checkup.left_out:
        line("next")
        line(f"  striate train {source} --without {quoted(table)}")
