"""The climb itself, on rungs that cost nothing; `test_choosing.py` climbs the real ones."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import striate
from striate.errors import ArgumentError
from striate.observer import Observer
from striate.selection.ladder.climb import Result, Skipped, allowance, best_result, climb, mirrors_keep_classes, verdict
from striate.selection.ladder.rungs import SIMPLE, SWIFT, BaselineRung, Ground, Rung
from striate.training.engine.state import Interrupted


@pytest.fixture(scope="module")
def ground():
    images = striate.prepare(striate.read("digits")).subset(np.arange(300))
    return Ground(images, "crop", {}, 0, torch.device("cpu"), Observer())


PARTS = [(np.arange(200), np.arange(200, 300))]


@dataclass(frozen=True)
class Slow(Rung):
    """Foresees more than there is."""

    def foresee(self, ground, train, valid):
        return 1e6

    def fit(self, ground, train, valid, seconds):
        raise AssertionError("was started though it could not end")


@dataclass(frozen=True)
class Failing(Rung):
    def foresee(self, ground, train, valid):
        return 0.0

    def fit(self, ground, train, valid, seconds):
        raise ArgumentError("no such thing here")


MAJORITY, NEIGHBOURS = BaselineRung("majority", 0.1), BaselineRung("neighbours", 0.5)


def test_what_cannot_end_in_time_is_not_started_and_what_fails_does_not_end_the_climb(ground):
    told = []
    results = climb(
        [MAJORITY, Slow("slow", 0.1), Failing("failing", 0.1), NEIGHBOURS], ground, PARTS, 60, (), told.append
    )
    assert [one.name for one in told] == ["majority", "slow", "failing", "neighbours"]
    assert [type(one) for one in told] == [Result, Skipped, Skipped, Result]
    assert "would need about 1000000 s" in told[1].reason
    assert told[2].reason == "no such thing here"
    assert results == [told[0], told[3]]
    assert best_result(results).name == "neighbours"


def test_results_are_judged_on_the_images_that_choose(ground):
    result = climb([NEIGHBOURS], ground, PARTS, 60)[0]
    held = ground.images.subset(PARTS[0][1])
    assert result.valid.total == len(result.right) == len(held)
    assert result.valid.correct == result.right.sum()
    assert np.array_equal(result.right, result.classifier.predict_proba(held).argmax(1) == held.labels)
    assert result.size_bytes > held.pixels[0].size * 200  # the images that it remembers
    assert result.image_ms > 0


def test_folds_judge_each_image_once_and_all_images_teach_the_last(ground):
    turns = np.arange(300) % 3
    folds = [(np.flatnonzero(turns != i), np.flatnonzero(turns == i)) for i in range(3)]
    result = climb([NEIGHBOURS], ground, folds, 60)[0]
    assert result.valid.total == 300
    assert np.array_equal(np.sort(result.classifier.trained_on), np.unique(ground.images.hashes))


def test_a_climb_goes_on_after_what_is_done_and_ends_when_asked(ground):
    first = climb([MAJORITY], ground, PARTS, 60)
    told = []
    both = climb([MAJORITY, NEIGHBOURS], ground, PARTS, 60, first, told.append)
    assert [one.name for one in told] == ["neighbours"]
    assert both[0] is first[0]
    with pytest.raises(Interrupted):
        climb([MAJORITY], replace(ground, stop=lambda: True), PARTS, 60)


def test_shares_are_of_the_budget_and_weights_of_what_is_left():
    a, b, c = Rung("a", share=0.1), Rung("b", weight=1), Rung("c", weight=2)
    assert allowance(a, [b, c], 100, 100) == pytest.approx(10)
    assert allowance(b, [c], 90, 100) == pytest.approx(30)
    assert allowance(c, [], 60, 100) == pytest.approx(60)
    assert allowance(b, [replace(a), c], 90, 100) == pytest.approx(80 / 3)
    assert sum(one.share for one in SIMPLE[1:]) < 0.2  # the majority takes a moment
    assert SWIFT.weight


def test_mirrors_are_seen_to_change_digits_and_not_blots(ground):
    results = climb([MAJORITY, NEIGHBOURS], ground, PARTS, 60)
    assert not mirrors_keep_classes(results, ground, PARTS)
    whole = np.concatenate([ground.images.images, ground.images.images[:, :, ::-1]], axis=2)  # symmetric pictures
    images = replace(ground.images, pixels=whole, rows=np.arange(len(whole)))
    ground = replace(ground, images=images)
    assert mirrors_keep_classes(climb([MAJORITY, NEIGHBOURS], ground, PARTS, 60), ground, PARTS)
    assert not mirrors_keep_classes([], ground, PARTS)


def result(name, right, is_net):
    right = np.array(right)
    cells = np.array([[0, 0, right.sum()], [0, 1, (~right).sum()]])
    return Result(name, striate.Evaluation(("a", "b"), cells), right, 1.0, 1, 1.0, is_net)


def test_the_verdict_says_what_the_numbers_bear():
    weak, strong = [True] * 50 + [False] * 50, [True] * 90 + [False] * 10
    assert "A net beats the simple methods here by 40.0 points, swift 90.0% against linear 50.0%" in verdict(
        [result("linear", weak, False), result("swift", strong, True)]
    )
    assert "The simple methods win here" in verdict([result("knn", strong, False), result("swift", weak, True)])
    near = [True] * 91 + [False] * 9
    assert "beyond noise" in verdict([result("knn", strong, False), result("swift", near, True)])
    assert verdict([result("knn", strong, False)]) == "knn is the only kind of method tried."


def test_the_budget_counts_what_was_spent_before(ground):
    spent = result("majority", [True] * 50 + [False] * 50, False)
    told = []
    climb([Failing("majority"), Slow("slow", weight=1)], ground, PARTS, 2.0, [replace(spent, fit_s=1.5)], told.append)
    assert "0 s are left" in told[0].reason or "1 s are left" in told[0].reason


def test_the_metric_decides_which_result_is_best():
    accurate, even = (
        replace(result(name, [True], False), valid=striate.Evaluation(("a", "b"), np.array(cells)))
        for name, cells in (("majority", [[0, 0, 90], [1, 0, 10]]), ("even", [[0, 0, 60], [0, 1, 30], [1, 1, 10]]))
    )
    assert best_result([accurate, even]) is accurate
    assert best_result([accurate, even], "balanced-accuracy") is best_result([accurate, even], "macro-f1") is even
