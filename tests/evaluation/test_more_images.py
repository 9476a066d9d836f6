"""Learning curves: parts are nested, hold the classes and whole groups; what is foreseen covers what comes."""

import numpy as np
import pytest

import striate
from striate.errors import ArgumentError
from striate.evaluation.frozen_curve import foresee_more, head_judge
from striate.evaluation.more_images import PARTS, LearningCurve, foresee, measure_curve


def judge_by_law(rng, t, floor, height, exponent, full, sway=0.08, most=None):
    """Return a judge whose error is floor + height · (n / full)^−exponent; difficult images are wrong first.

    Each training image has its say on each image that judges, so that parts that share images agree.
    """
    difficulty, says = rng.random(t), rng.standard_normal((t, most or full), np.float32)

    def judge(positions):
        error = floor + height * (len(positions) / full) ** -exponent
        return difficulty + sway * np.sqrt(full) * says[:, positions].mean(1) > error

    return judge


def test_parts_are_nested_disjoint_and_hold_classes_in_their_shares():
    labels, asked = np.repeat([0, 1, 2], [800, 400, 40]), []
    curve = measure_curve(lambda positions: asked.append(positions) or np.ones(10, bool), labels)
    assert curve.images == (78, 155, 310, 620, 1240)
    by_size = {}
    for part in asked:
        by_size.setdefault(round(np.log2(1240 / len(part))), []).append(set(part.tolist()))
    assert {size: len(parts) for size, parts in by_size.items()} == {4: PARTS, 3: PARTS, 2: 4, 1: 2, 0: 1}
    for size, parts in by_size.items():
        assert len(set.union(*parts)) == sum(map(len, parts)), "no image in two parts of a size"
        for part in parts:
            counts = np.bincount(labels[list(part)], minlength=3)
            assert counts == pytest.approx(np.array([800, 400, 40]) / 2**size, abs=2)
            assert size == 0 or any(part <= whole for whole in by_size[size - 1])


def test_groups_are_never_torn():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(150), rng.integers(1, 9, 150))
    labels, asked = (groups * 7) % 3, []
    measure_curve(lambda positions: asked.append(positions) or np.ones(4, bool), labels, groups)
    sizes = np.bincount(groups)
    for part in asked:
        found = np.bincount(groups[part], minlength=150)
        assert (found[found > 0] == sizes[found > 0]).all()
        assert set(labels[part]) == {0, 1, 2}


@pytest.mark.parametrize(("floor", "height", "exponent"), [(0.02, 0.1, 0.4), (0.1, 0.05, 0.7), (0.0, 0.2, 0.25)])
def test_the_interval_covers_what_twice_the_images_bring(floor, height, exponent):
    hits, gains, widths, n, t = 0, [], [], 1000, 600
    for seed in range(40):
        rng = np.random.default_rng(seed)
        judge = judge_by_law(rng, t, floor, height, exponent, n, most=2 * n)
        told = foresee(measure_curve(judge, rng.integers(0, 5, n), seed=seed), "a law").forecasts[0]
        new = judge(np.arange(2 * n)).mean()
        gain = new - judge(np.arange(n)).mean()
        hits += told.interval[0] <= gain <= told.interval[1]
        gains.append(told.gain)
        widths.append(told.interval[1] - told.interval[0])
        assert told.interval[0] <= told.gain <= told.interval[1]
    assert hits >= 34
    assert np.mean(gains) == pytest.approx(height * (1 - 2**-exponent), abs=0.012)
    assert np.mean(widths) < 0.1


def test_where_images_bring_nothing_more_nothing_is_promised():
    rng = np.random.default_rng(0)
    judge = judge_by_law(rng, 2000, 0.2, 0.0, 0.5, 1000, sway=0.02)
    for one in foresee(measure_curve(judge, rng.integers(0, 4, 1000)), "a law").forecasts:
        assert one.interval[0] <= 0 < one.interval[1] < 0.03
        assert abs(one.gain) < 0.01


def test_fewer_images_that_judge_make_it_wider():
    widths = []
    for t in (50, 5000):
        rng = np.random.default_rng(0)
        told = foresee(measure_curve(judge_by_law(rng, t, 0.02, 0.1, 0.4, 2000), rng.integers(0, 4, 2000)), "a law")
        widths.append(np.diff(told.forecasts[0].interval)[0])
    assert widths[0] > 2 * widths[1]
    grouped = measure_curve(
        judge_by_law(np.random.default_rng(0), 5000, 0.02, 0.1, 0.4, 2000), np.arange(2000) % 4,
        judged_groups=np.arange(5000) // 100,
    )  # fmt: skip
    assert np.diff(foresee(grouped, "a law").forecasts[0].interval)[0] > 1.5 * widths[1]


def test_where_nothing_can_be_said_it_says_so():
    few = foresee(measure_curve(lambda _: np.array([True, False]), np.arange(30) % 2), "a head")
    assert few.forecasts == ()
    assert (
        few.sentence == "nobody can say what more images would bring: 30 training images are too few to be halved twice"
    )
    right = foresee(measure_curve(lambda _: np.ones(9, bool), np.arange(900) % 2), "a head")
    assert right.why == "every image that judges is right already"
    with pytest.raises(ArgumentError, match="needs training images; got none"):
        measure_curve(lambda _: np.ones(9, bool), np.zeros(0, int))


def test_words_and_json():
    curve = LearningCurve(
        (100, 200, 400, 800),
        np.stack([np.arange(1000) >= wrong for wrong in (300, 220, 160, 120)]).astype(float),
        ((0.7, 0.7, 0.7, 0.7), (0.78, 0.78, 0.78, 0.78), (0.84, 0.84), (0.88,)),
    )
    told = foresee(curve, "a head")
    assert told.sentence.startswith("twice the images: about ")
    assert told.sentence.endswith(", by a head")
    assert told.to_json()["curve"] == [[100, 0.7], [200, 0.78], [400, 0.84], [800, 0.88]]
    assert [one["images"] for one in told.to_json()["forecast"]] == [1600, 3200]
    assert 0.01 < told.forecasts[0].gain < 0.04 <= 0.12
    assert told.forecasts[1].gain > told.forecasts[0].gain
    assert foresee(curve, "a head").to_json() == told.to_json(), "the same twice"


def test_a_head_learns_from_the_images_it_is_given():
    rng = np.random.default_rng(0)
    labels, asked_labels = rng.integers(0, 3, 400), rng.integers(0, 3, 200)
    features, asked = (2 * np.eye(3)[one] + rng.normal(size=(len(one), 3)) for one in (labels, asked_labels))
    judge = head_judge(features, labels, asked, asked_labels)
    assert judge(np.arange(400)).mean() > 0.75
    assert judge(np.arange(6)).mean() < judge(np.arange(400)).mean()
    only = np.flatnonzero(labels == 1)
    assert np.array_equal(judge(only), asked_labels == 1), "of one class it can say only that"


def test_pixels_of_a_baseline():
    model = striate.fit("digits", net="logistic")
    held = model.held_out(striate.read("digits"))
    told = foresee_more(model, held.seen, held.images)
    assert told.how == "a softmax regression on pixels"
    assert told.curve[-1][0] == len(held.seen)
    assert told.curve[0][1] < told.curve[-1][1]
    assert told.forecasts[0].interval[0] < 0.02
    with pytest.raises(ArgumentError, match="Give the source that it was trained on"):
        foresee_more(model, held.seen.subset(np.zeros(0, int)), held.images)


def test_a_net_s_own_features_have_seen_the_images(digits_model, monkeypatch):
    held = digits_model.held_out(striate.read("digits"))
    monkeypatch.setattr("striate.nets.zoo.downloads.BACKBONES", ())
    with pytest.raises(ArgumentError, match=r"pip install \"striate\[photos\]\""):
        foresee_more(digits_model, held.seen, held.images)


def test_features_of_a_net_that_was_trained_on_these_images_have_seen_them(digits_run, monkeypatch):
    """A head on them would be told to need no more images: its features know all parts of the curve already."""
    source = striate.read("digits")
    head = striate.fit(source, net="logistic", features=digits_run / "model.striate")
    assert head.provenance.features_knew == head.provenance.splits["train"]
    assert np.isin(striate.Classifier.load(digits_run / "model.striate").trained_on, head.trained_on).all()
    held = head.held_out(source)
    monkeypatch.setattr("striate.nets.zoo.downloads.BACKBONES", ())
    with pytest.raises(ArgumentError, match="this model's own have seen the images already"):
        foresee_more(head, held.seen, held.images)
    other = striate.fit("xo:300", net="logistic", features=digits_run / "model.striate")
    assert other.provenance.features_knew is None
    held = other.held_out(striate.read("xo:300"))
    assert foresee_more(other, held.seen, held.images).how == "a softmax regression on features of model.striate"
