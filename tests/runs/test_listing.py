"""Run folders, whole and odd: what the list says of them, and what comparing says of two."""

import json
import os
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import SourceNotFoundError
from striate.observer import Observer
from striate.runs.comparison import compare_runs, differences, verdicts
from striate.runs.listing import Accuracy, Run, find_runs, read_run, sort_runs
from striate.selection.fit import run_one
from striate.training.engine.state import Interrupted


@pytest.fixture
def run(digits_run, tmp_path):
    """A copy of a finished run, to be spoilt."""
    return Path(shutil.copytree(digits_run, tmp_path / "run"))


def test_a_finished_run_is_read_whole(digits_run, digits_model):
    run = read_run(digits_run)
    assert (run.state, run.source, run.epochs, run.planned) == ("finished", "digits", 12, 12)
    assert run.net == str(digits_model.net)
    assert run.valid.value == digits_model.provenance.valid_accuracy
    assert run.test.total == digits_model.provenance.test_total
    low, high = run.valid.interval
    assert low < run.valid.value < high
    assert run.train_s > 0
    assert run.settings["learning_rate"] == 0.01


def test_a_stopped_run_says_where_and_a_held_one_that_it_trains(tmp_path):
    class Stop(Observer):
        def epoch(self, record, better):
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, Interrupted)):
        run_one("xo:40", "fc(classes)", epochs=3, precision="float32", out=tmp_path / "run", observer=Stop())
    assert (read_run(tmp_path / "run").state, read_run(tmp_path / "run").planned) == ("stopped", 3)
    with FileLock(tmp_path / "run" / ".lock"):
        assert read_run(tmp_path / "run").state == "training"


def test_patience_finishes_a_run(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    best = max(range(len(lines)), key=lambda i: json.loads(lines[i])["valid_accuracy"])
    (run / "metrics.jsonl").write_text("\n".join(lines[: best + 1] + [lines[0]] * 2))
    (run / "result.json").unlink()
    text = (run / "recipe.toml").read_text().replace("epochs = 12", "epochs = 90")
    shorter = zipfile.ZipFile(run / "model.striate").read("striate.json").decode().replace("test_accuracy", "other")
    with zipfile.ZipFile(run / "model.striate", "w") as archive:
        archive.writestr("striate.json", shorter)
    (run / "recipe.toml").write_text(text.replace("patience = 0", "patience = 3"))
    assert read_run(run).state == "stopped"
    patient = text.replace("patience = 0", "patience = 2")
    (run / "recipe.toml").write_text(patient)
    assert read_run(run).state == "finished"
    small = patient.replace("small_until = 0.0", "small_until = 0.9")  # of 90 epochs: patience has not begun
    (run / "recipe.toml").write_text(small)
    assert read_run(run).state == "stopped"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("run.json", b"{", "run.json is damaged"),
        ("run.json", b"[1]", "run.json is damaged"),
        ("run.json", b"\xff\xfe", "run.json is damaged"),
        ("run.json", b"[" * 100_000, "run.json is damaged"),
        ("recipe.toml", b"epochs = 'x'", "epochs must be a whole number"),
        ("recipe.toml", b"\xff", "recipe"),
        ("metrics.jsonl", b"{}\n{", "metrics.jsonl is damaged at line 2"),
        ("metrics.jsonl", b"3\n", "metrics.jsonl is damaged at line 1"),
        ("model.striate", b"PK\x03\x04", "model.striate is damaged"),
        ("model.striate", None, "model.striate is missing"),
    ],
)
def test_what_is_damaged_is_named(run, name, content, why):
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    broken = read_run(run)
    assert broken.state == "broken"
    assert why in broken.why


@pytest.mark.parametrize("name", ["run.json", "recipe.toml", "net.txt", "metrics.jsonl", "model.striate"])
def test_folders_in_the_place_of_files_are_broken_runs(run, name):
    (run / name).unlink()
    (run / name).mkdir()
    assert read_run(run).state == "broken"


def test_a_model_that_unpacks_to_more_than_it_is_stays_packed(run):
    with zipfile.ZipFile(run / "model.striate", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("striate.json", b" " * (1 << 20))
    assert read_run(run).why == "model.striate is damaged"


ODD = [None, True, -1, 10**400, 1e308, float("nan"), "", "ü\ud800", [], [1, "a"], {}, {"valid": "x", "epochs": [2]}]
KEYS = ["valid_accuracy", "test_accuracy", "test_total", "splits", "recipe", "data", "asked", "source", "train_s",
        "seconds", "net", "input", "patience", "epochs"]  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(ODD))


@given(OBJECTS, OBJECTS, OBJECTS)
def test_any_json_is_survived(tmp_path_factory, said, line, provenance):
    folder = tmp_path_factory.mktemp("odd")
    (folder / "run.json").write_text(json.dumps(said))
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    with zipfile.ZipFile(folder / "model.striate", "w") as archive:
        archive.writestr("striate.json", json.dumps({"provenance": provenance}))
    run = read_run(folder)
    json.dumps(run.to_json())
    sort_runs([run, run], "seconds")
    differences([run, Run(folder, "finished")])


def test_runs_are_found_below_a_folder_in_natural_order(digits_run, tmp_path):
    for name in ("runs/digits-10", "runs/digits-2", "runs/deep/er/digits-1"):
        shutil.copytree(digits_run, tmp_path / name)
    (tmp_path / "runs/foreign").mkdir()
    (tmp_path / "runs/foreign/notes.txt").write_text("no run")
    (tmp_path / "runs/model").mkdir()
    shutil.copy(digits_run / "model.striate", tmp_path / "runs/model")
    if os.name == "posix":
        (tmp_path / "runs/loop").symlink_to(tmp_path / "runs")
    found = find_runs(tmp_path / "runs")
    names = ["deep/er/digits-1", "digits-2", "digits-10", "model"]
    assert [str(run.path.relative_to(tmp_path / "runs")) for run in found] == names
    assert {run.state for run in found} == {"finished"}  # a model without a run is one, too: baselines train no epochs
    assert [run.path for run in find_runs(tmp_path / "runs/digits-2")] == [tmp_path / "runs/digits-2"]
    with pytest.raises(SourceNotFoundError, match="no folder"):
        find_runs(tmp_path / "nothing")


def made(name, correct, total=1000, data="same", **settings):
    valid = None if correct is None else Accuracy(correct / total, total)
    return Run(Path(name), "finished", net="fc(2)", valid=valid, data=data, train_s=1.0, settings=settings)


def test_sorting():
    runs = [made("a-10", 900), made("a-9", None), made("b", 950)]
    assert [str(run.path) for run in sort_runs(runs, "name")] == ["a-9", "a-10", "b"]
    assert [str(run.path) for run in sort_runs(runs, "accuracy")] == ["b", "a-10", "a-9"]


def test_differences_are_named_and_equal_settings_left_out():
    runs = [made("a", 900, epochs=3, seed=0), made("b", 910, epochs=5, seed=0, dropout=0.2)]
    assert differences(runs) == {"epochs": [3, 5], "dropout": [None, 0.2]}


def test_only_runs_on_the_same_images_are_compared():
    judged = verdicts([made("a", 900), made("b", 950), made("c", 990, data="other"), made("d", None)])
    assert [str(one.other.path) for one in judged] == ["b", "a", "d"]
    assert not any(one.same_images for one in judged)
    assert "not comparable" in str(judged[0])
    assert "no validation accuracy" in str(compare_runs(made("a", 900), made("d", None)))
    assert "does not say which images" in str(compare_runs(made("a", 900, data=""), made("b", 900, data="")))


@pytest.mark.parametrize(
    ("first", "second", "total", "interval"),
    # Newcombe 1998, table II, method 10: (a) 56/70 and 48/80 … (h) 10/10 and 0/10
    [((56, 70), (48, 80), 0.2, (0.0524, 0.3339)), ((9, 10), (3, 10), 0.6, (0.1705, 0.8090)),
     ((10, 10), (0, 10), 1.0, (0.6075, 1.0))],
)  # fmt: skip
def test_the_interval_of_a_difference_is_newcombes(first, second, total, interval):
    verdict = compare_runs(made("a", *first), made("b", *second))
    assert verdict.difference == pytest.approx(total)
    assert verdict.interval == pytest.approx(interval, abs=5e-5)


def test_noise_is_called_noise():
    assert compare_runs(made("a", 980), made("b", 900)).beyond_noise is True
    assert compare_runs(made("a", 98, 100), made("b", 96, 100)).beyond_noise is False
    assert "within noise" in str(compare_runs(made("a", 98, 100), made("b", 96, 100)))


def test_runs_are_compared_by_their_groups():
    """980 and 900 of 1,000 frames of 20 objects are no 980 and 900 images."""
    a, b = (replace(made(name, correct), valid=Accuracy(correct / 1000, 1000, kept))
            for name, correct, kept in (("a", 980, (0.84, 0.998)), ("b", 900, (0.71, 0.97))))  # fmt: skip
    assert compare_runs(made("a", 980), made("b", 900)).beyond_noise
    verdict = compare_runs(a, b)
    assert verdict.beyond_noise is False
    low, high = verdict.interval
    assert low == pytest.approx(0.08 - np.hypot(0.98 - 0.84, 0.97 - 0.90))
    assert high == pytest.approx(0.08 + np.hypot(0.998 - 0.98, 0.90 - 0.71))


def test_a_validation_interval_that_was_kept_is_told_as_the_run_told_it(run, digits_model):
    """Groups were counted at the end of the run; counting images the interval would be too narrow."""
    told = replace(digits_model.provenance, valid_accuracy=0.75, valid_interval=[0.5, 0.9])
    replace(digits_model, provenance=told).save(run / "model.striate")
    assert read_run(run).valid.interval == (0.5, 0.9)
    replace(digits_model, provenance=replace(told, valid_interval=None)).save(run / "model.striate")
    assert read_run(run).valid.interval[0] > 0.6
