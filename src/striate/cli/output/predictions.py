"""What `striate predict` prints: a table of answers, what could not be read, and what became of the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from striate.classifier.bulk.answers import Answer, Unread
from striate.classifier.prediction import Prediction
from striate.cli.output.console import stdout
from striate.data.lineup import Lineup
from striate.errors import DataError, on_one_line
from striate.units import percent

if TYPE_CHECKING:
    from rich.console import Console

    from striate.classifier.bulk.predicting import Outcome

NONE = "none of these"
UNCALIBRATED = "probabilities as the model gives them, mostly too sure: no validation images have calibrated them"
# So many of the images that could not be read are named beside a file that has them all.
_NAMED = 20


class Heard:
    """What is kept of the answers for the screen: the first ones, or all of them, and those that could not be read.

    Arguments:
        most: how many are kept; None: all.
    """

    def __init__(self, most: int | None):
        self._most = most
        self.predictions: list[Prediction] = []
        self.unread: list[Unread] = []
        self.predicted = 0

    def hear(self, answers: Sequence[Answer]) -> None:
        """Hear some answers."""
        for one in answers:
            if isinstance(one, Unread):
                self.unread.append(one)
                continue
            self.predicted += 1
            if self._most is None or len(self.predictions) < self._most:
                self.predictions.append(one)

    def print_skipped(self, console: Console, lineup: Lineup) -> bool:
        """Name what was skipped; return whether nothing was.

        Raises:
            DataError: no image at all could be read.
        """
        if not self.predicted:
            first = "; ".join(f"{one.image}: {one.why}" for one in self.unread[:3])
            raise DataError(f"none of the {len(lineup):,} images of {lineup.source} can be decoded. {first}")
        skipped = [*self.unread, *(Unread(entry.name, entry.detail) for entry in lineup.aside)]
        for one in skipped:
            console.print(f"skipped {on_one_line(one.image)}: {one.why}", style="yellow", markup=False)
        return not skipped


def print_outcome(console: Console, outcome: Outcome, path: Path | None, lineup: Lineup) -> bool:
    """Say what became of a file, with the first images that could not be read; return whether all is well."""
    skipped = [*outcome.refused, *(Unread(entry.name, entry.detail) for entry in lineup.aside)]
    for one in skipped[:_NAMED]:
        console.print(f"skipped {on_one_line(one.image)}: {one.why}", style="yellow", markup=False)
    more = outcome.unread + len(lineup.aside) - len(skipped[:_NAMED])
    if more > 0:
        where = "the column error names them" if outcome.unread else "they are no images"
        console.print(f"… and {more:,} more skipped; {where}", style="yellow", markup=False)
    if outcome.stopped:
        console.print(
            f"stopped: {outcome.rows:,} of {len(lineup):,} rows are in {outcome.journal}; the same command goes on",
            markup=False,
        )
        return False
    wrong = f", {outcome.unread:,} of them of images that cannot be read" if outcome.unread else ""
    kind = "row" if wrong else "prediction"
    said = f"{outcome.rows:,} {kind}{'s' * (outcome.rows != 1)}{wrong}{',' * bool(wrong)}"
    console.print(f"{said} written to {path}", markup=False)
    return not (outcome.unread or lineup.aside)


def print_heard(heard: Heard, top: int) -> None:
    """Print the first predictions as a table, and how many more there are."""
    from rich.table import Table
    from rich.text import Text

    console, predictions = stdout(), heard.predictions
    asked = [name for name in ("sure", "set") if any(getattr(one, name) is not None for one in predictions)]
    table = Table("image", "class", "probability", *asked, *(["next"] if top > 1 else []), box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for prediction in predictions:
        rest = ", ".join(f"{name} {percent(p)}" for name, p in prediction.top(top)[1:])
        cells = [prediction.image, prediction.label, percent(prediction.probability)]
        if prediction.known is False:
            # Its probability is one among the classes, and says nothing of there being none.
            first = f"{prediction.label} {percent(prediction.probability)}"
            cells[1:], rest = [NONE, "–"], f"else {first}" + (f", {rest}" if rest else "")
        cells += [_told(getattr(prediction, name)) for name in asked] + ([rest] if top > 1 else [])
        table.add_row(*(Text(on_one_line(cell), overflow="fold") for cell in cells))
    console.print(table)
    if heard.predicted > len(predictions):
        console.print(f"… and {heard.predicted - len(predictions):,} more; --csv FILE or --json gives all of them")


def _told(value: bool | tuple[str, ...] | None) -> str:
    """Return what a cell of the table says: yes, no or the classes of a set."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value is None else "yes" if value else "no"
