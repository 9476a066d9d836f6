"""How far work is, where one is: a table that is kept up to date in a notebook, lines elsewhere."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any, TextIO

from striate.notebook.tables import html_table
from striate.observer import Observer, StepReport
from striate.units import percent, say_bytes

# Between two updates of a live table, and two plain lines of progress.
LIVE_S, LINE_S = 0.25, 10.0
_MOST_SAID, _MOST_ROWS = 12, 15


def show_progress(stream: TextIO | None = None) -> Observer:
    """Return an observer that shows how far work is: a live table in a notebook, a line now and then elsewhere.

    Arguments:
        stream: where lines go; None is standard error.

    >>> show_progress(sys.stdout).warn("one class has a single image")
    warning: one class has a single image
    """
    return NotebookProgress() if stream is None and in_notebook() else TextProgress(stream)


def default_observer() -> Observer:
    """Return what hears of work that nobody named an observer for: a live table in a notebook, nobody elsewhere."""
    return NotebookProgress() if in_notebook() else Observer()


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class TextProgress(Observer):
    """Prints sentences, epochs and rungs as lines, and how far the rest is at most every ten seconds.

    Arguments:
        stream: None is standard error, as it is when something is printed.
    """

    def __init__(self, stream: TextIO | None = None):
        self._stream = stream
        self._last_s = time.monotonic()

    def note(self, text: str) -> None:
        """Print a sentence."""
        self._print(text)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self._print(f"warning: {text}")

    def prepare(self, what: str, done: int, total: int) -> None:
        """Print how far reading or predicting is, if nothing was printed for a while."""
        if time.monotonic() - self._last_s >= LINE_S:
            self._print(_how_far(what, done, total))

    def step(self, report: StepReport) -> None:
        """Print how far training is, if nothing was printed for a while."""
        if time.monotonic() - self._last_s >= LINE_S:
            self._print(_step_said(report))

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Print an epoch's figures."""
        self._print(
            f"epoch {record['epoch']}: "
            + ", ".join(
                f"{name} {value}" for name, value in zip(_EPOCH[1:], _epoch_row(record)[1:], strict=True) if value
            )
        )

    def rung(self, result: Any) -> None:
        """Print what a rung of the ladder came to."""
        self._print(", ".join(str(cell) for cell in _rung_row(result) if cell))

    def _print(self, text: str) -> None:
        print(text, file=self._stream or sys.stderr, flush=True)
        self._last_s = time.monotonic()


class NotebookProgress(Observer):
    """Keeps one table in the output of a notebook's cell up to date, at most four times a second."""

    def __init__(self):
        self._said: list[str] = []
        self._rows: list[tuple[Any, ...]] = []
        self._headings: tuple[str, ...] = ()
        self._now, self._last_s, self._handle = "", 0.0, None
        self._climbing = False

    def note(self, text: str) -> None:
        """Add a sentence."""
        self._said.append(text)
        self._update(now=True)

    def warn(self, text: str) -> None:
        """Add a warning."""
        self.note(f"⚠ {text}")

    def prepare(self, what: str, done: int, total: int) -> None:
        """Show how far reading or predicting is; what is done is told no longer."""
        over = bool(total) and done >= total
        self._now = "" if over else _how_far(what, done, total)
        self._update(now=over)

    def step(self, report: StepReport) -> None:
        """Show how far training is."""
        self._now = _step_said(report)
        self._update()

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Add an epoch, unless it is one of a rung's."""
        if not self._climbing:
            self._add(_EPOCH, (*_epoch_row(record), "best so far" if better else ""))

    def rung(self, result: Any) -> None:
        """Add a rung of the ladder."""
        if not self._climbing:
            self._climbing, self._rows = True, []
        self._add(_RUNG, _rung_row(result))

    def _add(self, headings: tuple[str, ...], row: tuple[Any, ...]) -> None:
        self._headings, self._now = headings, ""
        self._rows.append((row[0], *map(_unbroken, row[1:])))
        self._update(now=True)

    def html(self) -> str:
        """Return the table as it is now."""
        left_out = len(self._rows) - _MOST_ROWS
        earlier = [f"{left_out} earlier lines are not shown"] if left_out > 0 else []
        headings = (*self._headings, "")[: len(self._rows[-1])] if self._rows else ()
        return html_table(self._now, headings, self._rows[-_MOST_ROWS:], earlier + self._said[-_MOST_SAID:])

    def _update(self, now: bool = False) -> None:
        if not now and time.monotonic() - self._last_s < LIVE_S:
            return
        self._last_s = time.monotonic()
        display: Any = importlib.import_module("IPython.display")
        if self._handle is None:
            self._handle = display.display(display.HTML(self.html()), display_id=True)
        else:
            self._handle.update(display.HTML(self.html()))


_EPOCH = ("epoch", "loss", "train", "validation", "images/s", "seconds")
_RUNG = ("rung", "validation", "95 % interval", "seconds", "size")


def _how_far(what: str, done: int, total: int) -> str:
    return f"{what} {done:,}" + (f" / {total:,}" if total else "")


def _step_said(report: StepReport) -> str:
    return (
        f"epoch {report.epoch}/{report.epochs}, step {report.step}/{report.steps}: loss {report.loss:.3f}, "
        f"accuracy {percent(report.accuracy, 1)}, {report.images_per_s:,.0f} images/s"
    )


def _epoch_row(record: dict[str, Any]) -> tuple[Any, ...]:
    valid = record.get("valid_accuracy")
    return (
        record["epoch"], f"{record['train_loss']:.3f}", percent(record['train_accuracy']),
        "" if valid is None else percent(valid), f"{record['images_per_s']:,.0f}", f"{record['seconds']:.1f}",
    )  # fmt: skip


def _rung_row(result: Any) -> tuple[Any, ...]:
    """Return a rung that was climbed, was tried out, or was not climbed and why."""
    if (valid := getattr(result, "valid", None)) is not None:
        low, high = valid.interval
        span = "; ".join(filter(None, [f"{100 * low:.1f} to {percent(high, 1)}", valid.uneven_line()]))
        return result.name, percent(valid.accuracy), span, f"{result.fit_s:.1f} s", say_bytes(result.size_bytes)
    if callable(line := getattr(result, "line", None)):
        return str(line()), "", "", "", ""
    return result.name, f"not climbed: {result.reason}", "", "", ""


def _unbroken(cell: Any) -> Any:
    """Return a figure that no narrow column breaks: what is long in such a table is the first cell."""
    return cell.replace(" ", "\u00a0") if isinstance(cell, str) and any(map(str.isdigit, cell)) else cell
