"""The directive `walkthrough`: a live page of a small net's numbers, made by `striate walk` at build time.

The net learns X and O in seconds; the image is one that it has not seen. Where there is no such command, nothing shows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command

from building.examples import ROOT, digest_of, environment
from striate.cli import app as commands
from striate.data.builtin.drawn import make_xo

NET = "conv(6, 3) relu maxpool(2) conv(8, 3) relu fc(classes)"
PAGE = "walk.html"


class WalkthroughDirective(SphinxDirective):
    """Embeds the page in a frame, with a link to it alone."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return a frame with the page, or nothing where there is none."""
        if not (Path(self.env.srcdir) / "_build" / "walk" / PAGE).exists():
            return []
        link = "../" * self.env.docname.count("/") + f"_static/{PAGE}"
        frame = f'<iframe class="walkthrough" src="{link}" title="The walkthrough of a small net"></iframe>'
        return [nodes.raw("", f'{frame}<p><a href="{link}">The same page by itself</a></p>', format="html")]


def _make(app: Sphinx) -> None:
    """Train the net and have the command write its page, unless that was done before."""
    folder, made_of = Path(app.srcdir) / "_build" / "walk", digest_of(NET)
    stamp = folder / "made-of"
    if "walk" not in getattr(get_command(commands), "commands", {}):
        return
    if stamp.exists() and stamp.read_text("utf-8") == made_of:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    images, _ = make_xo(802, seed=1)
    Image.fromarray(images[801, :, :, 0]).save(folder / "drawing.png")
    _run("train", "xo", "--net", NET, "--epochs", "8", "--out", str(folder / "run"))
    _run("walk", str(folder / "run" / "model.striate"), str(folder / "drawing.png"), "-o", str(folder / PAGE))
    stamp.write_text(made_of, "utf-8")


def _run(*words: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "striate", *words],
        cwd=ROOT, env=environment(), capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if done.returncode:
        raise ExtensionError(f"striate {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")


def _copy(app: Sphinx, error: Exception | None) -> None:
    """Lay the page beside the site's other static files."""
    page = Path(app.srcdir) / "_build" / "walk" / PAGE
    if error is None and page.exists() and app.builder.format == "html":
        shutil.copy(page, Path(app.outdir) / "_static" / PAGE)


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive and when its page is made."""
    app.add_directive("walkthrough", WalkthroughDirective)
    app.connect("builder-inited", _make)
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "version": "1"}
