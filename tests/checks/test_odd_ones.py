"""What lies far from everything is told, whatever its label; a set of one kind has about none of it."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from tests.checks.synthetic import an_image_set, blobs, some_evidence

from striate.checks import odd_ones as module
from striate.checks.odd_ones import find_odd_ones


def set_with(odd, n=600, **options):
    """Evidence of blobs with odd features (m, d) behind them."""
    features, labels = blobs(n, d=32, **options)
    labels = np.concatenate([labels, np.zeros(len(odd), np.int64)])
    return some_evidence(np.concatenate([features, odd]).astype(np.float32), an_image_set(labels))


def elsewhere(m, d=32):
    """Features that lie where the set never is, each in a direction of its own."""
    return np.eye(d)[:m] * 30


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [100, 1_500])
def test_a_set_of_one_kind_has_about_none(n, seed):
    assert len(find_odd_ones(set_with(np.zeros((0, 32)), n, seed=seed))) <= max(2, 0.004 * n)


@pytest.mark.parametrize("count", [1, 5])
def test_planted_ones_are_told_first(count):
    found = find_odd_ones(set_with(elsewhere(count), apart=1.5))
    assert set(range(600, 600 + count)) <= set(found.positions[: count + 1].tolist())
    assert (found.distance[:count] > 1).all()
    assert found.distance.tolist() == sorted(found.distance, reverse=True)


def test_a_few_alike_do_not_hide_each_other():
    alike = elsewhere(1) + np.random.default_rng(0).normal(0, 0.3, (6, 32))
    found = find_odd_ones(set_with(alike, apart=1.5))
    assert set(range(600, 606)) <= set(found.positions.tolist())


def test_copies_are_no_neighbours():
    evidence = set_with(np.repeat(elsewhere(1), 11, axis=0), apart=1.5)
    groups = np.concatenate([np.arange(600), np.full(11, 600)])
    images = an_image_set(evidence.images.labels, groups=groups)
    found = find_odd_ones(type(evidence)(images, evidence.features, evidence.extractor, evidence.mean, evidence.scale))
    assert set(range(600, 611)) <= set(found.positions.tolist())


def test_distances_are_those_of_scikit_learn(monkeypatch):
    evidence = set_with(elsewhere(3))
    white = module._whitened(evidence.features)
    unit = white / np.linalg.norm(white, axis=1, keepdims=True)
    near = NearestNeighbors(n_neighbors=11).fit(unit)
    expected = near.kneighbors(unit)[0][:, 10]  # the first is the image itself
    got = module._neighbour_distance(white, np.arange(603), lambda *_: None)
    np.testing.assert_allclose(got, expected, atol=1e-3)
    monkeypatch.setattr(module, "MOST_COMPARED", 300)
    fewer = module._neighbour_distance(white, np.arange(603), lambda *_: None)
    assert (fewer >= got - 1e-4).all()


def test_too_few_equal_and_one_group():
    few = find_odd_ones(set_with(np.zeros((0, 32)), 20))
    assert not len(few)
    assert "fewer than 50 images; got 20" in few.notes[0]
    equal = some_evidence(np.ones((80, 4), np.float32), an_image_set(np.arange(80) % 2))
    assert not len(find_odd_ones(equal))
    together = an_image_set(np.arange(80) % 2, groups=np.zeros(80, np.int64))
    features = np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)
    assert not len(find_odd_ones(some_evidence(features, together)))
