"""The card as a part of a page, and as a page of its own."""

from __future__ import annotations

from pathlib import Path

from striate.evaluation.robustness.card import RobustnessCard
from striate.evaluation.robustness.figure import draw_robustness
from striate.pages.page import render_page
from striate.system.files import write_atomically

_HERE = "striate.evaluation.robustness"


def card_section(card: RobustnessCard) -> str:
    """Return the card as HTML without a page around it: the weakest point, the figure, the table, the notes."""
    return render_page(_HERE, "section.html", card=card, figure=draw_robustness(card)[1])


def write_card(card: RobustnessCard, path: str | Path, model: str) -> Path:
    """Write a page with the card alone, which works offline; return where.

    Arguments:
        model: what the title names.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomically(Path(path), render_page(_HERE, "page.html", model=model, section=card_section(card)))
    return Path(path)
