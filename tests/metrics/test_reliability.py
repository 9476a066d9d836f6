"""Calibration error: by hand, by NumPy, and by simulation: what is calibrated reaches 0, what is not is covered."""

import itertools
import json

import numpy as np
import pytest

from striate.errors import ShapeError
from striate.metrics.reliability import BINS, equal_width_error, measure_reliability


def sure(rng, n):
    return np.clip(1 - rng.beta(0.4, 2, n), 0.05, 0.9999)


def test_bins_hold_equally_many_and_agree_with_numpy():
    rng = np.random.default_rng(0)
    confidence = sure(rng, 3000)
    right = rng.random(3000) < confidence**2
    told = measure_reliability(confidence, right)
    assert len(told.bins) == BINS
    assert {one.images for one in told.bins} == {200}
    order = np.argsort(confidence)
    for one, part in zip(told.bins, np.array_split(order, BINS), strict=True):
        assert one.confidence == pytest.approx(confidence[part].mean())
        assert one.accuracy == right[part].mean()
        assert one.interval[0] <= one.accuracy <= one.interval[1]
    plain = sum(one.images / 3000 * abs(one.accuracy - one.confidence) for one in told.bins)
    assert 0.8 * plain < told.ece < plain
    assert told.interval[0] < told.ece < told.interval[1]
    assert json.loads(json.dumps(told.to_json()))["bins"][0]["images"] == 200


def test_equal_width_is_that_of_the_papers():
    rng = np.random.default_rng(1)
    confidence = rng.random(500)
    right = rng.random(500) < 0.5
    expected, edges = 0.0, np.linspace(0, 1, 16)
    for low, high in itertools.pairwise(edges):  # as in the code of Guo and others
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            expected += abs(confidence[inside].mean() - right[inside].mean()) * inside.mean()
    assert equal_width_error(confidence, right) == pytest.approx(expected)


@pytest.mark.parametrize("n", [100, 1000, 5000])
def test_what_is_calibrated_reaches_zero(n):
    rng, reached, plain, ours = np.random.default_rng(2), 0, [], []
    for _ in range(50):
        confidence = sure(rng, n)
        told = measure_reliability(confidence, rng.random(n) < confidence)
        reached += told.interval[0] == 0
        plain.append(told.equal_width)
        ours.append(told.ece)
    assert reached >= 44  # of 50 at 95 %: fewer once in thirty times
    assert np.mean(ours) < 0.6 * np.mean(plain), "the plain error must look worse than it is"


@pytest.mark.parametrize("n", [500, 4000])
def test_what_is_too_sure_is_covered(n):
    rng, hits, ours = np.random.default_rng(3), 0, []
    truth = 0.08
    for _ in range(50):
        confidence = np.clip(sure(rng, n), 0.1, 1)
        told = measure_reliability(confidence, rng.random(n) < confidence - truth)
        hits += told.interval[0] <= truth <= told.interval[1]
        ours.append(told.ece)
    assert hits >= 43
    assert np.mean(ours) == pytest.approx(truth, rel=0.1)
    assert ": too sure, " in told.sentence


def test_groups_count():
    """Calibrated objects of 10 frames that are right or wrong as one: frame by frame that looks badly calibrated."""
    rng, reached, naive = np.random.default_rng(4), 0, 0
    for _ in range(40):
        groups = np.repeat(np.arange(100), 10)
        confidence = sure(rng, 100)
        right = (rng.random(100) < confidence)[groups]
        frames = np.clip(confidence[groups] + rng.normal(0, 1e-3, 1000), 0, 1)
        reached += measure_reliability(frames, right, groups).interval[0] == 0
        naive += measure_reliability(frames, right).interval[0] == 0
    assert reached >= 32  # of so few objects the interval misses somewhat more often than it should
    assert naive < 10


def test_equal_probabilities_share_a_bin():
    confidence = np.repeat([0.6, 0.8, 1.0], [100, 200, 700])
    told = measure_reliability(confidence, np.arange(1000) % 10 < 6)
    assert [one.images for one in told.bins] == [100, 200, 700]
    mixed = np.random.default_rng(0).permutation(1000)
    again = measure_reliability(confidence[mixed], (np.arange(1000) % 10 < 6)[mixed])
    assert again.ece == pytest.approx(told.ece), "the order of the images must not matter"


def test_always_certain_and_always_right():
    told = measure_reliability(np.ones(50), np.ones(50, bool))
    assert (told.ece, told.equal_width) == (0, 0)
    one = measure_reliability(np.array([0.9]), np.array([True]))
    assert one.interval[1] > 0.05


def test_certain_and_wrong():
    told = measure_reliability(np.ones(200), np.arange(200) % 2 == 0)
    assert told.ece == pytest.approx(0.5, abs=0.01)
    assert told.interval[0] > 0.4


def test_shapes_must_agree():
    with pytest.raises(ShapeError, match=r"got \(2,\) and \(3,\)"):
        measure_reliability(np.ones(2), np.ones(3, bool))


def test_few_images_give_nobody_leave_to_take_probabilities_at_their_word():
    """Of 40 images an error of five points is chance, and so would be one of ten; of 20,000 a small one is seen."""
    sure = np.repeat([0.6, 0.9], 20)
    few = measure_reliability(sure, np.arange(40) % 10 < np.repeat([7, 9], 20))
    assert few.interval[0] == 0
    assert few.interval[1] > 0.05
    assert "more images would tell" in few.sentence
    many = measure_reliability(np.repeat(sure, 500), np.arange(20_000) % 10 < np.repeat([6, 9], 10_000))
    assert "can be taken at their word" in many.sentence


def test_forty_right_answers_are_no_proof_of_calibration():
    """All of 40 right, all said to be sure: one in twelve might be wrong, and of 20,000 hardly any."""
    few, many = (measure_reliability(np.full(n, 0.9999), np.ones(n, bool)) for n in (40, 20_000))
    assert few.interval[1] == pytest.approx(0.088, abs=0.002)
    assert many.interval[1] < 0.001
    assert "more images would tell" in few.sentence


def test_gaps_that_happen_to_be_none_do_not_show_that_there_is_none():
    sure = np.repeat([0.6, 0.9], 20)
    told = measure_reliability(sure, np.arange(40) % 10 < np.repeat([6, 9], 20))
    assert told.ece == pytest.approx(0, abs=1e-9)
    assert told.interval[1] > 0.1
