import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from striate import ImageClassifier
from striate.errors import ArgumentError, ShapeError

NET = "fc(32) relu fc(classes)"


@pytest.fixture(scope="module")
def digits():
    rows, labels = load_digits(return_X_y=True)
    return rows[:600], labels[:600]


@pytest.fixture
def estimator():
    return ImageClassifier(net=NET, epochs=10, batch_size=32, learning_rate=0.01, image_shape=(8, 8))


def test_flat_rows_and_images_are_the_same(digits, estimator):
    rows, labels = digits
    flat = estimator.fit(rows, labels).predict_proba(rows)
    for images in (rows.reshape(-1, 8, 8), rows.reshape(-1, 8, 8, 1)):
        assert np.array_equal(clone(estimator).fit(images, labels).predict_proba(images), flat)


def test_it_works_where_scikit_learn_does(digits, estimator):
    rows, labels = digits
    assert cross_val_score(estimator, rows, labels, cv=2).min() > 0.7
    grid = GridSearchCV(estimator, {"epochs": [1, 10]}, cv=2).fit(rows, labels)
    assert grid.best_params_ == {"epochs": 10}
    assert make_pipeline(StandardScaler(), estimator).fit(rows, labels).score(rows, labels) > 0.8
    to_images = FunctionTransformer(lambda x: x.reshape(-1, 8, 8))
    assert make_pipeline(to_images, estimator).fit(rows, labels).score(rows, labels) > 0.8


@pytest.mark.parametrize(
    "names", [np.array(["zero", "one"]), np.array([-5, 7]), np.array([True, False]), np.array([0.0, 1.0])], ids=str
)
def test_labels_of_any_type_come_back(digits, estimator, names):
    rows, labels = digits
    given = names[labels % 2]
    estimator.fit(rows, given)
    assert list(estimator.classes_) == sorted(names)
    assert estimator.predict(rows).dtype == names.dtype
    assert estimator.score(rows, given) > 0.8


def test_more_than_ten_numeric_labels_keep_their_order(estimator):
    # As text "10" sorts before "9"; columns of predict_proba must follow classes_.
    rng = np.random.default_rng(0)
    labels = np.repeat([9, 10, 100], 40)
    images = (rng.random((120, 8, 8)) * 20 + np.repeat([0, 100, 200], 40)[:, None, None]).astype(np.uint8)
    estimator.set_params(epochs=20).fit(images, labels)
    assert list(estimator.classes_) == [9, 10, 100]
    assert estimator.score(images, labels) > 0.95


def test_fit_is_repeatable_and_leaves_the_random_state(digits, estimator):
    import torch

    rows, labels = digits
    before = torch.get_rng_state()
    first = clone(estimator).fit(rows, labels).predict_proba(rows)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(clone(estimator).fit(rows, labels).predict_proba(rows), first)


@pytest.mark.parametrize(
    ("change", "rows", "error", "message"),
    [
        ({"image_shape": None}, np.zeros((4, 64)), ShapeError, "flat rows need image_shape"),
        ({"image_shape": (7, 8)}, np.zeros((4, 64)), ShapeError, "has 56 values; the rows of X have 64"),
        ({}, np.zeros((4, 8, 8, 2)), ShapeError, "X must be"),
        ({}, np.zeros((3, 8, 8)), ShapeError, "same length; got 3 and 4"),
        ({}, np.full((4, 8, 8), np.nan), ArgumentError, "NaN"),
        ({"valid_share": 1.0}, np.zeros((4, 8, 8)), ArgumentError, "valid_share"),
    ],
)
def test_bad_input_is_named(estimator, change, rows, error, message):
    with pytest.raises(error, match=message):
        estimator.set_params(**change).fit(rows, [0, 1, 0, 1])


def test_balance_and_metric_are_settings_of_the_estimator(digits, estimator):
    rows, labels = digits
    keep = np.concatenate([np.flatnonzero(labels == c)[: 5 if c % 2 else None] for c in range(10)])
    plain, even = (
        clone(estimator).set_params(balance=balance, metric="macro-f1", epochs=3).fit(rows[keep], labels[keep])
        for balance in ("none", "loss")
    )
    assert even.classifier_.provenance.recipe["metric"] == "macro-f1"
    rare = (labels % 2 == 1) & ~np.isin(np.arange(len(labels)), keep)
    assert even.score(rows[rare], labels[rare]) > plain.score(rows[rare], labels[rare])
