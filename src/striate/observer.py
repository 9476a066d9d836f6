"""How work tells how far it is: observers that hear of it, and a plain function for those who only want a bar."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

# progress(what, done, total): called often and cheaply; `total` is 0 while it is not known.
Progress = Callable[[str, int, int], None]
KINDS = ("note", "warn", "step", "epoch", "prepare", "rung")


def silent(what: str, done: int, total: int) -> None:
    """Say nothing: the default of every library function."""


@dataclass(frozen=True)
class StepReport:
    """Where a run is after a step; loss and accuracy are means over the epoch so far."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images_per_s: float


class Observer:
    """Hears about a run and says nothing; a command line or notebook overrides what it wants to hear."""

    def note(self, text: str) -> None:
        """Hear a sentence that the user should see once."""

    def warn(self, text: str) -> None:
        """Hear a sentence that the user must not miss."""

    def step(self, report: StepReport) -> None:
        """Hear that a step is done."""

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Hear that an epoch is done: its line of the metrics, and whether it is the best so far."""

    def prepare(self, what: str, done: int, total: int) -> None:
        """Hear how far reading and preparing are (a `Progress`)."""

    def rung(self, result: Any) -> None:
        """Hear what a rung of the ladder came to (a `Result`), or why it was not climbed (a `Skipped`)."""


class Observers(Observer):
    """Passes on what it hears to all its listeners, in their order.

    Arguments:
        listeners: those who are told.
        only: the kinds of news that are passed on.

    >>> class Printer(Observer):
    ...     def note(self, text):
    ...         print(text)
    >>> Observers([Printer(), Printer()]).note("twice")
    twice
    twice
    >>> Observers([Printer()], only=["warn"]).note("nobody hears this")
    """

    def __init__(self, listeners: Sequence[Observer], only: Collection[str] = KINDS):
        self._listeners, self._only = list(listeners), only

    def note(self, text: str) -> None:
        """Pass on a sentence."""
        self._pass_on("note", text)

    def warn(self, text: str) -> None:
        """Pass on a warning."""
        self._pass_on("warn", text)

    def step(self, report: StepReport) -> None:
        """Pass on a step."""
        self._pass_on("step", report)

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Pass on an epoch."""
        self._pass_on("epoch", record, better)

    def prepare(self, what: str, done: int, total: int) -> None:
        """Pass on how far reading and preparing are."""
        self._pass_on("prepare", what, done, total)

    def rung(self, result: Any) -> None:
        """Pass on a rung."""
        self._pass_on("rung", result)

    def _pass_on(self, kind: str, *news: Any) -> None:
        if kind in self._only:
            for listener in self._listeners:
                getattr(listener, kind)(*news)
