import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

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
        ({"image_shape": None}, np.full((4, 64), np.inf), ValueError, "infinity"),
        ({"image_shape": (7, 8)}, np.zeros((4, 64)), ShapeError, "has 56 values; the rows of X have 64"),
        ({}, np.zeros((4, 8, 8, 2, 2)), ValueError, "dim 5"),
        ({}, np.zeros((3, 8, 8)), ShapeError, "same length; got 3 and 4"),
        ({}, np.full((4, 8, 8), np.nan), ArgumentError, "NaN"),
        ({"valid_share": 1.0}, np.zeros((4, 8, 8)), ArgumentError, "valid_share"),
    ],
)
def test_bad_input_is_named(estimator, change, rows, error, message):
    with pytest.raises(error, match=message):
        estimator.set_params(**change).fit(rows, [0, 1, 0, 1])


@pytest.mark.parametrize("change", [lambda X: X / 255, lambda X: X * 1.0 + 900, lambda X: X / 127.5 - 300])
def test_pixels_in_other_units_than_fit_had_are_warned_of(change):
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    fitted = ImageClassifier(net="fc(classes)", epochs=1).fit(images, np.arange(20) % 2)
    with pytest.warns(UserWarning, match="in other units"):
        fitted.predict(change(images))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (images, images * 1.0, images // 3, np.zeros((1, 4, 4)), np.ones((1, 4, 4))):
            fitted.predict(same)


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


@pytest.mark.parametrize(("count", "shape"), [(64, (8, 8, 1)), (48, (4, 4, 3)), (10, (1, 10, 1)), (2, (1, 2, 1))])
def test_flat_rows_without_a_shape_are_squares_or_one_row(count, shape):
    rng = np.random.default_rng(0)
    rows, labels = rng.random((40, count)), np.arange(40) % 2
    rows += labels[:, None]
    model = ImageClassifier(net="fc(classes)", epochs=20, learning_rate=0.05, batch_size=8).fit(rows, labels)
    assert model.fitted_shape_ == shape
    assert model.score(rows, labels) > 0.9
    with pytest.raises(ValueError, match=f"has {count + 1} features, but ImageClassifier is expecting {count}"):
        model.predict(np.zeros((2, count + 1)))


def test_flat_rows_are_the_images_that_they_were(digits):
    """Colours may lie pixel by pixel or one after the other: in both cases it is the same image that is learnt from."""
    rows, labels = digits
    images = np.stack([rows.reshape(-1, 8, 8), rows.reshape(-1, 8, 8) / 2, rows.reshape(-1, 8, 8) / 4], 3)[:200]
    model = ImageClassifier(net="fc(classes)", epochs=2)
    expected = clone(model).fit(images, labels[:200]).predict_proba(images)
    for laid in (images, images.transpose(0, 3, 1, 2)):
        flat = laid.reshape(200, -1)
        assert np.array_equal(clone(model).fit(flat, labels[:200]).predict_proba(flat), expected)


def test_rows_too_small_for_the_swift_nets_are_enlarged():
    rows = np.repeat([[0.0, 1.0], [1.0, 0.0]], 20, axis=0)
    labels = np.repeat(["left", "right"], 20)
    model = ImageClassifier(epochs=3, batch_size=8).fit(rows, labels)
    assert min(model.classifier_.preprocessing.size) >= 3
    assert set(model.predict(rows[[0, -1]])) <= {"left", "right"}


def test_predicting_before_fitting_is_said_as_scikit_learn_says_it():
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(ImageClassifier(), method)(np.zeros((2, 8, 8)))


def test_one_class_is_too_few(estimator):
    with pytest.raises(ArgumentError, match=r"y holds one class only, .*7"):
        estimator.fit(np.zeros((4, 8, 8)), [7, 7, 7, 7])


# What cannot pass, with its reason; nothing at present.
CANNOT_PASS: dict[str, str] = {}


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_finds_an_estimator_of_its_own_kind():
    # the net is named: the size that is chosen otherwise depends on how busy the machine is
    model = ImageClassifier("swift_xs(width=0.5)", epochs=1)
    results = check_estimator(model, expected_failed_checks=CANNOT_PASS, on_fail=None, on_skip=None)
    failed = {one["check_name"]: str(one["exception"]) for one in results if one["status"] == "failed"}
    assert failed == {}
    assert sum(one["status"] == "passed" for one in results) >= 50
