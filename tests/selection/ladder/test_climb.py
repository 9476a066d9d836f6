"""The climb itself, mostly on rungs that cost nothing; `test_run.py` climbs the real ones."""

import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import striate
from striate.errors import ArgumentError
from striate.observer import Observer
from striate.selection.ladder.climb import Climb, climb_one
from striate.selection.ladder.clock import Clock
from striate.selection.ladder.forecast import Probe
from striate.selection.ladder.ground import Ground
from striate.selection.ladder.outlook import outlook
from striate.selection.ladder.pretrained_rungs import FROZEN, TUNED
from striate.selection.ladder.results import Result, Skipped, best_result, calibrated_log_loss, lost, verdict
from striate.selection.ladder.rungs import SIMPLE, BaselineRung, Rung
from striate.selection.ladder.swift_rung import SWIFT
from striate.selection.ladder.symmetry import mirrors_keep_classes
from striate.training.engine.state import Interrupted


@pytest.fixture(scope="module")
def images():
    return striate.prepare(striate.read("digits")).subset(np.arange(300))


@pytest.fixture
def ground(images):
    return Ground(images, "crop", {}, 0, torch.device("cpu"), Observer(), Clock(time.perf_counter(), 60.0), 8)


PARTS = [(np.arange(200), np.arange(200, 300))]
MAJORITY, NEIGHBOURS = BaselineRung("majority", 0.1), BaselineRung("neighbours", 0.5)


@dataclass(frozen=True)
class Failing(Rung):
    def fit(self, ground, train, valid, seconds):
        raise ArgumentError("no such thing here")


@pytest.mark.parametrize(
    ("side", "detail", "seconds", "chosen"),
    [
        (32, 32, 21, 32), (32, 32, 19, 24), (32, 32, 4, 16), (28, 28, 21, 28), (28, 28, 15, 24), (8, 8, 1, 8),
        (96, 96, 500, 96), (96, 96, 449, 64), (96, 40, 500, 40), (96, 96, 19, 24), (96, 24, 500, 24),
    ],
)  # fmt: skip
def test_time_decides_at_how_many_pixels_swift_looks(images, side, detail, seconds, chosen):
    """An epoch of a small net takes 10 s at 32 pixels, and as much less as there are fewer pixels."""
    pixels = np.zeros((40, side, side, 1), np.uint8)
    found = replace(images.subset(np.arange(40)), pixels=pixels, rows=np.arange(40))
    ground = Ground(found, "crop", {}, 0, torch.device("cpu"), Observer(), Clock(0.0, 1.0), detail)
    for measured in (24, 28, 32):
        ground.known["epoch", (1, measured, measured), 40] = 10.0 * (measured / 32) ** 2
    assert SWIFT._images(ground, np.arange(40), seconds).image_shape[0] == chosen


def test_what_fails_is_told_and_does_not_end_the_climb(ground):
    told = []
    climb = Climb(ground, PARTS, [], told.append)
    climb.simple([MAJORITY, Failing("failing", 0.1), NEIGHBOURS])
    assert [one.name for one in told] == ["majority", "failing", "neighbours"]
    assert [type(one) for one in told] == [Result, Skipped, Result]
    assert told[1].reason == "no such thing here"
    assert climb.results == [told[0], told[2]]
    assert best_result(climb.results).name == "neighbours"
    assert climb.is_done(Failing("failing"))


def test_results_are_judged_on_the_images_that_choose(ground):
    result = climb_one(NEIGHBOURS, ground, PARTS, 60)
    held = ground.images.subset(PARTS[0][1])
    assert result.valid.total == len(result.right) == len(held)
    assert result.valid.correct == result.right.sum()
    said = result.classifier.predict_proba(held)
    assert np.array_equal(result.right, said.argmax(1) == held.labels)
    assert result.log_loss <= -np.log(said[np.arange(len(held)), held.labels]).mean() + 1e-6
    assert result.size_bytes > held.pixels[0].size * 200  # the images that it remembers
    assert result.image_ms > 0


def test_folds_judge_each_image_once_and_all_images_teach_the_last(ground):
    turns = np.arange(300) % 3
    folds = [(np.flatnonzero(turns != i), np.flatnonzero(turns == i)) for i in range(3)]
    result = climb_one(NEIGHBOURS, ground, folds, 60)
    assert result.valid.total == 300
    assert np.array_equal(np.sort(result.classifier.trained_on), np.unique(ground.images.hashes))


def test_intervals_and_comparisons_count_groups(ground):
    plain = climb_one(NEIGHBOURS, ground, PARTS, 60)
    grouped = replace(ground, images=replace(ground.images, groups=np.arange(300) // 25))
    result = climb_one(NEIGHBOURS, grouped, PARTS, 60)
    assert (result.valid.groups, plain.valid.groups) == (4, 100)
    assert result.valid.interval[0] < plain.valid.interval[0]
    assert result.groups.tolist() == (np.arange(200, 300) // 25).tolist()


def test_a_climb_goes_on_after_what_is_done_and_ends_when_asked(ground):
    first = climb_one(MAJORITY, ground, PARTS, 60)
    told = []
    climb = Climb(ground, PARTS, [first], told.append)
    climb.simple([MAJORITY, NEIGHBOURS])
    assert [one.name for one in told] == ["neighbours"]
    assert climb.results[0] is first
    with pytest.raises(Interrupted):
        Climb(replace(ground, stop=lambda: True), PARTS, []).simple([MAJORITY])


def test_a_budget_that_is_over_begins_nothing_but_the_first(ground):
    climb = Climb(replace(ground, clock=Clock(time.perf_counter() - 100, 60.0)), PARTS, [])
    climb.simple([MAJORITY, NEIGHBOURS])
    assert [one.name for one in climb.results] == ["majority"]
    assert climb.next_rung() is None


def test_the_simple_methods_leave_most_of_the_time():
    assert sum(one.share for one in SIMPLE) <= 0.1


class Heard(Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


class Bank:
    """Features that take a hundredth of a second an image, none of them there."""

    image_s = 0.01

    def missing(self, positions):
        return len(positions)


def probed(ground, left_s, swift, frozen, images=1600):
    """A climb with so much time left that has tried two ways."""
    clock = Clock(time.perf_counter() - 300 + left_s, 300.0, closing_s=0.0)
    borrowed = type("Lent", (), {"bank": (bank := Bank()), "for_heads": bank, "side": 224})()
    parts = [(np.arange(images), np.arange(200))]
    climb = Climb(replace(ground, clock=clock, borrowed=borrowed), parts, [])
    climb.probes = {"swift": Probe("swift", swift, 200, 1.0), "pretrained": Probe("pretrained", frozen, 200, 1.0)}
    return climb


def test_the_time_goes_where_it_promises_most(ground):
    photographs = probed(ground, 250, swift=((5, 0.6), (15, 0.5)), frozen=((200, 0.2), (400, 0.15)))
    rung, seconds = photographs.next_rung()
    assert rung is FROZEN  # what fine-tuning starts from
    assert 40 < seconds < 80
    photographs.failed.add("pretrained")
    rung, seconds = photographs.next_rung()
    assert rung is TUNED
    assert 5 < TUNED.calibrating_s(photographs.ground, 200) < 15  # is kept, as nobody knows better yet
    assert seconds == pytest.approx(250 - TUNED.calibrating_s(photographs.ground, 200), abs=1)
    # What was climbed keeps the time to learn from the images that choose, too, if that is little.
    quick = replace(result("pretrained", np.arange(200) >= 20, True), fit_s=20.0)
    photographs.results.append(quick)
    photographs.ground = replace(photographs.ground, clock=Clock(time.perf_counter() - 50, 300.0, closing_s=0.0))
    rung, seconds = photographs.next_rung()
    assert rung is not FROZEN
    assert seconds == pytest.approx(250 - 2 * 1.2 * 0.6 * 20, abs=1)
    small = probed(ground, 250, swift=((5, 0.4), (15, 0.25)), frozen=((200, 0.5), (400, 0.4)), images=45_000)
    assert small.next_rung()[0] is SWIFT
    crowded = probed(ground, 250, swift=((5, 0.4), (15, 0.25)), frozen=((24, 0.5), (48, 0.45)), images=60)
    crowded.ground = replace(crowded.ground, judged=9_000)
    assert crowded.next_rung()[0] is FROZEN  # cheap: to judge so many costs every rung
    late = probed(ground, 10, swift=((5, 0.6), (15, 0.5)), frozen=((200, 0.2), (400, 0.15)))
    assert late.next_rung() is None


def test_without_trials_what_has_no_time_is_not_begun(ground):
    """Features of 1,600 images take 16 s, and half an epoch of fine-tuning 50 s or, at fewer pixels, 16 s."""
    climb = probed(ground, 10, swift=((5, 0.6), (15, 0.5)), frozen=((200, 0.2), (400, 0.15)))
    climb.probes.clear()
    climb.ground = replace(climb.ground, detail_px=224, clock=Clock(time.perf_counter() - 10, 30.0, closing_s=0.0))
    assert climb.foresee(TUNED, 10.0) == 1.0
    assert climb.next_rung()[0] is FROZEN
    climb.failed |= {"pretrained", "swift"}
    assert climb.next_rung() is None


def test_nothing_is_begun_that_could_not_be_calibrated_in_time(ground):
    """With 9 s left, what calibrating the borrowed net alone takes is more; swift is small, and may go on."""
    climb = probed(ground, 9, swift=((5, 0.6), (15, 0.5)), frozen=((200, 0.2), (400, 0.15)), images=100)
    climb.ground = replace(climb.ground, clock=Clock(time.perf_counter() - 21, 30.0, closing_s=0.0))
    assert FROZEN.calibrating_s(climb.ground, 200) > 9
    heard = Heard()
    climb.ground = replace(climb.ground, observer=heard)
    assert climb.next_rung()[0] is SWIFT
    climb.failed.add("swift")
    assert climb.next_rung() is None
    (told,) = heard.notes  # once, and nothing of fine-tuning, for which there is no time anyway
    assert told.startswith("pretrained is left out, though ")
    assert "% are expected of it: calibrating it would take 11 s, and " in told


def test_time_is_kept_for_the_slowest_model_alone(ground):
    slow, quick = (replace(result(name, np.arange(200) >= 20, True), image_ms=ms)
                   for name, ms in (("pretrained", 20.0), ("swift", 0.1)))  # fmt: skip
    climb = Climb(replace(ground, judged=1000), PARTS, [])
    climb.keep_time_for(slow, quick)
    both = climb.ground.clock.closing_s
    climb.keep_time_for(slow)
    assert climb.ground.clock.closing_s == both > 1.2 * 20
    climb.keep_time_for(quick)
    assert climb.ground.clock.closing_s < 5


def test_a_probe_that_left_no_time_says_so(ground):
    late = probed(ground, 0.2, swift=((5, 0.6), (15, 0.5)), frozen=((200, 0.2), (400, 0.15)))
    assert late.left_s == 0
    told = Probe("swift", ((1.0, 0.5),), 100, 1.0, how="in a second").line()
    assert told == "swift       a short trial: 50.0 % in a second; no time is left for more"


def test_what_more_time_would_bring_is_told(ground):
    climb = probed(ground, 250, swift=((5, 0.6), (15, 0.5)), frozen=((200, 0.2), (400, 0.15)))
    right = np.arange(200) >= 20
    chosen = replace(result("fine-tuned", right, True), fit_s=200.0)
    assert outlook(climb, chosen).startswith("10 times the time: about ")
    assert outlook(climb, chosen).endswith(" points more, by fine-tuning at 224 pixels")
    assert TUNED.words(climb.ground, 1600, 500.0) == "fine-tuning at 160 pixels"
    assert TUNED.words(replace(climb.ground, sized=True), 1600, 500.0) == "fine-tuning at 224 pixels"
    assert "nothing: all are right" in outlook(climb, replace(result("fine-tuned", right | True, True), fit_s=200.0))
    climb.probes.clear()
    assert "cannot be said, as" in outlook(climb, chosen)
    # With nothing beside it swift is not tried first: what curves usually do is said, and said to be that.
    alone = outlook(climb, replace(result("swift", right, True), fit_s=200.0))
    assert alone == "10 times the time: about 3.7 points more, by swift, as learning curves usually go"


def test_mirrors_are_seen_to_change_digits_and_not_blots(ground):
    results = [climb_one(rung, ground, PARTS, 60) for rung in (MAJORITY, NEIGHBOURS)]
    assert not mirrors_keep_classes(results, ground, PARTS)
    whole = np.concatenate([ground.images.images, ground.images.images[:, :, ::-1]], axis=2)  # symmetric pictures
    images = replace(ground.images, pixels=whole, rows=np.arange(len(whole)))
    ground = replace(ground, images=images)
    assert mirrors_keep_classes([climb_one(rung, ground, PARTS, 60) for rung in (MAJORITY, NEIGHBOURS)], ground, PARTS)
    assert not mirrors_keep_classes([], ground, PARTS)


def result(name, right, is_net, **more):
    right = np.array(right)
    cells = np.array([[0, 0, right.sum()], [0, 1, (~right).sum()]])
    return Result(name, striate.Evaluation(("a", "b"), cells), right, 1.0, 1, 1.0, is_net, **more)


def test_the_verdict_says_what_the_numbers_bear():
    weak, strong = [True] * 50 + [False] * 50, [True] * 90 + [False] * 10
    assert "A net beats the simple methods here by 40.0 points, swift 90.00 % against linear 50.00 %" in verdict(
        [result("linear", weak, False), result("swift", strong, True)]
    )
    assert "The simple methods win here" in verdict([result("knn", strong, False), result("swift", weak, True)])
    near = [True] * 91 + [False] * 9
    assert "beyond noise" in verdict([result("knn", strong, False), result("swift", near, True)])
    assert verdict([result("knn", strong, False)]) == (
        "There was time for no net: knn is the best of the simple methods."
    )


def test_the_verdict_is_by_the_metric_that_chooses():
    """Of 900 and 100 images the net gets 10 frequent ones less right, and half of the rare ones more."""
    cells = {"linear": [[0, 0, 890], [0, 1, 10], [1, 0, 95], [1, 1, 5]],
             "swift": [[0, 0, 840], [0, 1, 60], [1, 0, 45], [1, 1, 55]]}  # fmt: skip
    right = np.repeat([True, False], [895, 105])
    results = [
        Result(name, striate.Evaluation(("a", "b"), np.array(cells[name])), right, 1.0, 1, 1.0, name == "swift")
        for name in ("linear", "swift")
    ]
    assert verdict(results).startswith("No net beats the simple methods here beyond noise")
    said = verdict(results, "balanced-accuracy")
    assert said.startswith("A net beats the simple methods here by 22.2 points of balanced accuracy, swift 74.17 % ")
    back = [replace(one, is_net=not one.is_net) for one in results]
    assert "The simple methods win here by balanced accuracy: linear" in verdict(back, "balanced-accuracy")


def test_within_noise_the_surer_one_is_chosen():
    right = np.arange(400) < 360
    near = np.roll(right, 3)
    near[10] = False
    sure, modest = result("sure", near, True, log_loss=0.2), result("modest", right, True, log_loss=0.4)
    assert modest.valid.accuracy > sure.valid.accuracy
    assert best_result([modest, sure]).name == "sure"
    worse = result("worse", np.arange(400) < 352, True, log_loss=0.1)
    assert best_result([modest, worse]).name == "modest"
    assert best_result([result("a", right, True), result("b", right, True)]).name == "a"


def test_a_temperature_mends_modesty_before_losses_are_compared():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 500)
    logits = 3 * np.eye(3)[labels] + rng.normal(size=(500, 3))

    def softmax(scaled):
        exp = np.exp(scaled - scaled.max(1, keepdims=True))
        return exp / exp.sum(1, keepdims=True)

    losses = [calibrated_log_loss(softmax(scale * logits), labels) for scale in (0.3, 1.0, 3.0)]
    assert losses == pytest.approx([losses[1]] * 3, rel=1e-3)
    assert losses[1] < -np.log(softmax(0.3 * logits)[np.arange(500), labels]).mean()


def test_what_took_its_time_and_lost_is_told():
    right = np.arange(100) < 90
    chosen = result("a", right, True)
    slow = replace(result("b", np.arange(100) < 60, True), fit_s=50.0)
    assert lost([chosen, slow], chosen, 10) == ["b took 50 s and lost: 60.00 % against 90.00 % of a"]
    assert lost([chosen, slow], chosen, 60) == []
    told = lost([chosen, slow], chosen, 10, "balanced-accuracy")
    assert told == ["b took 50 s and lost: 60.00 % against 90.00 % of a in balanced accuracy"]


def test_what_was_as_good_is_not_said_to_have_lost():
    right = np.arange(100) < 75
    chosen = result("a", right, True, log_loss=0.5)
    sure, late = (replace(result("b", right, True, log_loss=loss), fit_s=50.0) for loss in (0.6, 0.5))
    same = "b took 50 s and was not chosen: 75.00 % against 75.00 % of a, which "
    assert lost([chosen, sure], chosen, 10) == [f"{same}is surer (log loss 0.500 against 0.600)"]
    assert lost([chosen, late], chosen, 10) == [f"{same}came first"]


def test_time_that_a_refit_can_use_is_not_given_to_what_is_far_behind(ground):
    def after(fit_s, probe=((5, 0.6), (15, 0.5))):
        climb = probed(ground, 150, swift=probe, frozen=((200, 0.2), (400, 0.15)))
        right = np.arange(200)
        frozen, tuned = result("pretrained", right >= 30, True), result("fine-tuned", right >= 20, True)
        climb.results = [frozen, replace(tuned, fit_s=fit_s)]
        return climb.next_rung()

    assert after(110.0) is None
    assert after(200.0)[0] is SWIFT  # no time for a refit
    assert after(5.0)[0] is SWIFT  # which would leave most of it unused
    assert after(110.0, probe=((5, 0.2), (15, 0.15)))[0] is SWIFT  # it may still win


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("rung", [MAJORITY, NEIGHBOURS])
def test_many_classes_are_judged_block_by_block_with_the_same_figures(rung, folds, ground, monkeypatch):
    turns = np.arange(300) % 3
    parts = PARTS if folds == 1 else [(np.flatnonzero(turns != i), np.flatnonzero(turns == i)) for i in range(3)]
    whole = climb_one(rung, ground, parts, 60)
    asked, ask = [], type(rung).probabilities

    def probabilities(self, ground, model, positions):
        asked.append(len(positions))
        return ask(self, ground, model, positions)

    monkeypatch.setattr(type(rung), "probabilities", probabilities)
    monkeypatch.setattr("striate.metrics.outcomes.NUMBERS_AT_ONCE", 7 * len(ground.images.classes))
    apart = climb_one(rung, ground, parts, 60)
    assert max(asked) == 7
    assert sum(asked) == len(whole.right)
    assert np.array_equal(whole.right, apart.right)
    assert whole.log_loss == pytest.approx(apart.log_loss, rel=1e-6)
    assert whole.valid.log_loss == pytest.approx(apart.valid.log_loss, rel=1e-6)
    assert whole.valid.correct == apart.valid.correct
