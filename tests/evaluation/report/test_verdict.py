"""Three sentences: how good, whether a net is worth it, what to be careful of."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.report.contents import judged, make_contents, make_images

from striate.evaluation.report.trust import promises_of
from striate.evaluation.report.verdict import cares_of, verdict_sentences
from striate.metrics.evaluation import Evaluation, evaluate_probabilities


def evaluated(labels, right, confidence=None, classes=("a", "b")) -> Evaluation:
    labels, right = np.asarray(labels), np.asarray(right)
    said = np.where(right, labels, 1 - labels)
    probabilities = np.full((len(labels), 2), 0.0)
    sure = np.where(right, 0.9, 0.6) if confidence is None else np.full(len(labels), confidence)
    probabilities[np.arange(len(labels)), said] = sure
    probabilities[np.arange(len(labels)), 1 - said] = 1 - sure
    return evaluate_probabilities(probabilities.astype(np.float32), labels, classes)


def test_how_good_is_said_with_images_classes_and_interval():
    contents = make_contents(("a", "b"), (60, 30, 400))
    test = evaluated(np.arange(400) % 2, np.arange(400) >= 40)
    first = verdict_sentences(replace(contents, test=test))[0]
    assert first == "Of 400 test images of 2 classes it names 90.00 % right (95 % interval 86.7 to 92.6 %)."


def test_without_test_images_the_figure_is_said_to_flatter():
    contents = make_contents(counts=(60, 300, 0))
    first, _, third = verdict_sentences(contents)
    assert first.startswith("Of 300 validation images")
    assert "flatter" in third


def test_without_any_nobody_knows():
    first, _, third = verdict_sentences(make_contents(counts=(60, 0, 0)))
    assert first.startswith("Nobody knows")
    assert "no test images" in third


@pytest.mark.parametrize(
    ("test", "care"),
    [
        (evaluated(np.arange(400) % 2, np.arange(400) >= 40), None),
        (evaluated(np.arange(40) % 2, np.arange(40) >= 4), "40 images are few to judge by"),
        (evaluated(np.arange(400) >= 40, np.arange(400) % 10 > 0), "not surely better than always saying"),
        (evaluated(np.arange(400) >= 80, np.arange(400) % 10 > 0), "classes are uneven"),
        (evaluated(np.arange(400) % 2, np.arange(400) % 10 > 3, 0.95), "too sure: 95.0 % said on average, 60.0 %"),
        (evaluated(np.arange(400) % 2, np.arange(400) > 1, 0.7), "not sure enough"),
        (evaluated(np.arange(400) >= 5, np.arange(400) >= 0), "1 class has fewer than 10 images that judge"),
        (evaluated(np.ones(400, int), np.arange(400) >= 0), "1 class has no image that judges"),
        (evaluated(np.arange(400) % 2, (np.arange(400) % 2 == 0) | (np.arange(400) > 200)), "weaker on “b”"),
    ],
)  # fmt: skip
def test_what_to_be_careful_of(test, care):
    contents = replace(make_contents(("a", "b"), (60, 30, 400)), test=test)
    cares = "; ".join(cares_of(contents))
    if care is None:
        assert cares == ""
    else:
        assert care in cares


ILLS = ["more than half of the units are dead in 1.relu (60 %): they cannot learn. Lower the learning rate", "it leaps"]


@pytest.mark.parametrize(("ills", "told"), [
    (ILLS[:1], "dead in 1.relu (60 %): they cannot learn"),
    (ILLS, "dead in 1.relu (60 %): they cannot learn, and 1 more of its health"),
])  # fmt: skip
def test_an_ill_net_is_told(ills, told):
    contents = make_contents(("a", "b"), (60, 30, 400), health={"epoch": 1, "health": ills})
    test = evaluated(np.arange(400) % 2, np.arange(400) >= 40)
    assert verdict_sentences(replace(contents, test=test))[2] == f"Be careful: more than half of the units are {told}."
    unjudged = verdict_sentences(replace(contents, test=None, valid=None))[2]
    assert told in unjudged


def test_leaks_are_told_with_the_figure_without_them():
    images = make_images(("a", "b"), 400)
    test = judged(images, 0.95)
    assert test is not None
    leaking = replace(test, near_copies=7, without=evaluated(np.arange(100) % 2, np.arange(100) >= 20))
    cares = next(cares_of(replace(make_contents(("a", "b"), (60, 30, 400)), test=leaking)))
    assert cares.startswith("7 of the 400 test images are near copies of images that it was trained on or chosen by")
    assert "without them 80.00 % are right" in cares


def test_a_promise_of_the_ladder_is_the_second_sentence():
    second = verdict_sentences(make_contents(told={"verdict": "A net wins."}))[1]
    assert second.startswith("A net wins. Always saying “cat” would be right in 33.3 %.")


def test_a_promise_that_few_images_miss_says_that_chance_may_do_so():
    known = {"score": "energy", "false_alarm": 0.05, "test": {"refused": 0.217, "interval": [0.1, 0.4], "kept": True}}
    (one,) = promises_of({"known": known})
    assert one.shown.endswith("of the test images; the difference may be chance")
    known["test"]["refused"] = 0.04
    assert "chance" not in promises_of({"known": known})[0].shown
