"""Heads against scikit-learn and plain NumPy, and files that describe what cannot be."""

import json
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

import striate
from striate.baselines.candidates import fit_baseline
from striate.baselines.examples import Examples
from striate.baselines.registry import read_baseline
from striate.baselines.svm import from_svc
from striate.baselines.trees import from_boosted, from_trees, round_down
from striate.classifier.heads import distances
from striate.classifier.heads.distances import nearest
from striate.classifier.heads.linear import Linear
from striate.classifier.heads.neighbours import Neighbours
from striate.data.splitting import split
from striate.errors import ModelFileError


def examples(classes, n=300, d=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    features = (rng.normal(size=(n, d)) + 1.5 * rng.normal(size=(classes, d))[labels]).astype(np.float32)
    return features[: n // 2], labels[: n // 2], features[n // 2 :], labels[n // 2 :]


def probabilities(head, features):
    return head(torch.from_numpy(features)).softmax(1).numpy()


each_count = pytest.mark.parametrize("classes", [2, 3, 7])


@pytest.fixture
def _one_thread():
    """Threads that share little work wait for each other longer than they work."""
    with threadpool_limits(1):
        yield


@each_count
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.usefixtures("_one_thread")
def test_trees_are_scikit_learns(classes, seed):
    x, y, new, _ = examples(classes, seed=seed)
    one = DecisionTreeClassifier(random_state=0).fit(x, y)
    np.testing.assert_allclose(probabilities(from_trees([one.tree_]), new), one.predict_proba(new), atol=1e-6)
    many = RandomForestClassifier(12, random_state=0).fit(x, y)
    head = from_trees([each.tree_ for each in many.estimators_])
    np.testing.assert_allclose(probabilities(head, new), many.predict_proba(new), atol=1e-6)
    boosted = HistGradientBoostingClassifier(max_iter=6, min_samples_leaf=5, early_stopping=False).fit(x, y)
    np.testing.assert_allclose(probabilities(from_boosted(boosted, 6), new), boosted.predict_proba(new), atol=1e-6)
    staged = list(boosted.staged_predict_proba(new))
    np.testing.assert_allclose(probabilities(from_boosted(boosted, 2), new), staged[1], atol=1e-6)


@pytest.mark.usefixtures("_one_thread")
def test_trees_are_walked_in_blocks(monkeypatch):
    x, y, new, _ = examples(3)
    boosted = HistGradientBoostingClassifier(max_iter=5, early_stopping=False).fit(x, y)
    whole = probabilities(from_boosted(boosted, 5), new)
    monkeypatch.setattr("striate.classifier.heads.trees._MOST_AT_ONCE", 1000)
    np.testing.assert_allclose(probabilities(from_boosted(boosted, 5), new), whole, atol=1e-6)


@given(hnp.arrays(np.float64, 20, elements=st.floats(-1e30, 1e30)), st.data())
def test_thresholds_rounded_down_leave_every_float32_on_its_side(thresholds, data):
    rounded = round_down(thresholds)
    near = np.concatenate([np.float32(thresholds), np.nextafter(np.float32(thresholds), np.float32(np.inf))])
    both = np.concatenate([thresholds, thresholds])
    assert np.array_equal(near <= both, near <= np.concatenate([rounded, rounded]))


@each_count
def test_logistic_regression_is_scikit_learns(classes):
    x, y, new, _ = examples(classes)
    head = read_baseline("logistic(c=0.5)").fit(Examples(x, y, x[:0], y[:0], classes))
    oracle = LogisticRegression(C=0.5, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(probabilities(head, new), oracle.predict_proba(new), atol=5e-2)
    copied = Linear(weight=torch.from_numpy(oracle.coef_).float(), bias=torch.from_numpy(oracle.intercept_).float())
    if classes > 2:
        np.testing.assert_allclose(probabilities(copied, new), oracle.predict_proba(new), atol=1e-5)


@each_count
def test_support_vectors_are_scikit_learns(classes):
    x, y, new, _ = examples(classes)
    oracle = SVC(C=3.0, decision_function_shape="ovr", break_ties=classes > 2).fit(x, y)
    head = from_svc(oracle)
    scores = head.scores(torch.from_numpy(new)).numpy()
    expected = oracle.decision_function(new)  # of two classes: positive for the second
    np.testing.assert_allclose(-scores[:, 0] if classes == 2 else scores, expected, rtol=1e-3, atol=1e-4)
    assert np.array_equal(scores.argmax(1), oracle.predict(new))


def test_soft_votes_sum_what_each_pair_says_and_old_files_have_none():
    x, y, new, _ = examples(4)
    head = from_svc(SVC(C=3.0).fit(x, y))
    head.slope = 2.0
    upper = head.decisions(torch.from_numpy(new)).numpy().astype(np.float64)
    against = upper - upper.transpose(0, 2, 1)
    votes = -np.log1p(np.exp(-2 * against))
    expected = votes.sum(2) - votes.diagonal(axis1=1, axis2=2)
    np.testing.assert_allclose(head.scores(torch.from_numpy(new)).numpy(), expected, rtol=1e-4, atol=1e-4)
    tensors = {name: getattr(head, name) for name in head.tensors}
    before = type(head).rebuild({"gamma": head.gamma, "sharpness": 1.0}, tensors, x.shape[1], 4)
    assert before.slope == 0


class TestNeighbours:
    @pytest.mark.parametrize("metric", ["l1", "l2"])
    @pytest.mark.parametrize("k", [1, 4, 9])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_they_are_scikit_learns(self, metric, k, dtype):
        rng = np.random.default_rng(k)
        x, new = rng.integers(0, 256, (200, 30)).astype(dtype), rng.integers(0, 256, (50, 30)).astype(np.float32)
        y = rng.integers(0, 4, 200)
        head = Neighbours(vectors=torch.from_numpy(x), labels=torch.from_numpy(y), k=k, metric=metric, classes=4)
        oracle = KNeighborsClassifier(k, metric={"l1": "manhattan", "l2": "euclidean"}[metric], algorithm="brute")
        oracle.fit(x.astype(np.float64), y)
        expected = oracle.predict_proba(new.astype(np.float64))
        # Which of equally near ones vote, scikit-learn leaves open.
        far = np.sort(oracle.kneighbors(new, k + 1)[0], axis=1)
        clear = far[:, k - 1] < far[:, k]
        assert clear.mean() > 0.8
        np.testing.assert_allclose(probabilities(head, new)[clear], expected[clear], atol=1e-6)

    @settings(max_examples=60)
    @given(
        hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=st.integers(0, 3)),
        st.integers(1, 8),
        st.sampled_from(["l1", "l2"]),
        st.sampled_from([np.uint8, np.float32]),
        st.sampled_from([3, 4096]),
    )
    def test_of_equally_near_ones_the_earlier_is_first(self, vectors, k, metric, dtype, block):
        k = min(k, len(vectors))
        wide = vectors.astype(np.int64)
        difference = wide[:, None] - wide[None]
        far = np.abs(difference).sum(2) if metric == "l1" else (difference**2).sum(2)
        expected = np.argsort(far, axis=1, kind="stable")[:, :k]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(distances, "BLOCK", block)
            found = nearest(torch.from_numpy(wide).float(), torch.from_numpy(vectors.astype(dtype)), k, metric)
        assert np.array_equal(found.numpy(), expected)

    @pytest.mark.parametrize("exactly", [True, False])
    def test_pixels_are_compared_exactly_with_and_without_8_bit_products(self, exactly, monkeypatch):
        if exactly and not distances._multiplies_exactly():
            pytest.skip("this machine has no exact 8-bit products")
        monkeypatch.setattr(distances, "_multiplies_exactly", lambda: exactly)
        rng = np.random.default_rng(0)
        x = np.concatenate([rng.integers(0, 256, (60, 3072)), [[0] * 3072, [255] * 3072]]).astype(np.uint8)
        far = x.astype(np.int64)[:, None] - x.astype(np.int64)[None]
        for metric, expected in (("l1", np.abs(far).sum(2)), ("l2", (far**2).sum(2))):
            measure = distances._whole_distances(torch.from_numpy(x).float(), metric)
            assert np.array_equal(measure(torch.from_numpy(x)).numpy(), expected)

    def test_of_equal_votes_the_first_class_is_predicted(self):
        vectors, labels = torch.tensor([[0], [2], [9]], dtype=torch.uint8), torch.tensor([2, 1, 0])
        head = Neighbours(vectors=vectors, labels=labels, k=2, metric="l1", classes=3)
        assert head(torch.tensor([[1.0]])).argmax(1).item() == 1


def rewritten(path, target, change):
    """Write the model at `path` to `target` with its description and tensors changed."""
    with zipfile.ZipFile(path) as archive:
        description, tensors = json.loads(archive.read("striate.json")), load(archive.read("tensors.safetensors"))
    change(description, tensors)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("striate.json", json.dumps(description))
        archive.writestr("tensors.safetensors", save(tensors))
    return target


def put(name, place, value):
    def change(description, tensors):
        tensors[f"weights.{name}"][place] = value

    return change


def swap(name, value):
    return lambda description, tensors: tensors.update({f"weights.{name}": value})


def drop(name):
    return lambda description, tensors: tensors.pop(f"weights.{name}")


def say(**values):
    return lambda description, tensors: description["fitted"].update(values)


def deep(description, tensors):
    """A tree that is one long branch."""
    n = 2 * 100 + 1
    own = np.arange(n, dtype=np.int32)
    inner = (own % 2 == 0) & (own < n - 1)
    change = {
        "roots": np.zeros(1, np.int32), "feature": np.zeros(n, np.int32), "threshold": np.zeros(n, np.float32),
        "left": np.where(inner, own + 1, own).astype(np.int32), "right": np.where(inner, own + 2, own).astype(np.int32),
        "value": np.zeros((n, 10), np.float32),
    }  # fmt: skip
    tensors.update({f"weights.head.{name}": value for name, value in change.items()})


ATTACKS = [
    ("tree", say(head="exec"), "unknown head 'exec'"),
    ("tree", say(head=["trees"]), "unknown head"),
    ("tree", say(body=7), "its body must be a sentence"),
    ("tree", say(body="fc(10000000) fc(10)"), "parameters, the file holds 0 numbers"),
    ("tree", say(body="relu"), None),
    ("tree", say(arguments={"combine": "shares", "depth": 3}), "trees needs"),
    ("tree", say(arguments=None), "trees needs"),
    ("tree", say(arguments={"combine": 3}), "combine of trees must be str; got 3"),
    ("tree", say(arguments={"combine": "none"}), "combine must be shares or scores"),
    ("tree", lambda d, t: d.pop("fitted"), "does not say what was fitted"),
    ("tree", lambda d, t: d.update(kind="net", net="fc(10)"), "missing or spare tensors|parameters, the file holds"),
    ("tree", drop("head.left"), "needs the tensors"),
    ("tree", drop("present"), "missing or spare tensors: present"),
    ("tree", swap("spare", np.zeros(1)), "missing or spare tensors: spare"),
    ("tree", swap("body.0.weight", np.zeros((1, 1), np.float32)), "missing or spare tensors"),
    ("tree", swap("head.left", np.zeros(3, np.int32)), "left must have the shape|children must come after"),
    ("tree", swap("head.left", np.zeros(3, np.float32)), "left of trees must be torch.int32 with 1 axes"),
    ("tree", swap("head.roots", np.zeros(0, np.int32)), "roots must be"),
    ("tree", put("head.left", 5, 0), "children must come after their parent"),
    ("tree", put("head.left", 0, 0), "children must come after their parent"),
    ("tree", put("head.right", 0, -1), "right must be from 0"),
    ("tree", put("head.right", 0, 10**6), "right must be from 0"),
    ("tree", put("head.feature", 0, 64), "feature must be from 0 to 63"),
    ("tree", put("head.roots", 0, 10**6), "roots must be from 0"),
    ("tree", put("head.threshold", 0, np.nan), "threshold of trees must hold finite numbers"),
    ("tree", deep, "at most 64 deep"),
    ("tree", put("selection.columns", 0, 64), "columns must be from 0 to 63"),
    ("tree", put("selection.columns", 0, -1), "columns must be from 0 to 63"),
    ("tree", put("selection.scale", 0, 0), "scale must be positive"),
    ("tree", put("selection.mean", 0, np.inf), "mean must be finite"),
    ("tree", swap("selection.mean", np.zeros(3, np.float32)), "mean must have the shape"),
    ("tree", put("present", 0, 10), "present must be from 0 to 9"),
    ("tree", put("present", 0, 1), "present must ascend"),
    ("tree", swap("present", np.zeros(0, np.int64)), "present must be int64"),
    ("tree", lambda d, t: d.update(classes=["a"]), "present must be from 0 to 0"),
    ("neighbours", put("head.labels", 0, 10), "labels must be from 0 to 9"),
    ("neighbours", say(arguments={"k": 0, "metric": "l1", "classes": 10}), "k must be from 1"),
    ("neighbours", say(arguments={"k": 10**9, "metric": "l1", "classes": 10}), "k must be from 1"),
    ("neighbours", say(arguments={"k": True, "metric": "l1", "classes": 10}), "k of neighbours must be int; got True"),
    ("neighbours", say(arguments={"k": 1, "metric": "l9", "classes": 10}), "metric must be one of l1, l2"),
    ("neighbours", say(arguments={"k": 1, "metric": "l1", "classes": 10**9}), "must be of 10 classes"),
    ("neighbours", swap("head.vectors", np.zeros((3, 64), np.uint8)), "vectors must have the shape"),
    ("neighbours", swap("head.vectors", np.zeros((3, 64), np.int64)), "vectors of neighbours must be"),
    ("majority", put("head.shares", 0, 3.0), "shares must sum to 1"),
    ("majority", swap("head.shares", np.zeros(3, np.float32)), "shares must have the shape"),
    ("logistic", put("head.bias", 0, np.inf), "bias of linear must hold finite numbers"),
    ("logistic", swap("head.weight", np.zeros((10, 3), np.float32)), "weight must have the shape"),
    ("svm", put("head.owner", 0, 10), "owner must be from 0 to 9"),
    ("svm", swap("head.intercept", np.zeros((2, 2), np.float32)), "intercept must have the shape"),
    ("svm", say(arguments={"gamma": float("nan"), "sharpness": 1.0}), "gamma must be a number"),
    ("svm", say(arguments={"gamma": 1.0, "sharpness": "high", "slope": 0.0}), "sharpness of vectors must be float"),
]  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    images = striate.prepare(striate.read("digits"))
    parts = split(images.subset(np.arange(300)))
    folder = tmp_path_factory.mktemp("fitted")
    for name in {name for name, _, _ in ATTACKS}:
        fit_baseline(name, parts.train, parts.valid).save(folder / f"{name}.striate")
    return folder


@pytest.mark.parametrize(("name", "change", "match"), ATTACKS)
def test_files_that_describe_what_cannot_be(saved, tmp_path, name, change, match):
    path = rewritten(saved / f"{name}.striate", tmp_path / "m.striate", change)
    if match is None:  # odd, and harmless
        assert striate.Classifier.load(path).predict_proba(np.zeros((1, 8, 8), np.uint8)).shape == (1, 10)
        return
    with pytest.raises(ModelFileError, match=match) as caught:
        striate.Classifier.load(path)
    assert str(path) in str(caught.value)


def test_rewriting_alone_changes_nothing(saved, tmp_path):
    path = rewritten(saved / "tree.striate", tmp_path / "m.striate", lambda description, tensors: None)
    image = np.full((1, 8, 8), 100, np.uint8)
    expected = striate.Classifier.load(saved / "tree.striate").predict_proba(image)
    assert np.array_equal(striate.Classifier.load(path).predict_proba(image), expected)
