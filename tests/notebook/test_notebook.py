"""In notebooks: values as small escaped tables, one live table for all news of a run."""

import sys
import types
from dataclasses import replace

import numpy as np
import pytest

import striate
from striate.checks.check import CheckOptions
from striate.classifier.provenance import Provenance
from striate.metrics.evaluation import evaluate_probabilities
from striate.notebook.progress import NotebookProgress, TextProgress, default_observer, in_notebook, show_progress
from striate.notebook.tables import MOST_ROWS, html_bar, html_table
from striate.observer import Observer, StepReport

NASTY = '<img src=x onerror="alert(1)">\udcff'

pytestmark = pytest.mark.usefixtures("patient_clock")


def test_tables_escape_cut_and_count():
    made = html_table(NASTY, [NASTY, "n"], [[NASTY, 1200]] * (MOST_ROWS + 5) + [["x" * 500, None]], [NASTY])
    assert "<img" not in made
    assert "&lt;img" in made
    assert "1,200" in made
    assert "… and 6 more" in made
    assert len(made.encode()) < 30_000
    assert "None" not in html_table("a", ["b"], [[None]])
    assert html_bar(1.7) == "██████████ 170.0 %"


def test_values_show_themselves(digits_model):
    data = striate.read("xo:40")
    images = striate.prepare(data)
    nasty = striate.Prediction(NASTY, (NASTY, "b"), np.array([0.7, 0.3]), known=False, sure=False, set=(NASTY,))
    told = Provenance(ladder=[{"name": NASTY, "valid_accuracy": 0.5, "valid_interval": [0.4, 0.6]}], chosen=NASTY)
    model = striate.Classifier(**(vars(digits_model) | {"provenance": told}))
    evaluation = digits_model.evaluate(striate.read("digits"))
    checkup = striate.check(striate.read("xo:9"), CheckOptions(labels=False))
    for value, shown in (
        (data, "40 images from xo"), (images, "40 images 9×9×1"), (data.ledger, "40 used"),
        (striate.parse("conv(6, 5) fc(10)"), "conv(6, 5) fc(10)"), (nasty, "none of these"), (model, "The ladder"),
        (digits_model, "10 classes"), (evaluation, "precision"), (checkup, "severity"),
        (striate.parse("fc(10)").table((1, 8, 8)), "<table>"),
    ):  # fmt: skip
        made = value._repr_html_()
        assert shown in made, type(value)
        assert "<img" not in made
        made.encode()


def test_uneven_classes_have_their_figures_beside_accuracy(digits_model):
    line = "balanced accuracy 50.00 %, macro F1 44.44 %"
    uneven = {"balanced_accuracy": 0.5, "macro_f1": 4 / 9}
    rung = {"name": "majority", "valid_accuracy": 0.8, "valid_interval": [0.7, 0.9], **uneven}
    told = {"valid_accuracy": 0.8, "test_accuracy": 0.8, "ladder": [rung], "chosen": "majority"}
    for kept, count in ((None, 0), ({"test": uneven}, 1), ({"valid": uneven, "test": uneven}, 3), ({"test": "x"}, 0)):
        model = replace(digits_model, provenance=Provenance(**told, uneven=kept))
        assert model._repr_html_().count(line) == count


def test_a_rung_of_uneven_classes_shows_their_figures(capsys):
    probabilities = np.tile([0.9, 0.1], (10, 1))
    for labels, shown in (([0] * 8 + [1] * 2, True), ([0] * 5 + [1] * 5, False)):
        valid = evaluate_probabilities(probabilities, np.array(labels), ("day", "night"))
        rung = types.SimpleNamespace(name="majority", valid=valid, fit_s=0.1, size_bytes=1_500_000)
        progress = NotebookProgress()
        progress._update = lambda now=False: None
        progress.rung(rung)
        assert ("balanced\u00a0accuracy\u00a050.00\u00a0%" in progress.html()) is shown
        TextProgress().rung(rung)
        said = capsys.readouterr().err
        assert ("balanced accuracy 50.00 %" in said) is shown
        assert "1.5 MB" in said


def test_findings_show_themselves():
    from striate.checks.finding import Finding, Mark

    found = Finding("blank", "serious", NASTY, "e", "a", (Mark(NASTY, "empty", True),))
    assert "leave out" in found._repr_html_()
    assert "<img" not in found._repr_html_()


@pytest.fixture
def notebook(monkeypatch):
    """A kernel of a notebook as far as anything asks for it; `shown` is what its cells got."""
    shown = []

    class Handle:
        def update(self, html):
            shown.append(("update", html))

    def display(html, display_id):
        shown.append(("display", html))
        return Handle()

    module = types.ModuleType("IPython.display")
    module.display, module.HTML = display, str
    package = types.ModuleType("IPython")
    package.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_run_in_a_notebook_is_one_table(notebook):
    assert in_notebook()
    model = striate.train("xo:60", net="fc(classes)", epochs=20)
    assert len(model.classes) == 2
    assert [kind for kind, _ in notebook].count("display") == 1
    last = notebook[-1][1]
    assert "best so far" in "".join(html for _, html in notebook)
    assert "5 earlier lines are not shown" in last
    assert len(last) < 20_000


def test_a_hundred_thousand_steps_are_a_few_updates(notebook):
    view = NotebookProgress()
    for step in range(100_000):
        view.prepare("reading", step, 0)
        view.step(StepReport(1, 1, step, 100_000, 0.5, 0.5, 100.0))
    view.note(NASTY)
    assert len(notebook) < 200
    assert "&lt;img" in notebook[-1][1]


def test_the_ladder_is_told_in_a_notebook_and_in_lines(notebook, capsys):
    model = striate.fit("xo:60", budget="3s")
    assert "neighbours" in notebook[-1][1]
    assert "95 % interval" in notebook[-1][1]
    striate.fit("xo:60", budget="3s", observer=show_progress(sys.stdout))
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("neighbours, ") for line in lines)
    assert len(lines) < 100  # a line for an epoch at most
    assert model.classes == ("o", "x")


def test_elsewhere_nothing_is_said_unless_it_is_asked_for(capsys):
    assert not in_notebook()
    assert type(default_observer()) is Observer
    assert isinstance(show_progress(), TextProgress)
    striate.train("xo:60", net="fc(classes)", epochs=2)
    assert capsys.readouterr() == ("", "")
    view = TextProgress()
    for step in range(50_000):
        view.prepare("reading", step, 50_000)
    view.warn("look")
    assert capsys.readouterr().err == "warning: look\n"
