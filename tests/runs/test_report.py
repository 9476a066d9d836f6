"""Every run with a folder leaves a report; nothing that goes wrong with it ends a run; it can be made again."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.pages.reading import Outline

import striate
from striate.errors import SourceNotFoundError, TrainingError
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.runs.listing import read_run
from striate.runs.remaking import remake_report
from striate.runs.report import leave_report
from striate.runs.robustness import answers_digest
from striate.selection.fit import resume, run, run_one
from striate.selection.ladder.climb import Climb
from striate.selection.ladder.rungs import SIMPLE

NET = "conv(4, 3) relu fc(classes)"

pytestmark = pytest.mark.usefixtures("patient_clock")


class Listener(Observer):
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


def outline_of(folder) -> Outline:
    outline = Outline((folder / "report.html").read_text("utf-8"))
    assert outline.faults == []
    return outline


def test_a_net_leaves_one_and_a_resume_makes_the_same_again(tmp_path):
    done = run_one("xo:120", NET, epochs=2, precision="float32", out=tmp_path / "run")
    assert done.report == tmp_path / "run" / "report.html"
    outline = outline_of(tmp_path / "run")
    assert (2, "Learning curves") in outline.headings
    assert NET.replace("classes", "2") in outline.words
    before = done.report.read_text("utf-8")
    done.report.unlink()
    resume(tmp_path / "run")
    assert done.report.read_text("utf-8") == before


def test_a_baseline_leaves_one(tmp_path):
    run_one("xo:120", "neighbours", out=tmp_path / "run")
    assert "neighbours" in outline_of(tmp_path / "run").words


def test_it_says_of_which_column_of_a_table_the_images_are_told_worse(tmp_path):
    digits = striate.prepare(striate.read("digits"))
    spoilt, noise = np.arange(len(digits)) % 5 == 0, np.random.default_rng(0).permuted(digits.images, axis=0)
    lines = ["image,label,scanner,batch"]
    for i, (image, bad) in enumerate(zip(digits.images, spoilt, strict=True)):
        Image.fromarray(noise[i, :, :, 0] if bad else image[:, :, 0]).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,d{digits.labels[i]},{'old' if bad else 'new'},{i % 3}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    done = run_one(tmp_path / "table.csv", "neighbours", ratios="40:0:60", out=tmp_path / "run")
    words = outline_of(tmp_path / "run").words
    assert "column scanner" in words
    assert "column batch" not in words
    page = done.report.read_text("utf-8")
    remake_report(tmp_path / "run")
    assert done.report.read_text("utf-8") == page


def test_the_ladder_leaves_one_with_its_rungs(tmp_path):
    done = run("xo:120", budget="6s", out=tmp_path / "run")
    outline = outline_of(tmp_path / "run")
    assert (2, "The ladder") in outline.headings
    for rung in done.classifier.provenance.ladder:
        assert rung["name"] in outline.words
    assert done.classifier.provenance.verdict.split(":")[0].strip() in outline.words


def climb_with(rung, monkeypatch, out, refit=False):
    """A ladder of one net, fitted again or not."""
    own = next(one for one in SIMPLE if one.name == rung)
    monkeypatch.setattr(Climb, "simple", lambda climb: climb.attempt(own, 2.0))
    monkeypatch.setattr(Climb, "next_rung", lambda climb: None)
    if not refit:
        monkeypatch.setattr("striate.selection.ladder.ladder.REFIT_SLACK", float("inf"))
    return run("digits", budget="20s", out=out)


@pytest.mark.parametrize("refit", [False, True])
def test_the_ladders_has_curves_and_health_of_the_rung_that_was_kept(refit, tmp_path, monkeypatch):
    done = climb_with("linear", monkeypatch, tmp_path / "run", refit)
    assert done.chosen == "linear"
    assert (done.classifier.provenance.refit_s is not None) == refit
    outline = outline_of(tmp_path / "run")
    assert (2, "Learning curves") in outline.headings
    assert (3, "Its health") in outline.headings
    assert "Of linear, the rung that was kept" in outline.words
    assert ("Then it was fitted again" in outline.words) == refit
    assert ("before it was fitted again" in outline.words) == refit
    assert ("the dot is the epoch that was kept" in outline.words) != refit
    assert read_run(tmp_path / "run").train_s == done.classifier.provenance.fit_s
    remake_report(tmp_path / "run")
    assert outline_of(tmp_path / "run").headings == outline.headings


def test_few_images_in_folds_have_one(tmp_path):
    run("xo:30", budget="6s", out=tmp_path / "run", ratios="80:0:20")
    outline_of(tmp_path / "run")


def test_in_memory_there_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_one("xo:60", "majority").report is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ratios", ["100:0:0", "80:0:20", "80:20:0"])
def test_splits_that_are_missing(ratios, tmp_path):
    run_one("xo:60", "majority", ratios=ratios, out=tmp_path / "run")
    words = outline_of(tmp_path / "run").words
    assert ("no test images were held back" in words) == ratios.endswith(":0")


def test_bands_and_names_that_break_pages(tmp_path):
    """13 channels, classes named to break a page."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 16, 16, 13), np.uint8)
    labels = np.array(["<b>&\"'", "🦊"])[np.arange(60) % 2]
    run_one((images, labels), "majority", out=tmp_path / "run")
    words = outline_of(tmp_path / "run").words
    assert "<b>&\"'" in words
    assert "🦊" in words


def test_what_goes_wrong_is_told_and_ends_nothing(tmp_path, monkeypatch):
    def broken(contents):
        raise ZeroDivisionError("one of a kind")

    monkeypatch.setattr("striate.runs.report.report_page", broken)
    listener = Listener()
    done = run_one("xo:60", "majority", out=tmp_path / "run", observer=listener)
    assert done.model.exists()
    assert done.report is None
    assert json.loads((tmp_path / "run" / "result.json").read_text())["test_accuracy"] is not None
    assert any(re.search("ZeroDivisionError: one of a kind.*striate report", text) for text in listener.warnings)


def test_damaged_records_are_left_out(tmp_path):
    done = run_one("xo:60", NET, epochs=1, precision="float32", out=tmp_path / "run")
    for name in ("run.json", "metrics.jsonl", "result.json"):
        (tmp_path / "run" / name).write_bytes(b"\xff{[")
    listener = Listener()
    data = run_one("xo:60", "majority")
    assert data.valid
    from striate.data.dataset import DataOptions, make_dataset

    splits = make_dataset("xo:60", DataOptions(), 0, Observer()).splits
    assert leave_report(RunFolder(tmp_path / "run"), done.classifier, splits, done.valid, done.test, listener)
    assert listener.warnings == []
    assert (2, "Learning curves") not in outline_of(tmp_path / "run").headings


@pytest.mark.parametrize("net", [NET, "neighbours"])
def test_it_can_be_made_again(net, tmp_path):
    settings = {} if net == "neighbours" else {"epochs": 1, "precision": "float32"}
    run_one("xo:120", net, out=tmp_path / "run", seed=3, **settings)
    page = tmp_path / "run" / "report.html"
    before = page.read_text("utf-8")
    page.unlink()
    assert remake_report(tmp_path / "run") == page
    assert page.read_text("utf-8") == before


def test_the_ladders_can_be_made_again_with_the_figures_that_chose(tmp_path):
    run("xo:120", budget="6s", out=tmp_path / "run")
    page = tmp_path / "run" / "report.html"
    before = Outline(page.read_text("utf-8")).words.split("How far to trust it")[0]
    remake_report(tmp_path / "run")
    assert Outline(page.read_text("utf-8")).words.split("How far to trust it")[0] == before


def test_other_images_and_runs_that_are_not_there_are_refused(tmp_path):
    run_one("xo:120", "majority", out=tmp_path / "run")
    with pytest.raises(TrainingError, match="not those of the run"):
        remake_report(tmp_path / "run", "xo:100")
    with pytest.raises(SourceNotFoundError, match="no run"):
        remake_report(tmp_path / "nothing")
    (tmp_path / "run" / "model.striate").unlink()
    with pytest.raises(SourceNotFoundError, match="no model in"):
        remake_report(tmp_path / "run")


def test_test_images_that_the_features_had_learned_from_are_told(tmp_path):
    """A head over a net that was trained on another split of the same images."""
    told = "test images had taught the net whose features or weights it began with"
    first = run_one("xo:120", NET, epochs=1, precision="float32", seed=1, out=tmp_path / "first")
    run_one("xo:120", "logistic", features=first.model, seed=2, out=tmp_path / "other")
    assert told in outline_of(tmp_path / "other").words
    run_one("xo:120", "logistic", features=first.model, seed=1, out=tmp_path / "same")
    assert told not in outline_of(tmp_path / "same").words


def test_plain_copies_of_training_images_are_not_laid_to_what_the_model_began_with(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    pixels[50:55] = pixels[:5]
    own = np.array(["train"] * 40 + ["valid"] * 8 + ["test"] * 12)
    found = replace(striate.read((pixels, np.arange(60) % 2)), splits=own)
    run_one(found, "majority", groups="none", out=tmp_path / "run")
    assert "it began with" not in outline_of(tmp_path / "run").words


def test_a_card_is_asked_for_and_stays_with_the_model_it_is_of(tmp_path):
    """Who has no card is told how to come by it; one that took minutes is in every later report of the same model."""
    out = tmp_path / "run"
    run_one("xo:60", NET, epochs=1, precision="float32", out=out)
    assert "Not measured: striate report RUN --robustness" in outline_of(out).words
    remake_report(out, robustness=True)
    with_card = (out / "report.html").read_text("utf-8")
    assert "Not measured" not in outline_of(out).words
    assert "Means by family" in outline_of(out).words
    remake_report(out)
    assert (out / "report.html").read_text("utf-8") == with_card
    (out / "report.html").unlink()
    (out / "result.json").unlink()
    resume(out)
    assert "Means by family" in outline_of(out).words
    other = run_one("xo:60", NET, epochs=2, precision="float32", out=tmp_path / "other")
    other.classifier.save(out / "model.striate")
    remake_report(out)
    assert "Not measured" in outline_of(out).words


@pytest.mark.parametrize("content", ["{", "[]", '{"model": 1}', '{"model": "MODEL", "card": {"corruptions": [3]}}'])
def test_a_card_that_is_damaged_is_none(content, tmp_path):
    run_one("xo:60", "neighbours", out=tmp_path / "run")
    model = striate.Classifier.load(tmp_path / "run" / "model.striate")
    (tmp_path / "run" / "robustness.json").write_text(content.replace("MODEL", answers_digest(model)))
    remake_report(tmp_path / "run")
    assert "Not measured" in outline_of(tmp_path / "run").words
