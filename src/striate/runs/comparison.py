"""How runs differ: recipes, nets and data side by side, and whether a difference of accuracy is beyond noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from striate.errors import StriateError
from striate.metrics.intervals import difference_interval
from striate.runs.listing import Run


@dataclass(frozen=True)
class Verdict:
    """What can be said of two runs' validation accuracies.

    Arguments:
        better, other: the runs, the one of the higher accuracy first.
        same_images: whether both were validated on the same images, told by the fingerprint of their data.
        difference: of the accuracies, with its 95 % `interval`; None where they cannot be compared.
    """

    better: Run
    other: Run
    same_images: bool
    difference: float | None = None
    interval: tuple[float, float] | None = None

    @property
    def beyond_noise(self) -> bool | None:
        """Whether the interval of the difference leaves out 0; None where they cannot be compared."""
        return self.interval[0] > 0 if self.interval else None

    def __str__(self) -> str:
        names = f"{self.better.path} and {self.other.path}"
        if not (self.better.data and self.other.data):
            return f"{names} cannot be compared: one of them does not say which images it was validated on"
        if not self.same_images:
            return f"{names} are not comparable: they were trained and validated on other images"
        if self.difference is None or self.interval is None:
            return f"{names} cannot be compared: one of them has no validation accuracy"
        low, high = (f"{100 * end:+.2f}" for end in self.interval)
        if not self.difference:
            return f"{names} are equally accurate on the same validation images"
        told = "beyond noise" if self.beyond_noise else "within noise"
        return (
            f"{self.better.path} is {100 * self.difference:.2f} points above {self.other.path} on the same "
            f"validation images, 95 % interval {low} to {high}: {told}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        return {
            "better": str(self.better.path),
            "other": str(self.other.path),
            "same_images": self.same_images,
            "difference": self.difference,
            "interval": self.interval and list(self.interval),
            "beyond_noise": self.beyond_noise,
        }


def differences(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Return {what: its value in each run} for what differs; None where a run does not set it."""
    values = [{"source": run.source, "data": run.data, "net": run.net, **_size(run), **run.settings} for run in runs]
    names = dict.fromkeys(name for one in values for name in one)
    rows = {name: [one.get(name) for one in values] for name in names}
    return {name: row for name, row in rows.items() if any(value != row[0] for value in row)}


def verdicts(runs: Sequence[Run]) -> list[Verdict]:
    """Return how the best of the runs stands to each of the others."""
    ranked = sorted(runs, key=lambda run: -run.valid.value if run.valid else math.inf)
    return [compare_runs(ranked[0], other) for other in ranked[1:]]


def compare_runs(better: Run, other: Run) -> Verdict:
    """Return what can be said of two runs.

    The interval is that of a difference of independent shares (Newcombe 1998, method 10, from those of the two, which
    count groups). Run folders do not keep what was said of each image; a paired test on the same images would see
    smaller differences.

    >>> from pathlib import Path
    >>> from striate.runs.listing import Accuracy
    >>> a = Run(Path("a"), "finished", valid=Accuracy(0.97, 1000), data="same")
    >>> b = Run(Path("b"), "finished", valid=Accuracy(0.95, 1000), data="same")
    >>> print(compare_runs(a, b))
    a is 2.00 points above b on the same validation images, 95 % interval +0.28 to +3.77: beyond noise
    """
    same = bool(better.data) and better.data == other.data
    first, second = better.valid, other.valid
    if not (same and first and second and first.interval and second.interval):
        return Verdict(better, other, same)
    interval = difference_interval(first.value, second.value, first.interval, second.interval)
    return Verdict(better, other, same, first.value - second.value, interval)


def _size(run: Run) -> dict[str, Any]:
    """Return parameters and multiply-adds of a net that can be read, by its sentence and input."""
    from striate.nets import parse

    try:
        channels, height, width = run.settings["input"]
        table = parse(run.net).table((channels, height, width))
    except (StriateError, KeyError, TypeError, ValueError):
        return {}
    return {"parameters": table.parameters, "multiply_adds": table.multiply_adds}
