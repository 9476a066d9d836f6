"""Slices: a planted bad one is found, a random set has none in 95 of 100 draws, groups and classes are counted."""

import numpy as np
import pytest

from striate.evaluation import slices
from striate.evaluation.attributes import as_values
from striate.evaluation.slices import find_slices
from striate.metrics.evaluation import evaluate_probabilities

TRIALS = 60


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(slices, "MOST_DRAWS", 199)


def judged(rng, chance, labels, groups=None):
    """Return the evaluation of two-way guesses that are right with these chances, by image."""
    right = rng.random(len(labels)) < chance
    predicted = np.where(right, labels, (labels + 1) % 4)
    return evaluate_probabilities(np.eye(4)[predicted], labels, "abcd", groups=groups)


def random_attributes(rng, n):
    return {
        "camera": rng.choice(list("xyz"), n),
        "brightness": rng.normal(100, 30, n),
        "size": rng.choice([64.0, 128.0, 256.0], n),
        "contrast": rng.gamma(3, 10, n),
    }


def test_on_random_attributes_none_is_reported_19_times_in_20():
    rng, found = np.random.default_rng(0), 0
    for trial in range(TRIALS):
        labels = rng.integers(0, 4, 300)
        evaluation = judged(rng, np.array([0.95, 0.9, 0.6, 0.8])[labels], labels)
        found += bool(find_slices(evaluation, random_attributes(rng, 300), trial).worse)
    assert found <= 7  # of 60 at 5 %: more than 7 once in a hundred


def test_groups_that_fall_together_make_no_slice():
    """Folders of frames of whole objects: frame by frame half of them look bad."""
    rng, found, naive = np.random.default_rng(1), 0, 0
    for trial in range(TRIALS):
        groups = np.repeat(np.arange(60), 15)
        labels = (np.arange(60) % 4)[groups]
        chance = rng.choice([0.99, 0.4], 60, p=[0.8, 0.2])[groups]
        evaluation = judged(rng, chance, labels, groups)
        camera = {"camera": np.array(list("pqrstu"))[rng.integers(0, 6, 60)][groups]}
        found += bool(find_slices(evaluation, camera, trial).worse)
        alone = evaluate_probabilities(np.eye(4)[evaluation.outcomes.predicted], labels, "abcd")
        naive += bool(find_slices(alone, camera, trial).worse)
    assert found <= 7
    assert naive > 30, "counting frames must look much worse, or this test cannot fail"


@pytest.mark.parametrize("attribute", ["camera", "brightness"])
def test_a_planted_slice_is_found_by_name(attribute):
    rng = np.random.default_rng(2)
    labels, attributes = rng.integers(0, 4, 800), random_attributes(rng, 800)
    bad = attributes["camera"] == "y" if attribute == "camera" else attributes["brightness"] < 60
    evaluation = judged(rng, np.where(bad, 0.6, 0.92), labels)
    found = find_slices(evaluation, attributes)
    one = found.worse[0]
    assert one.attribute == attribute
    assert one.value.startswith("y" if attribute == "camera" else "in the lowest tenth (at most ")
    assert all(other.p_value > 0.01 for other in found.worse[1:])
    assert one.accuracy < 0.72 < 0.86 < one.expected < 0.96
    assert one.p_value < 0.01
    assert one.sentence.startswith(f"{attribute} {one.value}: ")
    assert found.looked_at == 3 + 4 + 3 + 4
    assert found.to_json()["worse"][0]["attribute"] == attribute


def test_a_planted_slice_of_groups_is_found():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(200), 4)
    labels, camera = (np.arange(200) % 4)[groups], rng.choice(list("xyz"), 200)[groups]
    evaluation = judged(rng, np.where(camera == "z", 0.55, 0.95), labels, groups)
    (one,) = find_slices(evaluation, {"camera": camera}).worse
    assert (one.value, one.groups) == ("z", len(np.unique(groups[camera == "z"])))
    assert f"of {one.groups} groups right" in one.sentence


def test_a_slice_of_difficult_classes_is_not_worse_for_it():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, 1000)
    evaluation = judged(rng, np.array([0.99, 0.99, 0.5, 0.99])[labels], labels)
    mostly = np.where(rng.random(1000) < 0.9, labels == 2, rng.random(1000) < 0.2).astype(str)
    whole = np.array(list("abcd"))[labels]
    found = find_slices(evaluation, {"folder": whole, "mostly": mostly})
    assert not found.worse
    assert found.looked_at == 2, "a folder of one class says nothing that the classes do not"


def test_a_column_of_names_and_slices_of_few_images_are_not_looked_at():
    rng, labels = np.random.default_rng(5), np.arange(100) % 4
    evaluation = judged(rng, np.full(100, 0.8), labels)
    few = np.array(["rare"] * 5 + ["usual"] * 95)
    found = find_slices(evaluation, {"name": np.array([f"{i}.png" for i in range(100)]), "few": few})
    assert [one.value for one in found.worse] == []
    assert found.looked_at == 1
    assert find_slices(evaluation, {}).sentence.startswith("where it is worse cannot be said")


def test_the_same_twice():
    rng = np.random.default_rng(6)
    labels, attributes = rng.integers(0, 4, 300), random_attributes(rng, 300)
    evaluation = judged(rng, np.where(attributes["camera"] == "x", 0.6, 0.9), labels)
    assert find_slices(evaluation, attributes) == find_slices(evaluation, attributes)


def test_rare_classes_are_compared_with_each_other():
    rng = np.random.default_rng(7)
    labels, camera = np.arange(400) % 200, rng.choice(list("xy"), 400)
    right = rng.random(400) < np.where(camera == "x", 0.6, 0.95)
    predicted = np.where(right, labels, (labels + 1) % 200)
    evaluation = evaluate_probabilities(np.eye(200)[predicted], labels, list(map(str, range(200))))
    assert [one.value for one in find_slices(evaluation, {"camera": camera}).worse] == ["x"]


def test_cells_are_numbers_where_all_are():
    assert as_values(["3", " 4 "]).tolist() == [3.0, 4.0]
    assert as_values(["3", ""]).tolist() == ["3", ""]
    assert as_values(["nan", "1"]).dtype.kind == "U"
