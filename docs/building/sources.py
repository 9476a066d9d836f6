"""Links that leave docs/ lead to pages of the site: `../src/striate/calls.py#L47` to the highlighted file at that line.

On a code host the same links lead to the file itself.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.util import ClassNotFound
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)(#[^)\s]*)?\)")
OTHERS = "(other pages)"


def _rewrite(app: Sphinx, docname: str, content: list[str]) -> None:
    """Make links to files of the repository links to their pages, and list the pages that the index does not name."""
    folder = posixpath.dirname(f"docs/{docname}")
    up = "../" * docname.count("/")

    def lead(link: re.Match[str]) -> str:
        words, target, line = link.groups()
        path = posixpath.normpath(posixpath.join(folder, target))
        if path.startswith("docs/") or not (ROOT / path).is_file():
            return link[0]
        _linked(app).add(path)
        return f'<a class="reference internal" href="{up}source/{path}.html{line or ""}">{words}</a>'

    content[0] = LINK.sub(lead, content[0])
    if docname == app.config.root_doc:
        named = set(re.findall(r"^[a-z/_-]+$", content[0], re.M))
        pages = sorted(path.stem for path in Path(app.srcdir).glob("*.md"))
        others = [page for page in pages if page not in named and page != docname]
        content[0] = content[0].replace(OTHERS, "\n".join(others))


def _linked(app: Sphinx) -> set[str]:
    """Return the files that pages link to, kept with what Sphinx remembers of them."""
    if not hasattr(app.env, "striate_sources"):
        app.env.striate_sources = set()  # type: ignore[attr-defined]
    return app.env.striate_sources  # type: ignore[attr-defined]


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for each linked file, its lines numbered and linkable as #L1, #L2…"""
    formatter = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True, wrapcode=True)
    for path in sorted(_linked(app)):
        text = (ROOT / path).read_text("utf-8")
        try:
            lexer = get_lexer_for_filename(path)
        except ClassNotFound:
            lexer = TextLexer()
        # The formatter's anchors are L-1, those of code hosts L1.
        body = re.sub(r'(id|name|href)="(#?)L-(\d+)"', r'\1="\2L\3"', highlight(text, lexer, formatter))
        title = os.path.basename(path)
        yield (
            f"source/{path}",
            {"title": title, "body": f"<section class='source-file'><h1>{path}</h1>{body}</section>"},
            "page.html",
        )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks."""
    app.connect("source-read", _rewrite)
    app.connect("html-collect-pages", _pages)
    return {"parallel_read_safe": False, "version": "1"}
