"""The rungs that start from weights which have learned something else."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import striate
from striate.metrics.evaluation import evaluate_probabilities
from striate.observer import Observer
from striate.selection.ladder.borrowing import borrow
from striate.selection.ladder.climb import Climb, climb
from striate.selection.ladder.clock import Clock
from striate.selection.ladder.ground import Ground, spread
from striate.selection.ladder.lending import lend
from striate.selection.ladder.pretrained_rungs import FROZEN, TUNED, borrow_best
from striate.selection.ladder.symmetry import averaging_that_helps

TRAIN, VALID = np.arange(200), np.arange(200, 300)


@pytest.fixture(scope="module")
def start(digits_model, tmp_path_factory):
    """The file of a net that has learned the digits."""
    path = tmp_path_factory.mktemp("start") / "known.striate"
    digits_model.save(path)
    return path


@pytest.fixture
def ground(start):
    """The digits under other names than those that the net knows: so there must be a new head."""
    images = striate.prepare(striate.read("digits").subset(np.arange(300)))
    images = replace(images, classes=tuple(f"digit {name}" for name in images.classes))
    described = {"source": "digits", "format": "arrays", "images": len(images), "data": ""}
    clock, lent = Clock(time.perf_counter(), 60.0), lend(start, Observer())
    ground = Ground(images, "crop", described, 0, torch.device("cpu"), Observer(), clock, 8, mirrors=False, lent=lent)
    return replace(ground, borrowed=borrow(lent[0], ground, 8))


@pytest.mark.parametrize("rung", [FROZEN, TUNED])
def test_a_borrowed_net_is_of_use(ground, rung):
    assert rung.foresee(ground, TRAIN, VALID) > 0
    model = rung.fit(ground, TRAIN, VALID, 5.0)
    assert model.classes == ground.images.classes
    held = ground.images.subset(VALID)
    said = rung.probabilities(ground, model, VALID)
    assert np.allclose(said, model.predict_proba(held), atol=0.02)  # features may be of another precision
    assert evaluate_probabilities(said, held.labels, held.classes).accuracy > 0.7


def test_frozen_features_say_whose_they_are(ground):
    model = FROZEN.fit(ground, np.arange(60), np.arange(0), 5.0)
    assert str(model.net) == "lda on features of known.striate"


def test_features_are_computed_once_and_up_to_a_moment(ground):
    bank = ground.borrowed.bank
    bank.fill(np.arange(10))
    assert bank.missing(TRAIN) == 190
    first = bank.of(ground.images.subset(np.arange(10)))
    bank.fill(TRAIN, until=0.0)  # one block is always done
    assert bank.missing(TRAIN) == 0
    assert np.array_equal(bank.of(ground.images.subset(np.arange(10))), first)
    assert np.array_equal(bank.known(np.array([3, 250])), [3])
    larger = replace(ground.images, pixels=np.repeat(ground.images.pixels, 2, axis=1))
    assert np.array_equal(bank.of(larger.subset(np.array([5]))), first[5:6])  # the same image at another size


def test_a_probe_learns_from_half_and_from_all(ground):
    probe = FROZEN.try_out(ground, TRAIN, VALID, 5.0)
    (half, before), (whole, after) = probe.points
    assert (half, whole, probe.judged) == (100, 200, 100)
    assert 0 <= after <= before + 0.1 < 0.5
    assert FROZEN.carry(probe, ground, TRAIN, VALID, 50.0) <= max(after, 0.005)
    assert TUNED.carry(probe, ground, TRAIN, VALID, 50.0) < TUNED.carry(probe, ground, TRAIN, VALID, 0.0)
    assert TUNED.fits(ground, TRAIN, VALID, 50.0)
    assert not TUNED.fits(ground, TRAIN, VALID, 0.0)


def test_of_several_that_are_lent_the_probe_picks(ground, digits_model):
    untrained = replace(
        ground.lent[0], name="untrained", load=lambda: replace(digits_model, module=_empty(digits_model))
    )
    ground = replace(ground, lent=(untrained, *ground.lent), detail_px=100, clock=Clock(time.perf_counter(), 300.0))
    chosen, probe = borrow_best(ground, TRAIN, VALID, 0.02)
    assert chosen.name == "known.striate"
    assert probe.how.endswith("by known.striate at 8 pixels")


def test_a_trial_looks_at_no_more_images_than_it_may(ground):
    probe = FROZEN.try_out(ground, TRAIN, VALID, 5.0, most=48)
    assert probe.points[-1][0] + probe.judged == 48
    assert FROZEN.try_out(ground, TRAIN, VALID, 5.0).points[-1][0] == len(TRAIN)


def _empty(model):
    from striate.nets.modules.own import build

    return build(model.net, model.preprocessing.input_shape, seed=1, init="zeros")


def test_a_climb_uses_what_is_lent_and_keeps_its_forecasts(ground, monkeypatch):
    monkeypatch.setattr("striate.selection.ladder.climb.PROBES_FROM_S", 5.0)
    told = []
    done = climb(
        replace(ground, borrowed=None, clock=Clock(time.perf_counter(), 14.0)), [(TRAIN, VALID)], (), told.append
    )
    names = [one.name for one in told]
    assert names[:4] == ["majority", "neighbours", "linear", "mlp"]
    assert names.count("pretrained") >= 1
    assert set(done.probes) == {"pretrained", "swift"}
    assert {"swift", "fine-tuned"} & {one.name for one in done.results}


def lying(images, how):
    """The images, each turned by so many quarters."""
    pixels = np.stack([np.rot90(one, quarters) for one, quarters in zip(images.images, how, strict=True)])
    return replace(images, pixels=pixels, rows=np.arange(len(pixels)))


def test_features_are_averaged_over_turns_of_what_has_no_top_and_not_of_digits_that_stand(ground):
    assert averaging_that_helps(ground, [(TRAIN, VALID)]) is None
    quarters = np.random.default_rng(0).integers(0, 4, 300)
    fallen = replace(ground, images=lying(ground.images, quarters), observer=Observer())
    fallen = replace(fallen, borrowed=borrow(ground.lent[0], fallen, 8))
    heard = []
    fallen.observer.note = heard.append
    borrowed = averaging_that_helps(fallen, [(TRAIN, VALID)])
    assert borrowed.for_heads.views == "turns"
    assert "averaged over 4 views of each image (turns): log loss" in heard[0]
    known = replace(fallen, borrowed=borrowed)
    model = FROZEN.fit(known, TRAIN, VALID, 5.0)
    held = known.images.subset(VALID)
    assert model.views == "turns"
    assert np.allclose(FROZEN.probabilities(known, model, VALID), model.predict_proba(held), atol=0.02)
    for turn in range(4):  # however they lie, the answer is the same
        turned = lying(held, np.full(len(VALID), turn))
        assert np.allclose(model.predict_proba(turned), model.predict_proba(held), atol=1e-4)
    # What there is no time for is not begun.
    assert averaging_that_helps(replace(fallen, clock=Clock(time.perf_counter(), 1e-6)), [(TRAIN, VALID)]) is None


def test_of_few_images_the_net_that_is_published_as_the_most_accurate_is_taken_if_there_is_time(ground):
    small, large = (replace(ground.lent[0], name=f"efficientnet_lite{n}") for n in (0, 2))
    few = replace(ground, lent=(small, large), detail_px=100, clock=Clock(time.perf_counter(), 100.0))
    train, valid = np.arange(100), np.arange(200, 250)
    assert borrow_best(few, train, valid, 0.02)[0].name == "efficientnet_lite2"
    hurried = replace(few, judged=10_000_000)
    assert borrow_best(hurried, train, valid, 0.02)[0].name == "efficientnet_lite0"


def test_a_share_of_positions_is_spread_over_all():
    assert spread(np.arange(100), 0.05).tolist() == [0, 25, 50, 74, 99]
    assert len(spread(np.arange(3), 7.0)) == 3
    assert len(spread(np.arange(0), 0.5)) == 0


def test_a_rare_class_is_among_the_first_that_are_looked_at(ground):
    labels = np.where(np.arange(300) % 150 == 7, 1, 0)  # two of three hundred
    ground = replace(ground, images=replace(ground.images, labels=labels))
    ground = replace(ground, borrowed=borrow(ground.lent[0], ground, 8))
    probe = FROZEN.try_out(ground, TRAIN, VALID, 0.0)
    assert probe.points[-1][0] >= 30
    assert FROZEN.fit(ground, TRAIN, VALID, 0.0).classes == ground.images.classes


def test_one_class_alone_is_told_and_the_climb_goes_on(ground):
    labels = np.where(np.arange(300) < 200, 0, 1)
    ground = replace(ground, images=replace(ground.images, labels=labels), borrowed=None)
    done = Climb(replace(ground, clock=Clock(time.perf_counter(), 30.0)), [(TRAIN, VALID)], [])
    told: list = []
    done.tell = told.append
    done.borrow()
    assert "two classes" in told[0].reason
    assert {"pretrained", "fine-tuned"} <= done.failed


def test_fine_tuning_goes_on_and_is_fitted_again_at_the_pixels_that_were_decided(ground, tmp_path):
    ground = replace(ground, folder=tmp_path)
    first = TUNED.fit(ground, TRAIN, VALID, 5.0)
    assert TUNED._decided(ground)[0] == first.preprocessing.size[0]
    again = replace(
        ground, folder=None, like=replace(first, provenance=replace(first.provenance, recipe={"freeze": 0.6}))
    )
    assert TUNED._decided(again) == (first.preprocessing.size[0], 0.6)
    assert TUNED._decided(replace(ground, folder=None)) is None
