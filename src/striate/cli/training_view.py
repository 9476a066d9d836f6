"""What `striate train` shows while it works: a live line on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from striate.cli.console import percent
from striate.training.observer import Observer, StepReport


class TrainingView(Observer):
    """Prints notes and epochs to a console, with bars while something runs if it is a terminal."""

    def __init__(self, console: Console):
        self.console = console
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task: Any = None
        self._what = ""
        self._last_line = time.monotonic()

    def __enter__(self) -> TrainingView:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """Print a sentence."""
        self.console.print(text, style="dim", markup=False)

    def warn(self, text: str) -> None:
        """Print a sentence that stands out."""
        self.console.print(f"warning: {text}", style="bold yellow", markup=False)

    def prepare(self, what: str, done: int, total: int) -> None:
        """Show how far reading, preparing or predicting is."""
        self._show(what, done, total, f"{done:,} / {total:,}" if total else f"{done:,}")

    def step(self, report: StepReport) -> None:
        """Show the step: epoch, step, loss, accuracy, images a second, time left."""
        done = (report.epoch - 1) * report.steps + report.step
        text = (
            f"epoch {report.epoch}/{report.epochs} step {report.step}/{report.steps}  loss {report.loss:.3f}  "
            f"accuracy {percent(report.accuracy)}  {report.images_per_s:,.0f} images/s"
        )
        self._show("training", done, report.epochs * report.steps, text)

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Print the epoch's figures."""
        valid = "" if record["valid_accuracy"] is None else f"  validation {percent(record['valid_accuracy'])}"
        self.console.print(
            f"epoch {record['epoch']:>3}  loss {record['train_loss']:.3f}  train {percent(record['train_accuracy'])}"
            f"{valid}{' *' if better else '  '}  {record['images_per_s']:,.0f} images/s  {record['seconds']:.1f} s",
            markup=False,
        )
        self._last_line = time.monotonic()

    def _show(self, what: str, done: int, total: int, text: str) -> None:
        if self.console.is_terminal:
            if what != self._what:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task, self._what = self._bar.add_task(what, total=total or None, text=text), what
            self._bar.update(self._task, completed=done, total=total or None, text=text)
        elif time.monotonic() - self._last_line > 10:
            self._last_line = time.monotonic()
            self.console.print(f"{what}  {text}", markup=False)
