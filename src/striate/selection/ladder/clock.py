"""The time of a budget: it starts with the command, and everything that the command does is within it."""

from __future__ import annotations

import time
from dataclasses import dataclass

# Saving the model twice, writing the figures, ending the process.
CLOSING_S = 0.9
# The report of a run that has a folder: the page, and for each image that judges what it has in common with others.
REPORT_S, REPORT_IMAGE_S = 0.9, 5e-5


def closing_seconds(kept: bool, judged: int = 0) -> float:
    """Return what ending a run takes, but for judging the test images.

    Arguments:
        kept: whether it has a folder, in which a report is left.
        judged: how many test images there are.

    >>> closing_seconds(False), closing_seconds(True, 10_000)
    (0.9, 2.3)
    """
    return CLOSING_S + (REPORT_S + REPORT_IMAGE_S * judged) * kept


@dataclass(frozen=True)
class Clock:
    """When a budget began and how long it is.

    Arguments:
        began: by `time.perf_counter`.
        budget_s: seconds.
        closing_s: what judging the chosen model on the test images and saving it will take.

    >>> clock = Clock(time.perf_counter(), 100.0)
    >>> 98 < clock.left_s < 100
    True
    """

    began: float
    budget_s: float
    closing_s: float = CLOSING_S

    @property
    def left_s(self) -> float:
        """Seconds until fitting must end; none are negative."""
        return max(0.0, self.began + self.budget_s - self.closing_s - time.perf_counter())

    @property
    def spent_s(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.began
