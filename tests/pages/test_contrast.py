"""Words can be read by everybody: contrast of at least 4.5 on the paper, on boxes and on the deepest tint."""

import re
from importlib import resources

import pytest

from striate.evaluation.report.confusion import DEEPEST

STYLE = (resources.files("striate.pages") / "templates/base.html").read_text("utf-8")
THEMES = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)]


def parts(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(one: list[float], other: list[float]) -> float:
    """The ratio of WCAG 2.1."""
    light, dark = sorted(
        (sum(w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
             for w, c in zip((0.2126, 0.7152, 0.0722), colour, strict=True)) for colour in (one, other)),
        reverse=True,
    )  # fmt: skip
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark", "print"])
def test_words_can_be_read(theme):
    for word in ("ink", "faint", "best", "good", "bad", "link", "first", "second"):
        for ground in ("paper", "card"):
            assert contrast(parts(theme[word]), parts(theme[ground])) >= 4.5, (word, ground)
    for accent in ("first", "best"):
        tint = [
            DEEPEST / 100 * a + (1 - DEEPEST / 100) * b
            for a, b in zip(parts(theme[accent]), parts(theme["paper"]), strict=True)
        ]
        assert contrast(parts(theme["ink"]), tint) >= 4.5, accent


def test_the_ratio_is_that_of_the_standard():
    assert contrast(parts("#000000"), parts("#ffffff")) == pytest.approx(21.0)
    assert contrast(parts("#777777"), parts("#ffffff")) == pytest.approx(4.48, abs=0.01)
