"""What `striate train` shows while it works: a line an epoch of one net, or on the ladder a line a rung."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from striate.cli.output.training import TrainingView
from striate.metrics.by_class import Metric
from striate.observer import StepReport
from striate.selection.ladder.forecast import Probe
from striate.selection.ladder.results import Result, Skipped
from striate.units import percent, say_bytes


class TrainView(TrainingView):
    """Prints a line an epoch; once the ladder is climbed a line a rung, and the epochs only in the live line.

    Arguments:
        metric: what the ladder chooses by, for the mark of the best so far.
    """

    def __init__(self, console: Console, metric: Metric = "accuracy"):
        super().__init__(console)
        self.metric: Metric = metric
        self._climbing, self._best = False, 0.0

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Print the epoch's figures, unless it is one of a rung."""
        if not self._climbing:
            super().epoch(record, better)

    def step(self, report: StepReport) -> None:
        """Show how far the net is."""
        if not self._climbing:
            super().step(report)
            return
        done, total = (report.epoch - 1) * report.steps + report.step, report.epochs * report.steps
        of = f"/{report.epochs}" if report.epoch <= report.epochs else ""  # the clock may leave time for more
        text = f"epoch {report.epoch}{of} training accuracy {percent(report.accuracy)}"
        self._line.show("training", done, total, f"{text} {report.images_per_s:,.0f} images/s")

    def rung(self, result: Result | Skipped | Probe) -> None:
        """Print what a rung came to."""
        self._climbing = True
        if not self._headed:
            by_class = f"{'balanced':>10}{'macro F1':>10}" if isinstance(result, Result) and result.valid.uneven else ""
            header = f"{'':<12}{'validation':>12}  {'95 % interval':<18}{by_class}"
            header += f"{'seconds':>9}{'size':>11}{'ms/image':>11}  (* best so far)"
            self.console.print(header, style="bold", markup=False)
            self._headed = True
        if isinstance(result, Probe):
            self.console.print(result.line(), style="dim", markup=False)
            return
        if isinstance(result, Skipped):
            self.console.print(f"{result.name:<12}not climbed: {result.reason}", style="dim", markup=False)
            return
        low, high = (100 * end for end in result.valid.interval)
        valid = result.valid
        better = valid.score(self.metric) > self._best
        self._best = max(self._best, valid.score(self.metric))
        by_class = f"{percent(valid.balanced_accuracy):>10}{percent(valid.macro_f1):>10}" if valid.uneven else ""
        self.console.print(
            f"{result.name:<12}{percent(valid.accuracy):>10} {'*' if better else ' '}  "
            f"{f'{low:.1f} to {high:.1f} %':<18}{by_class}{result.fit_s:>9.1f}{say_bytes(result.size_bytes):>11}"
            f"{result.image_ms:>11.2f}",
            markup=False,
        )
        self._line.rest()
