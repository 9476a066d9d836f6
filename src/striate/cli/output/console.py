"""What the commands print: progress and words to stderr, results to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from striate.units import percent

if TYPE_CHECKING:
    from rich.console import Console

    from striate.metrics.evaluation import Evaluation
    from striate.observer import Progress


def stderr(*, quiet: bool = False) -> Console:
    """Return the console for words and progress; a quiet one says nothing."""
    from striate.cli.output.visible_console import VisibleConsole

    return VisibleConsole(stderr=True, highlight=False, soft_wrap=True, quiet=quiet)


def stdout() -> Console:
    """Return the console for results."""
    from striate.cli.output.visible_console import VisibleConsole

    # What is piped is for programs and files: no line is broken to fit a screen.
    return VisibleConsole(highlight=False, width=None if sys.stdout.isatty() else 10_000)


def print_json(value: Any) -> None:
    """Print a result for programs."""
    print(json.dumps(value, indent=1, ensure_ascii=not (sys.stdout.encoding or "").lower().startswith("utf")))


def print_accuracy(console: Console, evaluation: Evaluation, name: str = "test", *, by_class: bool = True) -> None:
    """Print the published line and its interval, unbroken: programs and people search for it.

    Arguments:
        by_class: whether figures by class follow where classes are uneven; not where they come with their intervals.
    """
    low, high = evaluation.interval
    interval = f"95 % interval {100 * low:.2f} to {percent(high)}{evaluation.counted}"
    console.print(f"{evaluation.line(name)}  {interval}", soft_wrap=True)
    if by_class and evaluation.uneven:
        console.print(f"  {evaluation.uneven_line()}", soft_wrap=True)
    if evaluation.alone:
        console.print(f"  {evaluation.views_line()}", soft_wrap=True)
    if evaluation.near_copies:
        console.print(f"  {evaluation.near_copies_line()}", soft_wrap=True)


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Yield a progress function that shows how far reading, preparing and predicting are."""
    from striate.cli.output.live import LiveLine

    with LiveLine(console) as line:
        yield line.show
