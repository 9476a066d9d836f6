"""The card drawn: a small curve for each corruption, accuracy from the image as it is (0) to the strongest step (5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from striate.evaluation.robustness.card import CorruptionResult, RobustnessCard
from striate.pages.charts import BEST, FAINT, FIRST, INK, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS, WIDE, HIGH = 7, 1.4, 1.2  # inches for each small drawing


def draw_robustness(card: RobustnessCard) -> tuple[bytes, str]:
    """Return the card as PNG and as the <svg> element for a page, light or dark.

    One small drawing for each corruption that has steps: accuracy with its 95 % interval at each, the dotted line that
    of the images as they are. The weakest point is marked.
    """
    rows = [row for row in card.rows if len(row.scores) > 1]
    lines = math.ceil(len(rows) / COLUMNS)
    alt = f"Accuracy against severity for {len(rows)} corruptions; {card.weakest}."
    return render((COLUMNS * WIDE, lines * HIGH + 0.3), lambda axes: _draw(axes, card, rows), alt)


def _draw(whole: Axes, card: RobustnessCard, rows: list[CorruptionResult]) -> None:
    """Put the small drawings in the place of one."""
    from matplotlib.figure import Figure

    figure = whole.figure
    assert isinstance(figure, Figure)
    whole.remove()
    figure.set_layout_engine(None)  # which takes seconds for so many drawings
    lines = math.ceil(len(rows) / COLUMNS)
    panels = figure.subplots(lines, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(panels.flat):
        if number >= len(rows):
            axes.axis("off")
            continue
        _draw_row(axes, card, rows[number])
        if number + COLUMNS >= len(rows):
            axes.tick_params(labelbottom=True)
    wide, high = figure.get_size_inches()
    figure.subplots_adjust(0.5 / wide, 0.25 / high, 1 - 0.08 / wide, 1 - 0.2 / high, 0.14, 0.4)
    figure.supylabel("accuracy, %", x=0.06 / wide, ha="left", fontsize=8, color=INK)


def _draw_row(axes: Axes, card: RobustnessCard, row: CorruptionResult) -> None:
    scores = [card.clean, *row.scores]
    places = range(len(scores))
    axes.axhline(100 * card.clean.accuracy, color=FAINT, linestyle=":", linewidth=0.8)
    low, high = ([100 * score.interval[end] for score in scores] for end in (0, 1))
    axes.fill_between(places, low, high, color=FIRST, alpha=0.2, linewidth=0)
    axes.plot(
        places, [100 * score.accuracy for score in scores], color=FIRST, linewidth=1.4, marker="o", markersize=2.2
    )
    worst, step = card.worst
    if worst is row:
        axes.plot([step + 1], [100 * row.scores[step].accuracy], marker="o", markersize=5, color=BEST, zorder=5)
    axes.set_title(row.name, fontsize=7.5, color=INK, loc="left", pad=3)
    axes.set_ylim(0, 102)
    axes.set_yticks([0, 50, 100])
    axes.set_xticks(list(places))
    axes.tick_params(length=2, labelsize=6.5)
