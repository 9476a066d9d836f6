"""Pages need nothing else, escape what they are given, and name their drawings."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from striate.pages import page
from striate.pages.charts import INK, render
from striate.pages.thumbnails import SIDE_PX, thumbnail


@pytest.fixture
def fill(tmp_path, monkeypatch):
    def filled(body: str, **values):
        (tmp_path / "one.html").write_text(
            '{% extends "base.html" %}{% block title %}T{% endblock %}{% block body %}' + body + "{% endblock %}"
        )
        monkeypatch.setattr(page.resources, "files", lambda _: tmp_path)
        return page.render_page("anything", "one.html", **values)

    return filled


def test_values_are_escaped_and_nothing_is_fetched(fill):
    text = fill("<p>{{ name }}</p>", name="<script>alert(1)</script>")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not any(word in text for word in ("http:", "https:", "url("))


def test_a_value_that_is_not_there_is_an_error(fill):
    with pytest.raises(Exception, match="missing"):
        fill("{{ missing }}")


def test_a_drawing_follows_the_page_and_has_a_name():
    png, svg = render((3, 2), lambda axes: axes.plot([0, 1], [0, 1], color=INK), alt='a "line"')
    assert png.startswith(b"\x89PNG")
    assert INK not in svg
    assert "var(--ink)" in svg
    assert svg.startswith('<svg role="img" aria-label="a &quot;line&quot;"')


@pytest.mark.parametrize("shape", [(8, 8), (300, 200), (8, 8, 1), (300, 200, 3), (9, 7, 4), (9, 7, 2), (9, 7, 13)])
def test_a_thumbnail_of_any_image(shape):
    picture = thumbnail(np.full(shape, 200, np.uint8))
    shown = Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2])))
    assert max(shown.size) == min(SIDE_PX, max(shape[:2]))
    assert picture.pixels == (max(shape[:2]) <= 64)
