"""What goes wrong on the ladder costs a rung, never the climb, and never blocks the folder for the next try."""

import json

import numpy as np
import pytest
from PIL import Image

from striate.data.reading import read
from striate.errors import ArgumentError, DataError, TrainingError
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.selection.fit import run
from striate.selection.ladder.failures import FAILURES
from striate.selection.ladder.results import Skipped
from striate.selection.ladder.rungs import NetRung
from striate.selection.ladder.swift_rung import SwiftRung

pytestmark = pytest.mark.usefixtures("patient_clock")


class Heard(Observer):
    def __init__(self):
        self.news, self.words = [], []

    def rung(self, result):
        self.news.append(result)

    def note(self, text):
        self.words.append(text)

    def warn(self, text):
        self.words.append(text)

    def skipped(self):
        return {one.name: one.reason for one in self.news if isinstance(one, Skipped)}


def folder_of(root, counts, draw):
    """Make `counts[c]` images of each class, drawn by draw(class, number)."""
    for c, count in enumerate(counts):
        (root / f"c{c}").mkdir(parents=True)
        for i in range(count):
            Image.fromarray(draw(c, i)).save(root / f"c{c}" / f"{i}.png")
    return root


def noisy(c, i):
    return np.random.default_rng(100 * c + i).integers(0, 120 + 100 * (c % 2), (16, 16, 3)).astype(np.uint8)


@pytest.mark.parametrize("counts", [(1, 1), (1, 2), (1, 3), (1, 1, 1), (1, 1, 2, 1), (1, 9)], ids=str)
def test_however_few_images_the_climb_ends(tmp_path, counts):
    heard, out = Heard(), tmp_path / "run"
    result = run(folder_of(tmp_path / "images", counts, noisy), budget="3s", out=out, observer=heard)
    assert len(result.rungs) >= 2
    alone = counts.count(1)
    told = [line for line in heard.words if "one distinct image or group" in line]
    assert len(told) == 1
    assert told[0].startswith(f"{alone} class")
    assert not (out / FAILURES).exists(), (out / FAILURES).read_text()


def test_a_net_with_norms_is_left_out_where_it_gets_one_image(tmp_path):
    """Of the methods that are left, the best is kept."""
    heard = Heard()
    source = folder_of(tmp_path / "images", (1, 1), noisy)
    result = run(source, budget="8s", observer=heard, size=(16, 16))
    assert {"majority", "neighbours", "linear"} <= {one.name for one in result.rungs}
    assert all("batch norms need more than one image" in why for why in heard.skipped().values())


@pytest.mark.parametrize(
    ("counts", "draw"),
    [((6, 6), lambda c, i: np.full((16, 16, 3), 90, np.uint8)), ((1, 4, 7), lambda c, i: noisy(0, 0))],
    ids=["flat", "a photograph"],
)
def test_images_that_are_all_alike_are_refused_in_one_sentence(tmp_path, counts, draw):
    source, heard, out = folder_of(tmp_path / "images", counts, draw), Heard(), tmp_path / "run"
    with pytest.raises(DataError, match="nothing can be learned: all 12 images are identical"):
        run(source, budget="4s", out=out, observer=heard)
    assert not heard.news
    assert not out.exists()


def test_flat_colours_are_told_apart(tmp_path):
    source = folder_of(tmp_path / "images", (8, 8), lambda c, i: np.full((16, 16), 255 * c, np.uint8))
    assert run(source, budget="3s").classifier.predict(source / "c1" / "0.png").label in ("c0", "c1")


@pytest.mark.parametrize(
    "error", [IndexError("list index out of range"), MemoryError(), KeyError("x"), RecursionError()]
)
def test_an_unexpected_error_is_told_kept_and_gone_over(tmp_path, monkeypatch, error):
    def fails(self, *arguments):
        raise error

    monkeypatch.setattr(NetRung, "fit", fails)
    heard, out = Heard(), tmp_path / "run"
    result = run(read("digits").subset(np.arange(300)), budget="6s", out=out, observer=heard)
    assert {one.name for one in result.rungs} >= {"majority", "neighbours", "swift"}
    assert set(heard.skipped()) == {"linear", "mlp"}
    expected = "not enough memory" if isinstance(error, MemoryError) else f"an unexpected error: {type(error).__name__}"
    assert all(expected in why and str(out / FAILURES) in why for why in heard.skipped().values())
    kept = (out / FAILURES).read_text()
    assert kept.count("Traceback") == 2
    assert "in fails" in kept
    assert {one["name"] for one in json.loads((out / "ladder.json").read_text())["skipped"]} == {"linear", "mlp"}


@pytest.mark.parametrize("place", ["climb.mirrors_keep_classes", "climb.measure_model", "ladder.outlook"])
def test_errors_between_the_rungs_cost_no_climb(tmp_path, monkeypatch, place):
    def fails(*arguments):
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(f"striate.selection.ladder.{place}", fails)
    heard = Heard()
    source = read("digits").subset(np.arange(300))
    if place == "climb.measure_model":
        with pytest.raises(DataError, match=r"nothing could be fitted to digits: majority: .*ZeroDivisionError"):
            run(source, budget="3s", out=tmp_path / "run")
        return
    assert run(source, budget="3s", out=tmp_path / "run", observer=heard).model.exists()
    assert "in fails" in (tmp_path / "run" / FAILURES).read_text()


def test_a_run_that_came_to_nothing_does_not_block_its_folder(tmp_path, monkeypatch):
    def fails(self, *arguments):
        raise ValueError("none of it works")

    source, out = read("digits").subset(np.arange(300)), tmp_path / "run"
    with monkeypatch.context() as patch:
        for name in ("striate.selection.ladder.climb.climb_one", "striate.selection.ladder.climb.mirrors_keep_classes"):
            patch.setattr(name, fails)
        patch.setattr(SwiftRung, "try_out", fails)
        with pytest.raises(DataError, match="nothing could be fitted to digits: majority: an unexpected error: Val"):
            run(source, budget="3s", out=out)
    assert "none of it works" in (out / FAILURES).read_text()
    assert not RunFolder(out).exists
    assert run(source, budget="3s", out=out).model.exists()


def test_one_net_that_fails_at_once_does_not_block_its_folder(tmp_path):
    source, out = read("digits").subset(np.arange(300)), tmp_path / "run"
    with pytest.raises(TrainingError, match="loss became"):
        run(source, net="fc(32) relu fc(classes)", epochs=1, learning_rate=1e30, precision="float32", out=out)
    assert not RunFolder(out).exists
    assert run(source, net="linear", epochs=1, out=out).model.exists()
    before = sorted(one.name for one in out.iterdir())
    with pytest.raises(ArgumentError, match="already holds a run"):
        run(source, net="linear", epochs=1, out=out)
    assert sorted(one.name for one in out.iterdir()) == before
