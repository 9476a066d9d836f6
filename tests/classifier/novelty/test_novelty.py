"""None of these: what images look like, how far they are from others, which score is kept, and its limit."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.extmath import randomized_svd

from striate.classifier.novelty.appearance import appearance
from striate.classifier.novelty.detectors import (
    NEIGHBOURS,
    FeatureSpace,
    NearestDistance,
    Surprise,
    nearest_distance,
    squared_distances,
)
from striate.classifier.novelty.directions import principal_directions
from striate.classifier.novelty.fitting import Looked, fit_novelty
from striate.classifier.novelty.novelty import Novelty, joint, ranking
from striate.classifier.novelty.strange import strange_images
from striate.errors import ModelFileError

RNG = np.random.default_rng(0)


def clouds(n, seed, labels=3, d=8):
    """Features about centres, one a class, as seen of images, with logits that know the classes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, labels, n)
    features = (6 * np.eye(d)[truth] + rng.normal(size=(n, d))).astype(np.float32)
    return Looked({"last": features}, features[:, :labels].copy(), truth)


@pytest.mark.parametrize("shape", [(32, 32, 3), (8, 8, 1), (3, 3, 3), (1, 5, 1), (28, 20, 4), (96, 96, 3)])
def test_every_image_has_an_appearance(shape):
    images = RNG.integers(0, 256, (4, *shape), dtype=np.uint8)
    found = appearance(images)
    assert found.dtype == np.float32
    assert found.shape[0] == 4
    assert np.isfinite(found).all()
    np.testing.assert_allclose(appearance(images[2:3]), found[2:3], rtol=1e-5, atol=1e-5)
    assert np.isfinite(appearance(np.zeros((1, *shape), np.uint8))).all()


def test_distances_are_those_of_scikit_learn():
    points, references = RNG.normal(size=(50, 7)).astype(np.float32), RNG.normal(size=(200, 7)).astype(np.float16)
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(references.astype(np.float64)).kneighbors(points)[0]
    found = nearest_distance(squared_distances(points, references))
    np.testing.assert_allclose(found, nearest[:, -1], rtol=1e-3)


@pytest.mark.parametrize(("d", "unit"), [(8, False), (8, True), (300, False), (300, True)])
def test_a_space_tells_what_is_far(d, unit):
    near = RNG.normal(3, 1, (400, d)).astype(np.float32)
    space = FeatureSpace.of("last", near, unit=unit)
    detector = NearestDistance(space, space({"last": near[:200]}).astype(np.float16))
    far = {"last": RNG.normal(-3, 1, (50, d)).astype(np.float32)}
    scores = [detector.scores(seen, np.zeros((1, 2))) for seen in ({"last": near[200:]}, far)]
    assert roc_auc_score([0] * 200 + [1] * 50, np.concatenate(scores)) > 0.99


def test_constant_features_do_no_harm():
    values = np.zeros((30, 5), np.float32)
    values[:, 0] = RNG.normal(size=30)
    space = FeatureSpace.of("last", values)
    assert np.isfinite(space({"last": values + 1})).all()


def test_the_joint_score_ranks_among_the_known():
    ranked = [np.arange(99, dtype=np.float32)] * 2
    scores = joint([np.array([200.0, 98, 0, -5])] * 2, ranked)
    np.testing.assert_allclose(scores, -2 * np.log([1 / 100, 2 / 100, 1, 1]))
    assert len(ranking(np.arange(5000.0))) == 1000
    assert ranking(np.arange(5000.0))[[0, -1]].tolist() == [0, 4999]


@pytest.mark.parametrize("grouped", [False, True])
def test_false_alarms_are_as_many_as_were_allowed(grouped):
    alarms = []
    for seed in range(12):
        valid = clouds(300, seed)
        groups = np.arange(300) // 3 if grouped else None
        novelty, _ = fit_novelty(clouds(300, 100 + seed), Looked(valid.seen, valid.logits, valid.labels, groups), {})
        fresh = clouds(1000, 1000 + seed)
        alarms.append((novelty.scores(fresh.seen, fresh.logits) > novelty.limit).mean())
    assert 0.03 < np.mean(alarms) < 0.065


def test_the_best_score_on_held_out_classes_and_strange_images_is_kept():
    """Features tell classes apart and logits say nothing: they must not be chosen; and the other way round."""
    train, valid = clouds(400, 0), clouds(400, 1)
    odd = Looked(
        {"last": np.random.default_rng(2).normal(size=(60, 8)).astype(np.float32) - 6}, np.zeros((60, 3)), None
    )
    silent = [Looked(one.seen, RNG.normal(size=one.logits.shape), one.labels) for one in (train, valid, odd)]
    novelty, found = fit_novelty(*silent[:2], {"odd": silent[2]})
    assert novelty.name == "neighbours by last"
    assert {one["score"] for one in found["candidates"]} >= {"maximum softmax", "energy of the logits"}
    noise = [Looked({"last": RNG.normal(size=(len(one.logits), 8)).astype(np.float32)}, one.logits, one.labels)
             for one in (train, valid, odd)]  # fmt: skip
    assert "neighbours" not in fit_novelty(*noise[:2], {"odd": noise[2]})[0].name


def test_too_few_images_tell_nothing():
    novelty, found = fit_novelty(clouds(50, 0), clouds(18, 1), {})
    assert novelty is None
    assert found == {"score": None, "why": "that takes 19 validation images, there are 18"}


def test_a_file_gives_the_same_scores_back():
    novelty, _ = fit_novelty(clouds(100, 0, d=200), clouds(100, 1, d=200), {})
    said, tensors = novelty.describe()
    again = Novelty.rebuilt(said, dict(tensors))
    fresh = clouds(100, 2, d=200)
    np.testing.assert_allclose(
        again.scores(fresh.seen, fresh.logits), novelty.scores(fresh.seen, fresh.logits), rtol=0.05, atol=0.05
    )
    assert again.limit == novelty.limit


@pytest.mark.parametrize("change", [
    lambda said, tensors: said.pop("detectors"),
    lambda said, tensors: said.update(limit=float("nan")),
    lambda said, tensors: said["detectors"][0].update(kind="oracle"),
    lambda said, tensors: tensors.pop("novelty.0.references"),
    lambda said, tensors: tensors.update({"novelty.0.mean": np.zeros(3, np.float32)}),
    lambda said, tensors: tensors.update({"novelty.0.scale": np.zeros(8, np.float32)}),
    lambda said, tensors: tensors.update({"novelty.0.ranked": np.array([2, 1], np.float32)}),
    lambda said, tensors: tensors["novelty.0.references"].__setitem__((0, 0), np.inf),
])  # fmt: skip
def test_a_file_that_says_nonsense_is_refused(change):
    space = FeatureSpace.of("last", clouds(40, 0).seen["last"])
    references = space(clouds(40, 0).seen).astype(np.float16)
    novelty = Novelty((NearestDistance(space, references),), (np.arange(5, dtype=np.float32),), 2.0)
    said, tensors = novelty.describe()
    change(said, tensors)
    with pytest.raises(ModelFileError):
        Novelty.rebuilt(said, tensors)


def test_energy_is_minus_the_logarithm_of_the_sum():
    logits = RNG.normal(size=(5, 3))
    np.testing.assert_allclose(Surprise().scores({}, logits), -np.log(np.exp(logits).sum(1)))


@pytest.mark.parametrize("shape", [(32, 32, 3), (8, 8, 1), (3, 2, 1)])
def test_strange_images_are_made_of_these_and_always_alike(shape):
    images = RNG.integers(0, 256, (10, *shape), dtype=np.uint8)
    made, again = strange_images(images), strange_images(images)
    for kind, odd in made.items():
        assert odd.shape == images.shape, kind
        assert odd.dtype == np.uint8
        np.testing.assert_array_equal(odd, again[kind])
        assert not np.array_equal(odd, images)
    assert (np.ptp(made["plain"], axis=(1, 2)) == 0).all()


@pytest.mark.parametrize("shape", [(300, 40), (40, 300), (800, 200)])
def test_directions_are_scikit_learns(shape):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32) * np.geomspace(1, 9, shape[1], dtype="f")
    values -= values.mean(0)
    _, _, axes = randomized_svd(values, 16, random_state=0)
    np.testing.assert_array_equal(principal_directions(values, 16), axes.T)
