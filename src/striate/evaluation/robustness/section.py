"""The card as a part of a page, and as a page of its own."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from striate.evaluation.robustness.card import RobustnessCard
from striate.evaluation.robustness.figure import draw_robustness
from striate.system.files import write_atomically

if TYPE_CHECKING:
    import jinja2


def card_section(card: RobustnessCard) -> str:
    """Return the card as HTML without a page around it: the weakest point, the figure, the table, the notes."""
    return _template("section.html").render(card=card, figure=draw_robustness(card)[1])


def write_card(card: RobustnessCard, path: str | Path, model: str) -> Path:
    """Write a page with the card alone, which works offline; return where.

    Arguments:
        model: what the title names.

    Raises:
        StorageError: it cannot be written.
    """
    write_atomically(Path(path), _template("page.html").render(model=model, section=card_section(card)))
    return Path(path)


def _template(name: str) -> jinja2.Template:
    import jinja2

    text = (resources.files("striate.evaluation.robustness") / name).read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    return environment.from_string(text)
