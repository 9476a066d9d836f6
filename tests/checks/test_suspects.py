"""Planted wrong labels are found, with the precision that is said; a set without any is not accused."""

from dataclasses import replace

import numpy as np
import pytest
from tests.checks.synthetic import an_image_set, blobs, planted, some_evidence

from striate.checks.suspects import find_suspects


@pytest.mark.parametrize("apart", [0.5, 1.0])
@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_planted_labels_are_found_with_the_precision_that_is_said(rate, apart):
    features, labels = blobs(apart=apart)
    given = planted(labels, 4, rate)
    wrong = given != labels
    found = find_suspects(some_evidence(features, an_image_set(given)))
    assert found.judged == 600
    assert found.probability.tolist() == sorted(found.probability, reverse=True)
    assert (found.given == given[found.positions]).all()
    assert (found.likely != found.given).all()
    assert wrong[found.positions].mean() == pytest.approx(found.precision(len(found)), abs=0.2)
    if apart == 1.0:
        assert wrong[found.positions].sum() > 0.8 * wrong.sum()
        assert found.expected == pytest.approx(wrong.sum(), rel=0.4)
        hits = wrong[found.positions]
        assert (found.likely == labels[found.positions])[hits].mean() > 0.9


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("apart", [0.3, 1.0])
def test_a_clean_set_is_not_accused(apart, seed):
    features, labels = blobs(apart=apart, seed=seed)
    found = find_suspects(some_evidence(features, an_image_set(labels)))
    assert len(found) <= 6
    assert found.probability.sum() < 4


def test_images_without_a_label_are_passed_over_and_positions_are_the_sets():
    features, labels = blobs()
    given = planted(labels, 4, 0.05)
    unlabelled = np.arange(600) % 3 == 0
    partly = np.where(unlabelled, -1, given)
    found = find_suspects(some_evidence(features, an_image_set(partly)))
    assert found.judged == 400
    assert not unlabelled[found.positions].any()
    assert (given != labels)[found.positions].mean() > 0.7


def test_a_wrong_label_that_a_copy_shares_is_found_where_groups_are_known():
    features, labels = blobs(300)
    given = planted(labels, 4, 0.1)
    twice = np.concatenate([features, features + 0.01])
    images = an_image_set(np.tile(given, 2), groups=np.tile(np.arange(300), 2))
    found = find_suspects(some_evidence(twice, images))
    wrong = np.tile(given != labels, 2)
    assert wrong[found.positions].sum() > 0.8 * wrong.sum()


def test_what_cannot_be_judged_is_said():
    features, labels = blobs(60)
    lone = labels.copy()
    lone[4] = 6
    found = find_suspects(some_evidence(features, an_image_set(lone)))
    assert found.judged == 59
    assert 4 not in found.positions
    assert found.notes == ("1 label could not be judged, as no other image shows the class: g",)
    one_class = find_suspects(some_evidence(features, an_image_set(0 * labels)))
    assert (len(one_class), one_class.judged) == (0, 0)
    assert "one class" in one_class.notes[0]
    assert one_class.sentence == "no label could be judged"
    few = find_suspects(some_evidence(features[:5], an_image_set(labels[:5])))
    assert "at least 10 labelled images; got 5" in few.notes[0]
    none = find_suspects(some_evidence(features, an_image_set(np.full(60, -1), classes=("a",))))
    assert "got 0" in none.notes[0]
    alone = find_suspects(some_evidence(features, an_image_set(np.arange(60), tuple(map(str, range(60))))))
    assert "hardly a class has two images" in alone.notes[0]
    copies = an_image_set(labels, hashes=np.zeros(60, np.uint64))
    assert not find_suspects(some_evidence(features, copies)).judged


def test_many_classes_of_a_few_images():
    random = np.random.default_rng(0)
    centres = random.normal(size=(250, 32)) * 2
    labels = np.repeat(np.arange(250), 3)
    features = (centres[labels] + random.normal(size=(750, 32)) * 0.5).astype(np.float32)
    given = planted(labels, 250, 0.04)
    found = find_suspects(some_evidence(features, an_image_set(given, tuple(map(str, range(250))))))
    wrong = given != labels
    assert wrong[found.positions[: wrong.sum()]].mean() > 0.7


def test_equal_images_and_features_that_say_nothing():
    """Blank images teach nothing: no crash, and nobody is accused."""
    labels = np.arange(50) % 2
    evidence = some_evidence(np.ones((50, 8), np.float32), an_image_set(labels))
    assert not len(find_suspects(evidence))


def test_it_is_the_same_twice():
    features, labels = blobs(200)
    evidence = some_evidence(features, an_image_set(planted(labels, 4, 0.1)))
    first, second = find_suspects(evidence), find_suspects(replace(evidence))
    assert np.array_equal(first.positions, second.positions)
    assert np.array_equal(first.probability, second.probability)
