"""What `striate train` shows while it works: a live line on a terminal, and a line an epoch."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from striate.cli.output.live import LiveLine
from striate.metrics.by_class import METRICS, Metric, metric_words
from striate.observer import Observer, StepReport
from striate.units import percent


class TrainingView(Observer):
    """Prints notes and epochs to a console, above a live line if it is a terminal."""

    def __init__(self, console: Console):
        self.console = console
        self._line = LiveLine(console)
        self._headed = False

    def __enter__(self) -> TrainingView:
        self._line.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._line.__exit__(*exception)

    def note(self, text: str) -> None:
        """Print a sentence."""
        self.console.print(text, style="dim", markup=False)

    def warn(self, text: str) -> None:
        """Print a sentence that stands out."""
        self.console.print(f"warning: {text}", style="bold yellow", markup=False)

    def prepare(self, what: str, done: int, total: int) -> None:
        """Show how far reading, preparing or predicting is."""
        self._line.show(what, done, total)

    def step(self, report: StepReport) -> None:
        """Show the step: epoch, step, loss, its accuracy, images a second, time left."""
        done = (report.epoch - 1) * report.steps + report.step
        text = (
            f"epoch {report.epoch}/{report.epochs} step {report.step}/{report.steps} loss {report.loss:.3f} "
            f"accuracy {percent(report.accuracy)} {report.images_per_s:,.0f} images/s"
        )
        self._line.show("training", done, report.epochs * report.steps, text)

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Print the epoch's figures, below a header if they are the first."""
        judged, chooses = record["valid_accuracy"] is not None, _chosen_by(record)
        if not self._headed:
            valid = f"  validation{''.join(f'{metric_words(name):>19}' for name in chooses)}" if judged else ""
            header = f"epoch  {'loss':>7}  {'train':>9}{valid}  {'images/s':>10}  seconds"
            self.console.print(header + ("  (* best so far)" if judged else ""), style="bold", markup=False)
            self._headed = True
        valid = f"  {percent(record['valid_accuracy']):>8} {'*' if better else ' '}" if judged else ""
        valid += "".join(f"{percent(value):>19}" for value in chooses.values())
        self.console.print(
            f"{record['epoch']:>5}  {record['train_loss']:>7.3f}  {percent(record['train_accuracy']):>9}{valid}"
            f"  {record['images_per_s']:>10,.0f}  {record['seconds']:>7.1f}",
            markup=False,
        )
        self._line.rest()


def _chosen_by(record: dict[str, Any]) -> dict[Metric, float]:
    """Return the figure that chooses the best epoch, where it is another than the accuracy."""
    others: dict[Metric, Any] = {
        name: record.get(f"valid_{name.replace('-', '_')}") for name in METRICS if name != "accuracy"
    }
    return {name: value for name, value in others.items() if value is not None}
