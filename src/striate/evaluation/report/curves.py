"""Learning curves: loss, accuracy and learning rate by epoch, as plots of a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from striate.pages.plots import Plot, PlotAxis, even_axis
from striate.units import percent

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Drawn:
    """A drawing of a page, as SVG, and what is said below it."""

    svg: str
    caption: str


def draw_curves(
    history: Sequence[Mapping[str, Any]], best: int | None, interval: tuple[float, float] | None
) -> list[Drawn]:
    """Return the plots of a run's history; none where there is none.

    Arguments:
        history: one mapping an epoch, as in metrics.jsonl.
        best: the epoch that was kept.
        interval: the 95 % interval of its validation accuracy.
    """
    loss = {"training": _points(history, "train_loss"), "validation": _points(history, "valid_loss")}
    accuracy = {"training": _points(history, "train_accuracy"), "validation": _points(history, "valid_accuracy")}
    rate = _points(history, "learning_rate")
    if not history or not loss["training"]:
        return []
    return [
        _loss(loss),
        *([_accuracy(accuracy, best, interval)] if accuracy["training"] else []),
        *([_rate(rate)] if len(rate) > 1 else []),
    ]


def _points(history: Sequence[Mapping[str, Any]], name: str) -> Points:
    pairs = [(line.get("epoch"), line.get(name)) for line in history]
    return [(float(x), float(y)) for x, y in pairs if x is not None and y is not None and math.isfinite(y)]


def _epochs(points: Points) -> PlotAxis:
    return even_axis(min(x for x, _ in points), max(x for x, _ in points), "epoch", whole=True, most=7)


def _loss(lines: Mapping[str, Points]) -> Drawn:
    values = [y for points in lines.values() for _, y in points]
    plot = Plot(_epochs(lines["training"]), even_axis(0.0, max(values), "loss"))
    alt = "Loss by epoch. " + _ends(lines, lambda value: f"{value:.3f}")
    judged = ", validation (dashed)" if lines["validation"] else "; no validation images judged the epochs"
    return Drawn(plot.svg(alt, *_both(plot, lines)), f"Mean loss; training (solid) while it learned{judged}.")


def _accuracy(lines: Mapping[str, Points], best: int | None, interval: tuple[float, float] | None) -> Drawn:
    values = [100 * y for points in lines.values() for _, y in points]
    low = min([*values, *(100 * end for end in interval or ())])
    percents = {name: [(x, 100 * y) for x, y in points] for name, points in lines.items()}
    plot = Plot(_epochs(lines["training"]), _percents(low))
    alt = "Accuracy by epoch. " + _ends(lines, percent)
    parts = _both(plot, percents)
    kept = dict(lines["validation"]).get(float(best)) if best is not None else None
    end = "Training is of augmented images, while it learned" + (
        "; the scale does not begin at 0." if plot.y.low else "."
    )
    if best is None or kept is None:
        return Drawn(plot.svg(alt, *parts), f"Share that is right, %. {end}")
    parts.append(plot.dot(best, 100 * kept, "second", 4.5, f"epoch {best}: {percent(kept)}"))
    told = f"Share that is right, %; the dot is the epoch that was kept, {best}"
    if interval and interval[0] <= kept <= interval[1]:
        parts.append(plot.whisker(best, 100 * interval[0], 100 * interval[1], "first"))
        told += ", with its 95 % interval"
    return Drawn(plot.svg(alt, *parts), f"{told}. {end}")


def _percents(low: float) -> PlotAxis:
    """Return an axis of percents up to 100 that holds `low`."""
    return even_axis(next(start for start in (95, 90, 80, 50, 0) if low >= start or start == 0), 100.0, "accuracy, %")


def _rate(points: Points) -> Drawn:
    values = [y for _, y in points]
    plot = Plot(_epochs(points), even_axis(0.0, max(values), "learning rate"))
    alt = f"Learning rate by epoch, from {values[0]:.3g} to {values[-1]:.3g}, at most {max(values):.3g}."
    return Drawn(plot.svg(alt, plot.line(points, "first")), "The learning rate at the end of each epoch.")


def _both(plot: Plot, lines: Mapping[str, Points]) -> list[str]:
    """Return both lines with their names at their ends, the upper name above and the lower below."""
    looks = {"training": "first", "validation": "second"}
    ends = {name: points[-1] for name, points in lines.items() if points}
    upper = max(ends, key=lambda name: ends[name][1])
    parts = [plot.line(points, looks[name]) for name, points in lines.items() if points]
    return parts + [plot.words(*end, name, looks[name], 0.0 if name == upper else 22.0) for name, end in ends.items()]


def _ends(lines: Mapping[str, Points], said: Any) -> str:
    told = [f"{name} from {said(points[0][1])} to {said(points[-1][1])}" for name, points in lines.items() if points]
    return "; ".join(told) + "."
