"""Plots of pages: round marks, points where they belong, names for everybody."""

import numpy as np
import pytest
from tests.pages.reading import Outline

from striate.pages.plots import Plot, PlotAxis, even_axis, interval_strip


@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.0, 7.3), (50, 100), (-3, 2), (0.0, 0.0004), (2.0, 2.0), (0, 12345.0)])
def test_marks_are_round_few_and_hold_everything(ends):
    axis = even_axis(*ends, "x")
    values = [value for value, _ in axis.marks]
    assert axis.low <= ends[0]
    assert axis.high >= ends[1]
    assert 2 <= len(values) <= 8
    steps = np.diff(values)
    assert np.allclose(steps, steps[0])
    assert float(f"{steps[0]:.0e}") == pytest.approx(steps[0])
    for value, text in axis.marks:
        assert float(text.replace("−", "-")) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 8, 50, 97, 1000])
def test_epochs_are_marked_by_whole_numbers(epochs):
    axis = even_axis(1, epochs, "epoch", whole=True)
    values = [value for value, _ in axis.marks]
    assert all(value == int(value) for value in values)
    assert values == sorted(set(values))
    assert 1 <= len(values) <= 8
    assert values[0] >= 1


def test_points_are_placed_by_the_axes_and_stay_on_the_plot():
    plot = Plot(PlotAxis(0.0, 10.0, "x", ()), PlotAxis(0.0, 1.0, "y", ()), 162, 174)
    left, bottom = plot.place(0, 0)
    right, top = plot.place(10, 1)
    assert (right - left, bottom - top) == (100, 100)
    assert plot.place(5, 0.25) == (left + 50, bottom - 25)
    assert plot.place(11, -1) == (right, bottom)


def test_drawings_have_names_and_escape_what_they_say():
    plot = Plot(even_axis(0, 1, "<x>"), even_axis(0, 1, 'y "&"'))
    drawn = plot.svg(
        'a "plot" of <b>',
        plot.line([(0, 0), (1, 1)], "first"),
        plot.words(1, 1, "<b>", "first"),
        plot.dot(0, 0, "first", said="<i>"),
    )
    strip = interval_strip(PlotAxis(0, 1, "", ()), 0.5, (0.4, 0.6), "half <b>")
    outline = Outline(f"<h1>a</h1>{drawn}{strip}")
    assert outline.faults == []
    assert {"b", "i"}.isdisjoint(outline.tags)


def test_a_strip_places_share_and_interval():
    strip = interval_strip(PlotAxis(0.5, 1.0, "", ()), 0.75, (0.5, 1.0), "x")
    assert 'cx="70.0"' in strip
    assert "M4.0 8H136.0" in strip
