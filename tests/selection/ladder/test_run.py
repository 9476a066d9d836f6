"""From a source to the chosen classifier: the run folder, resuming, few images, what is refused."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.data.reading import read
from striate.errors import ArgumentError, StriateError, TrainingError
from striate.metrics.evaluation import Evaluation
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.selection.fit import resume, run
from striate.selection.ladder import swift_rung
from striate.selection.ladder.clock import Clock
from striate.selection.ladder.forecast import Move
from striate.selection.ladder.ground import Ground
from striate.selection.ladder.memory import Memory
from striate.selection.ladder.results import Result, Skipped, best_result
from striate.selection.ladder.rungs import SIMPLE
from striate.selection.ladder.swift_rung import SWIFT
from striate.training.budget import choose_swift
from striate.training.engine.state import Interrupted

pytestmark = pytest.mark.usefixtures("patient_clock")


class Heard(Observer):
    """Remembers the rungs and notes, and asks for a stop after a number of rungs."""

    def __init__(self, rungs=99):
        self.names, self.notes, self.most = [], [], rungs

    def rung(self, result):
        self.names.append(result.name)
        if len(self.names) == self.most:
            raise KeyboardInterrupt

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def digits():
    return read("digits").subset(np.arange(600))


@pytest.fixture(scope="module")
def climbed(digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("ladder") / "run"
    return run(digits, budget="9s", out=out), out


def test_the_best_rung_is_kept_and_judged_once(climbed):
    result, out = climbed
    assert [one.name for one in result.rungs] == ["majority", "neighbours", "linear", "mlp", "swift"]
    best = best_result(result.rungs)
    assert result.chosen == best.name
    assert result.valid is best.valid
    assert result.valid.accuracy > 0.9 > result.rungs[0].valid.accuracy
    saved = striate.Classifier.load(out / "model.striate")
    assert saved.provenance.chosen == best.name
    assert saved.provenance.test_accuracy == result.test.accuracy
    assert saved.provenance.verdict == result.verdict
    assert [one["name"] for one in json.loads((out / "ladder.json").read_text())["rungs"]] == [
        one.name for one in result.rungs
    ]
    assert not (out / "rungs").exists()


def test_no_test_image_taught_or_chose(climbed, digits):
    result, _ = climbed
    images = striate.prepare(digits)
    unseen = ~np.isin(images.hashes, result.classifier.trained_on)
    assert unseen.sum() == result.test.total > 50


def test_a_stopped_climb_goes_on_where_it_was(digits, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(digits, budget="8s", out=tmp_path / "run", observer=Heard(2))
    assert striate.Classifier.load(tmp_path / "run" / "model.striate").provenance.fitted.startswith("neighbours")
    heard = Heard()
    whole = resume(tmp_path / "run", digits, observer=heard)
    assert heard.names == ["majority", "neighbours", "linear", "mlp", "swift"]
    assert whole.rungs[1].valid.total == whole.rungs[4].valid.total
    assert isinstance(whole.rungs[1], Result)
    other = digits.subset(np.arange(500))
    with pytest.raises(TrainingError, match="was started otherwise"):
        run(other, budget="8s", out=tmp_path / "run", resume=True)
    with pytest.raises(ArgumentError, match="already holds a run"):
        run(digits, budget="8s", out=tmp_path / "run")


def judged(name, right, of=100):
    """A rung that got so many of the images right."""
    cells = np.array([[0, 0, right], [0, 1, of - right]])
    return Result(name, Evaluation(("a", "b"), cells), np.arange(of) < right, 1.0, 1, 1.0, True)


def test_how_the_best_rung_learned_stays_beside_its_model(tmp_path):
    """Whichever rung is best after each, also after a resume; nothing of another, nothing of what learns in none."""

    def learn(name):
        (tmp_path / "rungs" / name).mkdir(parents=True)
        for file in ("metrics.jsonl", "health.json", "checkpoint.safetensors"):
            (tmp_path / "rungs" / name / file).write_text(f"{file} of {name}")

    def kept():
        return [path.read_text() for path in sorted(tmp_path.glob("*.json*")) if path.name != "ladder.json"]

    memory = Memory(RunFolder(tmp_path), resumed=False)
    memory.add(judged("neighbours", 50), 1.0)
    assert kept() == []
    learn("mlp")
    memory.add(judged("mlp", 70), 2.0)
    assert kept() == ["health.json of mlp", "metrics.jsonl of mlp"]
    learn("linear")
    memory.add(judged("linear", 60), 3.0)
    assert kept() == ["health.json of mlp", "metrics.jsonl of mlp"]
    assert not (tmp_path / "rungs").exists()
    again = Memory(RunFolder(tmp_path), resumed=True)
    again.add(judged("majority", 10), 4.0)
    assert kept() == ["health.json of mlp", "metrics.jsonl of mlp"]
    learn("swift")
    again.add(judged("swift", 90), 4.0)
    assert kept() == ["health.json of swift", "metrics.jsonl of swift"]
    again.add(judged("pretrained", 99), 5.0)
    assert kept() == []


def test_the_seconds_of_an_interrupted_rung_are_spent(digits, tmp_path, monkeypatch):
    def stopped(*_):
        raise Interrupted

    monkeypatch.setattr("striate.selection.ladder.ladder.climb", stopped)
    with pytest.raises(Interrupted):
        run(digits, budget="60s", out=tmp_path / "run")
    assert Memory(RunFolder(tmp_path / "run"), resumed=True).spent_s > 0


def test_where_the_time_went_is_kept_with_the_forecasts_that_decided(climbed):
    out = climbed[1]
    choices = json.loads((out / "ladder.json").read_text())["choices"]
    assert [one["name"] for one in choices] == ["swift"]
    assert 0 < choices[0]["foreseen_accuracy"]["swift"] <= 1
    assert 0 < choices[0]["given_s"] <= choices[0]["left_s"] < 9


def test_what_was_left_out_and_chosen_before_a_stop_is_not_forgotten(tmp_path):
    folder = RunFolder(tmp_path)
    memory = Memory(folder, resumed=False)
    for news in (Skipped("mlp", "too large"), Move("swift", 3.0, 4.0, {"swift": 0.25, "pretrained": 0.5})):
        memory.add(news, 1.0)
    again = Memory(folder, resumed=True)
    again.keep(2.0)
    kept = json.loads((tmp_path / "ladder.json").read_text())
    assert kept["skipped"] == [{"name": "mlp", "reason": "too large"}]
    expected = {"swift": 0.75, "pretrained": 0.5}
    assert kept["choices"] == [{"name": "swift", "given_s": 3.0, "left_s": 4.0, "foreseen_accuracy": expected}]


def test_many_frames_of_few_objects_take_turns_too():
    """Validation images of four objects are four to choose by."""
    rng = np.random.default_rng(0)
    pixels = np.repeat(rng.integers(0, 256, (40, 8, 8, 1)), 25, 0) + rng.integers(-3, 4, (1000, 8, 8, 1))
    labels, objects = np.repeat(np.arange(40) % 2, 25), [str(i // 25) for i in range(1000)]
    catalog = replace(read((np.clip(pixels, 0, 255).astype(np.uint8), labels)), columns={"object": objects})
    heard = Heard()
    run(catalog, budget="3s", observer=heard, groups="object")
    few = next(note for note in heard.notes if "are few: each rung is cross-validated in 5 folds" in note)
    assert 30 < int(few.split(" images of ")[1].split(" groups")[0]) <= 40
    heard = Heard()
    run(catalog, budget="3s", observer=heard, groups="none")
    assert not any("cross-validated" in note for note in heard.notes)


def test_few_images_take_turns(tmp_path):
    catalog = read("xo").subset(np.arange(36))
    heard = Heard()
    result = run(catalog, budget="3s", observer=heard)
    assert any("are few: each rung is cross-validated in 5 folds" in note for note in heard.notes)
    assert result.valid.total + result.test.total == 36
    assert result.test.total == (~np.isin(striate.prepare(catalog).hashes, result.classifier.trained_on)).sum()


def test_a_class_of_one_image_ends_no_climb():
    catalog = read("digits").subset(np.arange(25))
    result = run(catalog, budget="2s", ratios=(1, 0, 0))
    assert result.test is None
    assert result.valid.total == 25


def test_a_run_of_one_net_is_resumed_as_such(tmp_path, digits):
    from striate.selection.fit import run_one

    run_one(digits, "fc(classes)", epochs=1, out=tmp_path / "run")
    assert resume(tmp_path / "run", digits).train_s > 0
    assert RunFolder(tmp_path / "run").net.read_text().strip() == "fc(10)"


def test_a_time_that_is_none_is_refused(digits):
    with pytest.raises(ArgumentError, match="a time must be as 90s, 5m or 1h30m, above zero; got 'soon'"):
        run(digits, budget="soon")


@pytest.mark.parametrize("content", [None, b"", b"hello"])
def test_weights_that_are_none_cost_no_climb(digits, tmp_path, content):
    weights, out = tmp_path / "mobilenet_v2.pth", tmp_path / "run"
    if content is not None:
        weights.write_bytes(content)
    with pytest.raises(StriateError, match=r"mobilenet_v2\.pth"):
        run(digits, budget="5s", weights=weights, out=out)
    assert not out.exists()


@pytest.mark.parametrize("rung", [SIMPLE[-1], SWIFT])
def test_after_the_first_fold_nets_are_trained_as_in_it(digits, rung):
    images = striate.prepare(digits)
    described = {"source": "digits", "format": "arrays", "images": len(images), "data": ""}
    first = striate.train(digits, "swift_xs(width=0.5)", epochs=3)
    clock = Clock(time.perf_counter(), 60.0)
    ground = Ground(images, "crop", described, 0, torch.device("cpu"), Heard(), clock, 8, mirrors=False, like=first)
    model = rung.fit(ground, np.arange(200), np.arange(0), 60.0)
    assert model.provenance.epoch == first.provenance.epoch
    assert rung is not SWIFT or model.net == first.net


def test_a_cross_validation_measures_its_net_once(monkeypatch):
    """Three folds and the last fit: the first fold chooses the swift net for all four."""
    chosen = []
    monkeypatch.setattr(
        swift_rung, "choose_swift", lambda *args, **more: chosen.append(choose_swift(*args, **more)) or chosen[0]
    )
    heard = Heard()
    run(read("digits").subset(np.arange(60)), budget="8s", observer=heard)
    assert len(chosen) == 1
    assert any(note.startswith("swift: ") for note in heard.notes)


@pytest.fixture(scope="module")
def thinned():
    """Digits of which every other class has thirty images."""
    data = read("digits")
    keep = [np.flatnonzero(data.labels == c)[: 30 if c % 2 else None] for c in range(10)]
    return data.subset(np.concatenate(keep))


def test_the_ladder_chooses_by_the_metric_and_balances_what_it_can(thinned, tmp_path):
    out = tmp_path / "run"
    result = run(thinned, budget="8s", metric="balanced-accuracy", balance="loss", out=out)
    chosen = next(one for one in result.rungs if one.name == result.chosen)
    assert chosen.valid.balanced_accuracy == max(one.valid.balanced_accuracy for one in result.rungs)
    assert chosen.valid.uneven
    recipes = [one.classifier.provenance.recipe for one in result.rungs if one.classifier.provenance.recipe]
    assert {(recipe["metric"], recipe["balance"]) for recipe in recipes} == {("balanced-accuracy", "loss")}
    again = resume(out, thinned)  # as it was started
    assert again.chosen == result.chosen
    with pytest.raises(ArgumentError, match="metric, balance cannot change with resume"):
        run(thinned, metric="macro-f1", balance="draw", out=out, resume=True)
    assert run(thinned, metric="balanced-accuracy", out=out, resume=True).chosen == result.chosen


def test_what_the_ladder_keeps_does_not_grow_with_the_square_of_the_classes(climbed):
    result, out = climbed
    assert result.classifier.provenance.ladder
    for one in result.classifier.provenance.ladder:
        assert {"valid_accuracy", "balanced_accuracy", "macro_f1"} <= one.keys()
        assert not {"confusion", "confusion_cells", "classes"} & one.keys()
    for one in json.loads((out / "ladder.json").read_text())["rungs"]:
        assert "confusion" not in one
        assert len(one["confusion_cells"]) <= result.valid.total


def test_a_ladder_that_kept_whole_matrices_is_read(climbed):
    result, out = climbed
    known = Memory(RunFolder(out), resumed=True).results
    kept = json.loads((out / "ladder.json").read_text())
    for one, rung in zip(kept["rungs"], result.rungs, strict=True):
        del one["confusion_cells"]
        one["confusion"] = rung.valid.confusion.tolist()
    before = (out / "ladder.json").read_text()
    (out / "ladder.json").write_text(json.dumps(kept))
    old = Memory(RunFolder(out), resumed=True).results
    (out / "ladder.json").write_text(before)
    for one, other, rung in zip(known, old, result.rungs, strict=True):
        assert np.array_equal(one.valid.confusion, rung.valid.confusion)
        assert np.array_equal(other.valid.cells, one.valid.cells)
        assert np.array_equal(other.right, rung.right)


def test_the_clock_starts_with_the_command(digits):
    heard = Heard()
    result = run(digits, budget="30s", began=time.perf_counter() - 29, observer=heard)
    assert heard.names[0] == "majority"
    assert "swift" not in heard.names
    assert result.valid.total


def test_enlarged_images_are_told_and_trained_on_as_small_as_they_are(tmp_path):
    images = striate.prepare(read("digits").subset(np.arange(400)))
    large = np.stack([np.asarray(Image.fromarray(one[..., 0]).resize((96, 96), 3)) for one in images.images])
    heard = Heard()
    result = run((large, images.labels), budget="12s", observer=heard, out=tmp_path / "run")
    assert any("show no detail beyond" in note and "they were enlarged" in note for note in heard.notes)
    swift = next(one for one in result.rungs if one.name == "swift")
    assert swift.classifier.preprocessing.size <= (40, 40)
    assert swift.classifier.predict(large[0]).label in result.classifier.classes
    assert striate.Classifier.load(tmp_path / "run" / "model.striate").predict_proba(large[:2]).shape == (2, 10)
