"""Charts of reports and pages, drawn by Matplotlib without a screen."""

from __future__ import annotations

import io
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, BEST, FIRST, SECOND = "#1d2433", "#8a93a6", "#d9480f", "#2f5bd1", "#0b7286"
# In a page these follow the reader's choice of light or dark.
_IN_PAGE = {INK: "var(--ink)", FAINT: "var(--faint)", BEST: "var(--best)", FIRST: "var(--first)",
            SECOND: "var(--second)"}  # fmt: skip


def render(size: tuple[float, float], draw: Callable[[Axes], None], alt: str = "") -> tuple[bytes, str]:
    """Return a drawing as PNG and as the <svg> element for a page.

    Arguments:
        size: width and height in inches.
        draw: draws into the axes it is given; the colours of this module follow light and dark, others stay.
        alt: what it shows, for those who cannot see it.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "font.size": 9, "axes.edgecolor": FAINT, "axes.labelcolor": INK, "xtick.color": FAINT, "ytick.color": FAINT,
        "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False,
        "svg.hashsalt": "striate",
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        png, svg = io.BytesIO(), io.StringIO()
        figure.savefig(png, format="png", dpi=150, metadata={"Software": "Striate"})
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    return png.getvalue(), _for_page(svg.getvalue(), alt)


def _for_page(svg: str, alt: str) -> str:
    """Return the <svg> element with a name, and with colours that the page decides."""
    element = svg[svg.index("<svg") :]
    for colour, variable in _IN_PAGE.items():
        element = element.replace(colour, variable)
    return element.replace("<svg", f'<svg role="img" aria-label="{escape(alt, quote=True)}"', 1) if alt else element
