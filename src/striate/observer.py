"""What a training run tells while it goes: a quiet base that a command line or notebook overrides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
    """Hears about a run and says nothing."""

    def note(self, text: str) -> None:
        """Hear a sentence that the user should see once."""

    def warn(self, text: str) -> None:
        """Hear a sentence that the user must not miss."""

    def step(self, report: StepReport) -> None:
        """Hear that a step is done."""

    def epoch(self, record: dict[str, Any], better: bool) -> None:
        """Hear that an epoch is done: its line of the metrics, and whether it is the best so far."""

    def prepare(self, what: str, done: int, total: int) -> None:
        """Hear how far reading and preparing are (a `striate.progress.Progress`)."""


# progress(what, done, total): called often and cheaply; `total` is 0 while it is not known.
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Say nothing: the default of every library function."""
