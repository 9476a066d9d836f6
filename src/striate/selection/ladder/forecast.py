"""What a method would come to with more time: learning curves carried forward from short probes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from striate.metrics.by_class import Metric, metric_words
from striate.units import percent, say_duration

# Error falls with time, or images, to the power of −b. Where two probes are too noisy to tell b, it is between these.
LOWEST_POWER, USUAL_POWER, HIGHEST_POWER = 0.15, 0.35, 0.7
# Of so few images one that is wrong says little: errors are not taken to be smaller than half an image's.
_HALF = 0.5


@dataclass(frozen=True)
class Probe:
    """What a method came to on little time, and what is foreseen for all that is left.

    Arguments:
        name: of the rung.
        points: (amount, error) of each short fit, the smaller amount first; amounts are seconds or images.
        judged: how many images the errors were measured on.
        took_s: seconds of the probe.
        foreseen: the error that is expected in `within_s` seconds.
        how: what was tried, for people.
        metric: what the errors are 1 less.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    judged: int
    took_s: float
    foreseen: float = math.inf
    within_s: float = 0.0
    how: str = ""
    metric: Metric = "accuracy"

    @property
    def came_to(self) -> str:
        """What was tried, and how often it was right, or what the metric came to."""
        words = "" if self.metric == "accuracy" else f"{metric_words(self.metric)} "
        return f"a short trial: {percent(1 - self.points[-1][1], 1)} {words}{self.how}"

    def line(self) -> str:
        """Return what the user is told."""
        trial = f"{self.name:<12}{self.came_to}"
        if not self.within_s:
            return f"{trial}; no time is left for more"
        return f"{trial}; {percent(1 - self.foreseen, 1)} expected after {say_duration(self.within_s)}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ladder.json, so that forecasts can be held against what came."""
        return {
            "name": self.name,
            "points": [[round(amount, 3), round(error, 5)] for amount, error in self.points],
            "took_s": round(self.took_s, 3),
            f"foreseen_{self.metric.replace('-', '_')}": round(1 - self.foreseen, 5),
            "within_s": round(self.within_s, 3),
        }


@dataclass(frozen=True)
class Move:
    """Where the time that was left went.

    Arguments:
        name: of the rung that was climbed next.
        given_s: seconds that it was given, of `left_s` that were left.
        foreseen: {rung: error}, what was foreseen of each that could be climbed.
        metric: what the errors are 1 less.
    """

    name: str
    given_s: float
    left_s: float
    foreseen: Mapping[str, float]
    metric: Metric = "accuracy"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ladder.json; they are judged by what the rungs came to."""
        expected = {name: round(1 - error, 5) for name, error in self.foreseen.items()}
        return {
            "name": self.name, "given_s": round(self.given_s, 3), "left_s": round(self.left_s, 3),
            f"foreseen_{self.metric.replace('-', '_')}": expected,
        }  # fmt: skip


def carried_forward(
    points: Sequence[tuple[float, float]], amount: float, judged: int, highest: float = HIGHEST_POWER
) -> float:
    """Return the error to expect of a greater amount: the last one's, fallen by a power of the ratio.

    Arguments:
        points: (amount, error) of one probe or more, ascending.
        amount: of time or images, as those of the points.
        judged: how many images the errors were measured on.
        highest: power that is believed.

    Source: learning curves fall as a power (Hestness et al. 2017, "Deep Learning Scaling is Predictable, Empirically").

    >>> round(carried_forward([(1, 0.4), (4, 0.2)], 16, 1000), 3)
    0.111
    """
    if amount <= 0:
        return 1.0
    floor = _HALF / max(1, judged)
    (last, error), power = points[-1], USUAL_POWER
    if len(points) > 1 and points[0][0] < last:
        first, before = points[0]
        power = (power + math.log(max(before, floor) / max(error, floor)) / math.log(last / first)) / 2
    power = min(highest, max(LOWEST_POWER, power))
    return min(1.0, max(error, floor) * (amount / last) ** -power)


def tuned_error(frozen: float, images: int, looks: float) -> float:
    """Return the error to expect of fine-tuning, from that of a head on the same net's frozen features.

    Fine-tuning takes away a share of the error, more with more images, and most of that within a few epochs, fewer
    where images are many; the first of them only makes good what the new head's rate had upset.

    Arguments:
        frozen: error of the head.
        images: to learn from.
        looks: how many images the training would look at, again and again.

    >>> round(tuned_error(0.1, 1600, 0), 3), tuned_error(0.1, 1600, 16_000) < 0.085
    (0.1, True)
    """
    doublings = math.log2(max(images, 1) / 1600)
    most = min(0.8, max(0.05, 0.2 + 0.1 * doublings))
    rate = 2 ** (0.27 * max(0.0, doublings))
    epochs = max(0.0, rate * looks / max(1, images) - 1)
    return frozen * (1 - most * (1 - math.exp(-epochs / 3)))
