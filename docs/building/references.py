"""The references, written into docs/reference/ before Sphinx reads the pages: all of it comes from the code."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from building.api import api_pages
from building.commands import command_pages
from building.settings import settings_pages
from building.words import word_pages

MAKERS = (command_pages, word_pages, settings_pages, api_pages)


def write_references(folder: Path) -> None:
    """Write the pages into a folder of their own; one that is as it was keeps its time, one without a source goes."""
    pages = {name: text for maker in MAKERS for name, text in maker().items()}
    for old in folder.rglob("*.md"):
        if old.relative_to(folder).as_posix() not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    for empty in folder.iterdir():
        if empty.is_dir() and not any(empty.iterdir()):
            shutil.rmtree(empty)


def _dashes(app: Sphinx, page: nodes.document) -> None:
    """Draw as a dash what stands between an argument and its meaning; elsewhere two hyphens begin an option."""
    for text in list(page.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" – "))


def setup(app: Sphinx) -> dict[str, Any]:
    """Have the pages written when a build begins."""
    app.connect("builder-inited", lambda app: write_references(Path(app.srcdir) / "reference"))
    app.connect("doctree-read", _dashes)
    return {"parallel_read_safe": True, "version": "1"}
