"""The directive `example`: a script's source, what it prints and the pictures it writes, from a run at build time.

    ```{example}
    python examples/filters.py pictures
    ```

On a code host the block reads as the command that it is. A run is kept until the script or the package changes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```\{example\}\n(python examples/.+)\n```$", re.M)
LONGEST_S = 600


class ExampleDirective(SphinxDirective):
    """Shows an example's source, output and pictures."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the nodes of one example."""
        command = self.content[0]
        script = ROOT / shlex.split(command)[1]
        folder = run_example(command, Path(self.env.srcdir) / "_build" / "examples")
        self.env.note_dependency(str(script))
        source = nodes.literal_block(text := script.read_text("utf-8"), text, language="python")
        output = (folder / "output.txt").read_text("utf-8").rstrip()
        shown = nodes.literal_block(output, output, language="text")
        title = nodes.raw("", f"<details class='example-source' open><summary>{script.name}</summary>", format="html")
        made = [title, source, nodes.raw("", "</details>", format="html")]
        if output:
            made += [nodes.paragraph("", "", nodes.literal("", command), nodes.Text(" prints")), _wrap(shown)]
        shown = nodes.container("", *map(self._picture, pictures(folder)), classes=["example-pictures"])
        return [*made, shown] if shown.children else made

    def _picture(self, path: Path) -> nodes.Node:
        """Return a figure; the picture is copied where Sphinx finds it, its name says what it shows."""
        words = path.stem.replace("-", " ")
        words = words[0].upper() + words[1:]
        relative = "/" + path.relative_to(self.env.srcdir).as_posix()
        figure = nodes.figure("", nodes.image("", uri=relative, alt=words), classes=["example-picture"])
        figure += nodes.caption("", words)
        return figure


def run_example(command: str, kept: Path) -> Path:
    """Return the folder with output.txt and pictures of a command, which is run unless that was done before.

    Raises:
        ExtensionError: it ended with an error.
    """
    words = shlex.split(command)
    folder = kept / f"{Path(words[1]).stem}-{digest_of(command, (ROOT / words[1]).read_text('utf-8'))}"
    if (folder / "output.txt").exists():
        return folder
    for old in kept.glob(f"{Path(words[1]).stem}-*"):
        shutil.rmtree(old)
    folder.mkdir(parents=True)
    done = subprocess.run(  # noqa: S603 - the commands are those of our own pages
        [sys.executable, "-W", "error", str(ROOT / words[1]), *words[2:]],
        cwd=folder, env=environment(), capture_output=True, text=True, encoding="utf-8", timeout=LONGEST_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ExtensionError(f"{command} ended with {done.returncode}:\n{done.stderr}")
    (folder / "output.txt").write_text(done.stdout, "utf-8")
    return folder


def environment() -> dict[str, str]:
    """Return the environment in which our own programs run: this checkout's package, drawings without a screen."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "110", "MPLBACKEND": "agg"}


def pictures(folder: Path) -> list[Path]:
    """Return the pictures that a run left, in the order in which it wrote them."""
    found = [path for path in folder.rglob("*") if path.suffix in (".png", ".svg")]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def digest_of(*texts: str) -> str:
    """Return what a run depends on as a short text: the texts and the whole package."""
    digest = hashlib.sha256("\0".join(texts).encode())
    for path in sorted((ROOT / "src").rglob("*.*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _wrap(node: nodes.Node) -> nodes.container:
    return nodes.container("", node, classes=["example-output"])


def _run_all(app: Sphinx) -> None:
    """Run the examples of all pages, two at a time, before the pages are read one by one."""
    source = Path(app.srcdir)
    commands = {c for page in source.rglob("*.md") for c in FENCE.findall(page.read_text("utf-8"))}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda command: run_example(command, source / "_build" / "examples"), sorted(commands)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("example", ExampleDirective)
    app.connect("builder-inited", _run_all)
    return {"parallel_read_safe": True, "version": "1"}
