"""What the commands print: progress and words to stderr, results to stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from striate.progress import Progress


def stderr() -> Console:
    """Return the console for words and progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def stdout() -> Console:
    """Return the console for results."""
    from rich.console import Console

    # What is piped is for programs and files: no line is broken to fit a screen.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)


def print_json(value: Any) -> None:
    """Print a result for programs."""
    print(json.dumps(value, indent=1, ensure_ascii=not (sys.stdout.encoding or "").lower().startswith("utf")))


def percent(share: float | None) -> str:
    """Return a share as text: 98.61 %, or a dash where there is none."""
    return "–" if share is None else f"{share:.2%}".replace("%", " %")


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """Yield a progress function: a bar on a terminal, a line every five seconds elsewhere."""
    if not console.is_terminal:
        yield _Lines(console).report
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total or None)
            bar.update(tasks[what], completed=done, total=total or None)

        yield report


class _Lines:
    """Progress as plain lines, none for work that ends within the first seconds."""

    def __init__(self, console: Console, every_s: float = 5.0):
        self.console, self.every_s, self.last = console, every_s, time.monotonic()

    def report(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.last >= self.every_s:
            self.last = now
            self.console.print(f"{what} {done:,}" + (f" / {total:,}" if total else ""))
