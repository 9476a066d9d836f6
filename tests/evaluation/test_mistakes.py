"""The worst mistakes by name; their causes where there is something to tell them by."""

import csv
from dataclasses import replace

import numpy as np
import pytest

import striate
from striate.data.imageset import ImageSet
from striate.evaluation.examination import examine
from striate.evaluation.grounds import Grounds, KnownCopy, Neighbourhood, gather_grounds
from striate.evaluation.mistakes import mistake_positions, worst_mistakes, write_mistakes
from striate.metrics.evaluation import Evaluation, evaluate_outcomes
from striate.metrics.outcomes import Outcomes

ROWS = np.array([[0.9, 0.06, 0.04], [0.5, 0.45, 0.05], [0.2, 0.1, 0.7], [0.3, 0.6, 0.1], [0.05, 0.05, 0.9]])
LABELS = np.array([0, 1, 0, 2, 1])


@pytest.fixture
def evaluation():
    return evaluate_outcomes(Outcomes.of(ROWS, LABELS), ("ant", "bee", "fly"), names=[f"x/{i}.png" for i in range(5)])


def test_the_worst_come_first(evaluation):
    found = worst_mistakes(evaluation)
    assert [one.name for one in found] == ["x/4.png", "x/3.png", "x/2.png", "x/1.png"]
    first = found[0]
    assert (first.index, first.true, first.predicted) == (4, "bee", "fly")
    assert (first.probability, first.true_probability) == (pytest.approx(0.9), pytest.approx(0.05))
    assert first.sentence == "x/4.png: fly (90.0 %), not bee (5.0 %)"
    assert mistake_positions(evaluation, 2).tolist() == [4, 3]
    assert worst_mistakes(evaluation, 2) == found[:2]


def test_between_two_classes_needs_probabilities_alone(evaluation):
    causes = {one.index: (one.kind, one.cause) for one in worst_mistakes(evaluation)}
    assert causes == {1: ("between", "between bee and ant"), 2: ("", ""), 3: ("", ""), 4: ("", "")}


def test_causes_of_training_images(evaluation):
    grounds = Grounds(
        copies={1: KnownCopy("t/7.png", 0), 3: KnownCopy("t/8.png", 2)},
        neighbourhoods={
            3: Neighbourhood((1,) * 9 + (0,), "t/9.png", odd=False),
            2: Neighbourhood((0, 2) * 5, "t/1.png", odd=True),
            4: Neighbourhood((2, 0) * 5, "t/2.png", odd=False),
        },
    )
    found = {one.index: one for one in worst_mistakes(evaluation, grounds=grounds)}
    assert (found[1].kind, found[1].like) == ("near-copy", "t/7.png")
    assert found[1].cause == "near copy of the training image t/7.png, labelled ant"
    assert (found[3].kind, found[3].like) == ("label", "t/9.png"), "a copy of the same label is no cause"
    assert found[3].cause == "9 of the 10 training images most like it are bee, none is fly: is its label right?"
    assert found[2].kind == "odd-one-out"
    assert (found[4].kind, found[4].cause) == (
        "unlike-its-class", "none of the 10 training images most like it is bee",
    )  # fmt: skip


def test_a_near_copy_known_by_its_sketch_alone(evaluation):
    told = replace(evaluation, near=np.arange(5) == 4)
    assert worst_mistakes(told)[0].cause == "near copy of a training image, perhaps of another label"
    assert worst_mistakes(told, grounds=Grounds(compared=True))[0].kind == "", (
        "with the images at hand, only those count"
    )


def test_csv(evaluation, tmp_path):
    write_mistakes(worst_mistakes(evaluation), tmp_path / "m.csv")
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text("utf-8").splitlines()))
    assert [row["image"] for row in rows] == ["x/4.png", "x/3.png", "x/2.png", "x/1.png"]
    assert rows[3]["cause"] == "between bee and ant"
    assert float(rows[0]["true_probability"]) == pytest.approx(0.05)


def test_nothing_is_known_of_a_confusion_alone():
    assert worst_mistakes(Evaluation(("a", "b"), np.array([[0, 1, 3]]))) == ()


def image_set(n, labels, groups=None, first=0):
    rng = np.random.default_rng(first)
    pixels = rng.integers(0, 256, (n, 6, 6, 1), np.uint8)
    names = [f"{first + i}.png" for i in range(n)]
    return ImageSet(
        pixels, np.arange(n), np.array(labels), ("fly", "ant", "moth"), names, np.arange(n, dtype=np.uint64),
        np.full(n, ""), groups=groups,
    )  # fmt: skip


class Model:
    """A classifier with other classes in another order, whose module nobody can look into."""

    classes = ("ant", "bee", "fly")
    module = type("module", (), {"eval": lambda self: self})()


def test_copies_are_those_of_a_group_and_labels_the_model_s(monkeypatch):
    monkeypatch.setattr("striate.evaluation.grounds._around", lambda *_: {})
    judged = image_set(3, [0, 1, 1], np.array([5, 6, 7]))
    seen = image_set(4, [0, 1, 2, 0], np.array([5, 5, 6, 9]), first=10)
    grounds = gather_grounds(Model(), judged, seen, np.array([0, 1, 2]))
    assert grounds.compared
    assert grounds.copies == {0: KnownCopy("11.png", 0)}, (
        "of two copies the one of another label; a moth is nothing it knows"
    )


def test_what_a_model_s_own_features_say(digits_model):
    """Digits whose labels are wrong: their like are of the class that was said."""
    held = digits_model.held_out(striate.read("digits"))
    labels = held.labels.copy()
    spoilt = np.flatnonzero(np.arange(len(labels)) % 10 == 3)
    labels[spoilt] = (labels[spoilt] + 1) % 10
    images = replace(held.images, labels=labels)
    evaluation = digits_model.judge(images, labels)
    found = examine(evaluation, images, model=digits_model, seen=held.seen)
    assert [one.name for one in found.mistakes] == [evaluation.names[one.index] for one in found.mistakes]
    doubted = {one.index for one in found.mistakes if one.kind == "label"}
    assert len(doubted & set(spoilt.tolist())) >= 0.6 * len(spoilt)
    assert len(doubted - set(spoilt.tolist())) <= 3
