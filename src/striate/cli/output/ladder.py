"""What `striate train` shows while it climbs the ladder: a live line, and a line of the table a rung."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from striate.cli.output.console import percent
from striate.cli.output.training import TrainingView
from striate.observer import StepReport
from striate.selection.ladder.climb import Result, Skipped
from striate.selection.ladder.ladder import LadderObserver
from striate.units import say_bytes


class LadderView(TrainingView, LadderObserver):
    """Prints a line a rung, above a live line if it is a terminal; a net's epochs are only in that."""

    def __init__(self, console: Console):
        super().__init__(console)
        self._best = 0.0

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Leave it to the live line."""

    def step(self, report: StepReport) -> None:
        """Show how far the net of this rung is."""
        done, total = (report.epoch - 1) * report.steps + report.step, report.epochs * report.steps
        text = f"epoch {report.epoch}/{report.epochs} accuracy {percent(report.accuracy)}"
        self._line.show("training", done, total, f"{text} {report.images_per_s:,.0f} images/s")

    def rung(self, result: Result | Skipped) -> None:
        """Print what a rung came to."""
        if not self._headed:
            header = f"{'':<12}{'validation':>12}  {'95 % interval':<18}{'seconds':>9}{'size':>11}{'ms/image':>11}"
            self.console.print(header, style="bold", markup=False)
            self._headed = True
        if isinstance(result, Skipped):
            self.console.print(f"{result.name:<12}not climbed: {result.reason}", style="dim", markup=False)
            return
        low, high = (100 * end for end in result.valid.interval)
        better = result.valid.accuracy > self._best
        self._best = max(self._best, result.valid.accuracy)
        self.console.print(
            f"{result.name:<12}{percent(result.valid.accuracy):>10} {'*' if better else ' '}  "
            f"{f'{low:.1f} to {high:.1f} %':<18}{result.fit_s:>9.1f}{say_bytes(result.size_bytes):>11}"
            f"{result.image_ms:>11.2f}",
            markup=False,
        )
        self._line.rest()
