"""How far something is: one live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

EVERY_S = 10.0  # between two plain lines
BAR_FROM_COLUMNS = 100


class LiveLine:
    """Shows progress on a console.

    Arguments:
        console: a line is kept up to date if it is a terminal; else one is printed every ten seconds.
    """

    def __init__(self, console: Console):
        self.console = console
        words = Column(no_wrap=True, overflow="ellipsis")
        columns: list[ProgressColumn] = [TextColumn("{task.description}", markup=False, table_column=words)]
        if console.width >= BAR_FROM_COLUMNS:
            columns.append(BarColumn(bar_width=20))
        self._progress = Progress(
            *columns, _TimeLeft(), console=console, transient=True, disable=not console.is_terminal
        )
        self._task: Any = None
        self._what = ""
        self._last_s = time.monotonic()

    def __enter__(self) -> LiveLine:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int, text: str = "") -> None:
        """Show that `done` of `total` are done; a total of 0 is unknown.

        Arguments:
            what: what is going on; when it changes, the time left is estimated afresh.
            text: what to show instead of `what` and the counts.
        """
        text = text or f"{what} {done:,}" + (f" / {total:,}" if total else "")
        if self.console.is_terminal:
            if what != self._what:
                if self._task is not None:
                    self._progress.remove_task(self._task)
                self._task, self._what = self._progress.add_task(text, total=total or None), what
            self._progress.update(self._task, description=text, completed=done, total=total or None)
        elif time.monotonic() - self._last_s >= EVERY_S:
            self.rest()
            self.console.print(text, markup=False)

    def rest(self) -> None:
        """Wait with the next plain line: something else was just printed."""
        self._last_s = time.monotonic()


class _TimeLeft(ProgressColumn):
    """The estimated time left, as 1:23; empty until there is an estimate."""

    max_refresh = 0.5

    def __init__(self):
        super().__init__(Column(no_wrap=True, min_width=len("0:00 left")))

    def render(self, task: Task) -> Text:
        if task.finished or task.time_remaining is None:
            return Text("")
        minutes, seconds = divmod(int(task.time_remaining), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return Text(f"{clock} left", style="cyan")
