"""What to label next is in doubt, and differs."""

import numpy as np
import pytest
from tests.checks.synthetic import an_image_set, some_evidence

from striate.checks.unlabelled import choose_to_label
from striate.errors import ArgumentError, DataError


def points(where, n, seed=0, spread=(6, 6)):
    """Images of one row of two bytes near a point."""
    return np.clip(np.random.default_rng(seed).normal(where, spread, (n, 2)).round(), 0, 255).astype(np.uint8)


def image_set(pixels, labels=None):
    labels = np.full(len(pixels), -1) if labels is None else labels
    return an_image_set(labels, ("left", "right"), pixels=pixels.reshape(len(pixels), 1, 2, 1))


@pytest.fixture
def evidence():
    pixels = np.concatenate([points((60, 128), 40, 0, (12, 50)), points((190, 128), 40, 1, (12, 50))])
    images = image_set(pixels, np.repeat([0, 1], 40))
    return some_evidence(pixels.astype(np.float32), images)


def pool():
    """Sure ones of both classes, and doubtful ones between them at two places."""
    places = [((60, 128), 100), ((190, 128), 100), ((125, 60), 20), ((125, 200), 20)]
    return np.concatenate([points(where, n, seed=7 + i) for i, (where, n) in enumerate(places)])


def test_the_doubtful_are_chosen_from_each_place(evidence):
    found = choose_to_label(evidence, image_set(pool()), count=4)
    assert (len(found), len(np.unique(found.positions)), found.among) == (4, 4, 240)
    doubtful = found.positions >= 200
    assert doubtful.all()
    assert found.positions[0] >= 200  # the most doubtful is first
    assert ((found.probability > 0.4) & (found.probability <= 1)).all()
    above, below = found.positions[doubtful] < 220, found.positions[doubtful] >= 220
    assert above.any()
    assert below.any()


def test_the_likely_class(evidence):
    found = choose_to_label(evidence, image_set(pool()[:200]), count=200)
    order = np.argsort(found.positions)
    assert (found.likely[order] == np.repeat([0, 1], 100)).all()


def test_more_than_there_are(evidence):
    found = choose_to_label(evidence, image_set(pool()[195:205]), count=50)
    assert sorted(found.positions.tolist()) == list(range(10))
    assert found.sentence == "of 10 unlabelled images these 10 would teach most"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_equal_pictures_fill_up(evidence):
    found = choose_to_label(evidence, image_set(np.full((30, 2), 125, np.uint8)), count=5)
    assert len(np.unique(found.positions)) == 5


def test_labels_of_the_pool_are_not_looked_at(evidence):
    first = choose_to_label(evidence, image_set(pool()), count=6)
    second = choose_to_label(evidence, image_set(pool(), np.ones(240, np.int64)), count=6)
    assert np.array_equal(first.positions, second.positions)


def test_what_cannot_be(evidence):
    with pytest.raises(ArgumentError, match="count must be at least 1; got 0"):
        choose_to_label(evidence, image_set(pool()), count=0)
    with pytest.raises(DataError, match="images to choose from; got none"):
        choose_to_label(evidence, image_set(pool()[:0]), count=3)
    one = image_set(pool(), np.zeros(240, np.int64))
    with pytest.raises(DataError, match="at least two classes"):
        choose_to_label(some_evidence(pool().astype(np.float32), one), image_set(pool()), count=3)
