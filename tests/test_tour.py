"""Links of the tour and of CONTRIBUTING lead to a file, and where there is a line, to where the name is defined.

`python tests/test_tour.py --mend` looks the names up and writes the lines anew.
"""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "docs" / "tour.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)(?:#L(\d+))?\)")


def line_of(name: str, code: str) -> int | None:
    """Return the number of the line that defines a name; None if none does."""
    pattern = re.compile(rf"\s*(?:(?:async )?def|class) {re.escape(name)}\b|{re.escape(name)}(?::[^=]+)? = ")
    return next((i for i, line in enumerate(code.splitlines(), 1) if pattern.match(line)), None)


def broken(page: Path, text: str) -> list[str]:
    """Return the links of a page that lead nowhere or beside the name."""
    found = []
    for name, target, line in LINK.findall(text):
        path = page.parent / target
        if "://" in target:
            continue
        if not path.exists():
            found.append(f"{target} does not exist")
        elif line and line_of(name, path.read_text("utf-8")) != int(line):
            found.append(f"{name} is not at {target}#L{line}")
    return found


def mended(page: Path, text: str) -> str:
    """Return a page's text with the lines at which the names stand."""

    def mend(link: re.Match[str]) -> str:
        name, target, line = link.groups()
        path = page.parent / target
        where = line_of(name, path.read_text("utf-8")) if line and path.exists() else None
        return f"[{name}]({target}#L{where})" if where else link[0]

    return LINK.sub(mend, text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_where_they_say(page):
    assert broken(page, page.read_text("utf-8")) == []


def test_the_check_can_fail_and_mend():
    page = PAGES[0]
    text = "[train_net](../src/striate/training/train.py#L1) [gone](../src/striate/gone.py) [no_name](tour.md#L1)"
    assert len(broken(page, text)) == 3
    assert len(broken(page, mended(page, text))) == 2


if __name__ == "__main__" and "--mend" in sys.argv:
    for one in PAGES:
        one.write_text(mended(one, one.read_text("utf-8")), "utf-8")
