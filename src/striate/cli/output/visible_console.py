"""A console that shows what a terminal would obey: names of files and classes may hold any signs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from striate.errors import visible


class VisibleConsole(Console):
    """Rich's console, in which no text but its own styles reaches the terminal as a command."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, text with its control characters escaped."""
        super().print(*(visible(one) if isinstance(one, str) else one for one in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return text as rich does, its control characters escaped: rich would drop some of them."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does; what was made elsewhere is escaped here."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)
