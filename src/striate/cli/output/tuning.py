"""What `striate tune` shows while it works: a live line on a terminal, and a line a trial."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console

from striate.cli.output.training import TrainingView
from striate.metrics.by_class import metric_words
from striate.observer import StepReport
from striate.selection.tuning.study import Trial
from striate.selection.tuning.worker import TuningObserver
from striate.units import percent


class TuningView(TrainingView, TuningObserver):
    """Prints trials to a console, above a live line if it is a terminal."""

    def __init__(self, console: Console):
        super().__init__(console)
        self._trial, self._best, self._end_s = "", "", 0.0

    def __enter__(self) -> TuningView:
        super().__enter__()
        return self

    def trial_starts(self, number: int, net: str, epochs: int, seconds_left: float | None) -> None:
        """Show which trial starts."""
        self._trial = f"trial {number}"
        self._end_s = 0.0 if seconds_left is None else time.monotonic() + seconds_left
        self._line.show(self._trial, 0, epochs, self._trial + self._best)

    def step(self, report: StepReport) -> None:
        """Show where the trial is, the best so far and the time left."""
        left = f" · {max(0.0, self._end_s - time.monotonic()):.0f} s left" if self._end_s else ""
        text = f"{self._trial}: epoch {report.epoch}/{report.epochs}, {percent(report.accuracy)} in training"
        done = (report.epoch - 1) * report.steps + report.step
        self._line.show(self._trial, done, report.epochs * report.steps, text + self._best + left)

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Keep still: a study has too many epochs to print."""

    def trial_ends(self, trial: Trial, best: Trial | None) -> None:
        """Print the trial's figures, below a header if they are the first; nothing of what was refused unseen."""
        if trial.state == "refused":
            return
        name = "validation" if trial.metric == "accuracy" else metric_words(trial.metric)
        if not self._headed:
            header = f"trial  {name:>10}    seconds  what  (* best so far)"
            self.console.print(header, style="bold", markup=False)
            self._headed = True
        if best is not None:
            self._best = f" · best {percent(best.score)}"
        mark = "*" if best is not None and best.number == trial.number else " "
        shown = percent(trial.score) if trial.score is not None else trial.state
        why = f": {trial.why}" if trial.why else ""
        self.console.print(
            f"{trial.number:>5}  {shown:>{max(10, len(name))}} {mark}  {trial.seconds:>7.1f}  {trial.what}, {trial.how}"
            f", {len(trial.accuracies)} epochs{why}",
            style=None if trial.score is not None else "dim", markup=False,
        )  # fmt: skip
        self._line.rest()
