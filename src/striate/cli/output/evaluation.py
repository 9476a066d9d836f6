"""What `striate evaluate` prints: figures with their intervals, class by class, and what is behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from striate.cli.output.console import print_accuracy, stdout
from striate.units import percent

if TYPE_CHECKING:
    from rich.console import Console

    from striate.evaluation.examination import Examination
    from striate.metrics.evaluation import Evaluation

SHOWN_MISTAKES, JSON_MISTAKES = 10, 100


def evaluation_json(evaluation: Evaluation, found: Examination) -> dict[str, Any]:
    """Return what a program may rely on."""
    mistakes = [one.to_json() for one in found.mistakes[:JSON_MISTAKES]]
    return evaluation.to_json() | {"mistakes": mistakes, "slices": found.slices.to_json()}


def print_evaluation(evaluation: Evaluation, found: Examination) -> None:
    """Print it for people."""
    console = stdout()
    print_accuracy(console, evaluation, by_class=False)
    _print_classes(console, evaluation)
    _print_figures(console, evaluation)
    _print_mistakes(console, found)
    print_line(console, found.slices.sentence)
    for one in found.slices.worse:
        print_line(console, f"  {one.sentence}")


def print_line(console: Console, text: str) -> None:
    """Print a line as it is: unbroken, so that programs and people can search for it."""
    console.print(text, soft_wrap=True, markup=False)


def _print_classes(console: Console, evaluation: Evaluation) -> None:
    interval = "95 % interval"
    table = Table("class", "correct", "accuracy", interval, "precision", interval, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in evaluation.per_class():
        if row["total"]:
            recall, precision = (_between(row[key]) for key in ("interval", "precision_interval"))
            counts = f"{row['correct']} / {row['total']}"
            table.add_row(row["class"], counts, percent(row["accuracy"]), recall, percent(row["precision"]), precision)
    console.print(table, markup=False)


def _between(interval: list[float] | None) -> str:
    return f"{percent(interval[0])} to {percent(interval[1])}" if interval else "–"


def _print_figures(console: Console, evaluation: Evaluation) -> None:
    shares = [
        ("balanced accuracy", evaluation.balanced_accuracy, evaluation.balanced_interval),
        ("macro F1", evaluation.macro_f1, evaluation.macro_f1_interval),
    ]
    if top := evaluation.top_k:
        shares.append((f"top-{top.k} accuracy", top.share, top.interval))
    told = (f"{name} {percent(of)} ({100 * low:.2f} to {100 * high:.2f})" for name, of, (low, high) in shares)
    print_line(console, ", ".join(told))
    losses = (
        ("log loss", evaluation.log_loss, evaluation.log_loss_interval),
        ("Brier score", evaluation.brier, evaluation.brier_interval),
    )
    if evaluation.reliability:
        told = [
            f"{name} {of:.4f}" + (f" ({both[0]:.4f} to {both[1]:.4f})" if both else "") for name, of, both in losses
        ]
        print_line(console, ", ".join(told))
        print_line(console, evaluation.reliability.sentence)


def _print_mistakes(console: Console, found: Examination) -> None:
    count = len(found.mistakes)
    if not count:
        return
    shown = found.mistakes[:SHOWN_MISTAKES]
    print_line(
        console,
        "the mistake:" if count == 1 else f"the worst of {count:,} mistakes:" if count > len(shown) else "mistakes:",
    )
    for one in shown:
        print_line(console, f"  {one.sentence}")
