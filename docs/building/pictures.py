"""README's picture: a climb on a terminal, the report of its run, a net computed in the browser.

    python docs/building/pictures.py

Everything in it is what the commands print and write on the embedded digits. Needs Chromium and Playwright.
"""

from __future__ import annotations

import html
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

TARGET = Path(__file__).parent.parent / "pictures" / "striate.png"
CLIMB = ["train", "digits", "--budget", "40s", "--out", "run"]
NET = ["train", "digits", "--net", "swift", "--epochs", "8", "--out", "net"]
# The commonest places; Playwright's own where it is none of them.
CHROMIUM = next((path for path in map(Path, ("/usr/bin/chromium", "/usr/bin/google-chrome")) if path.exists()), None)
WIDE = 76  # characters of the terminal
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 24px; background: #e9edf2; display: flex; gap: 20px; align-items: stretch; height: 632px }}
pre, div {{ margin: 0; border-radius: 8px; box-shadow: 0 2px 10px #0003; overflow: hidden }}
pre {{ background: #16202b; color: #d6e2ee; padding: 16px 18px; flex: none }}
pre {{ font: 12.5px/1.5 "DejaVu Sans Mono", monospace }}
div {{ background: #fff; flex: 1 }} img {{ width: 100%; display: block }}
b {{ color: #fff }}</style><pre>{terminal}</pre>
<div><img src="file://{report}"></div><div><img src="file://{walk}"></div>
"""


def main() -> None:
    """Write README's picture."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        printed = striate(CLIMB, folder)
        striate(NET, folder)
        striate(["walk", "net/model.striate", "digits", "-n", "3", "-o", "walk.html"], folder)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        report = shot(browser, folder / "run" / "report.html", 760, 1060)
        walk = shot(browser, folder / "walk.html", 760, 1060)
        page = folder / "page.html"
        page.write_text(PAGE.format(terminal=terminal(printed), report=report, walk=walk), "utf-8")
        picture = Image.open(io.BytesIO(shot(browser, page, 1560, 680).read_bytes())).convert("RGB")
        TARGET.parent.mkdir(exist_ok=True)
        picture.quantize(128).save(TARGET, optimize=True)
        print(TARGET, f"{TARGET.stat().st_size / 1e3:.0f} kB")


def striate(words: list[str], folder: Path) -> str:
    """Run a command in `folder`; return what it prints."""
    command = [sys.executable, "-m", "striate", *words]
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        sys.exit(done.stdout)
    return done.stdout


def terminal(printed: str) -> str:
    """Return a climb as HTML: the command, the table of rungs and the lines that end it, none wider than a terminal."""
    lines = [line[: WIDE - 1] + "…" if len(line) > WIDE else line for line in printed.splitlines()]
    return "\n".join([f"<b>$ striate {' '.join(CLIMB[:4])}</b>", *map(html.escape, lines)])


def shot(browser: Browser, page: Path, width: int, height: int) -> Path:
    """Return a file with what the browser shows of a page."""
    tab = browser.new_page(viewport={"width": width, "height": height})
    tab.goto(page.as_uri())
    tab.wait_for_timeout(1500)
    target = page.with_suffix(".png")
    tab.screenshot(path=str(target))
    tab.close()
    return target


if __name__ == "__main__":
    main()
