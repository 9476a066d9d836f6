"""Contracts that every baseline keeps, and the command that fits it."""

import json

import numpy as np
import pytest
import torch

import striate
from striate.baselines.candidates import CHOICE, Candidate, best_candidate, fit_baseline
from striate.baselines.examples import sample_rows
from striate.baselines.registry import BASELINES, fit_head, read_baseline
from striate.classifier.features import net_features, pixel_features
from striate.data.splitting import split
from striate.errors import ArgumentError, DataError, NotationError
from striate.metrics.evaluation import Evaluation, evaluate_probabilities
from striate.selection.fit import run_one
from striate.training.recipe import load_recipe

QUICK = {"forest": "forest(trees=20)", "boosted": "boosted(rounds=10)"}
each = pytest.mark.parametrize("name", [QUICK.get(name, name) for name in BASELINES])


@pytest.fixture(scope="module")
def parts():
    images = striate.prepare(striate.read("digits"))
    return split(images.subset(np.arange(400)), seed=0)


@pytest.fixture(scope="module")
def fitted(parts):
    made = {}

    def fit(name):
        if name not in made:
            made[name] = fit_baseline(name, parts.train, parts.valid, seed=3)
        return made[name]

    return fit


@each
def test_probabilities_beat_the_majority(fitted, parts, name):
    rows = fitted(name).predict_proba(parts.test)
    assert rows.dtype == np.float32
    assert rows.shape == (len(parts.test), 10)
    np.testing.assert_allclose(rows.sum(1), 1, rtol=1e-5)
    accuracy = evaluate_probabilities(rows, parts.test.labels, parts.test.classes).accuracy
    assert accuracy > 0.5 if name != "majority" else accuracy < 0.3


@each
def test_one_image_is_like_many(fitted, parts, name):
    model = fitted(name)
    many = model.predict_proba(parts.test)
    np.testing.assert_allclose(model.predict_proba(parts.test.images[:1]), many[:1], rtol=1e-4, atol=1e-6)


@each
def test_saved_and_loaded_it_gives_the_same_bits(fitted, parts, name, tmp_path):
    model = fitted(name)
    model.save(tmp_path / "a.striate")
    loaded = striate.Classifier.load(tmp_path / "a.striate")
    assert str(loaded.net) == str(model.net) == name
    assert np.array_equal(loaded.predict_proba(parts.test), model.predict_proba(parts.test))
    loaded.save(tmp_path / "b.striate")
    assert (tmp_path / "a.striate").read_bytes() == (tmp_path / "b.striate").read_bytes()


@each
def test_the_same_seed_gives_the_same_model(fitted, parts, name):
    again = fit_baseline(name, parts.train, parts.valid, seed=3)
    first, second = fitted(name).module.state_dict(), again.module.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@each
def test_without_validation_images_defaults_are_taken(parts, name):
    model = fit_baseline(name, parts.train, parts.valid.subset(np.arange(0)))
    assert model.predict_proba(parts.test.images[:2]).shape == (2, 10)


@each
def test_two_classes_and_one_that_has_no_training_image(parts, name):
    train = parts.train.subset(np.flatnonzero(np.isin(parts.train.labels, (3, 7))))
    valid = parts.valid.subset(np.flatnonzero(np.isin(parts.valid.labels, (3, 5, 7))))
    rows = fit_baseline(name, train, valid).predict_proba(train)
    assert rows.shape == (len(train), 10)
    assert rows[:, [0, 1, 2, 4, 5, 6, 8, 9]].max() < 1e-6
    if name != "majority":
        assert (rows.argmax(1) == train.labels).mean() > 0.9


@each
def test_the_command_fits_saves_and_evaluates(name, tmp_path, monkeypatch):
    result = run_one("digits", name, out=tmp_path / "run", ratios="30:10:60")
    assert result.model == tmp_path / "run/model.striate"
    model = striate.load_model(result.model)
    assert result.test.accuracy == model.provenance.test_accuracy == model.evaluate("digits").accuracy
    assert {path.name for path in (tmp_path / "run").iterdir()} - {".lock"} == {
        "run.json", "recipe.toml", "net.txt", "ledger.csv", "model.striate", "result.json", "report.html",
    }  # fmt: skip
    assert json.loads((tmp_path / "run/run.json").read_text())["source"] == "digits"


@pytest.fixture
def features(digits_model):
    return net_features(digits_model, "small.striate")


class TestFeatures:
    @each
    def test_every_baseline_fits_to_the_features_of_a_net(self, features, parts, name, tmp_path):
        model = fit_baseline(name, parts.train, parts.valid, features=features)
        assert str(model.net) == f"{name} on features of small.striate"
        rows = model.predict_proba(parts.test)
        assert name == "majority" or (rows.argmax(1) == parts.test.labels).mean() > 0.6
        model.save(tmp_path / "m.striate")
        assert np.array_equal(striate.Classifier.load(tmp_path / "m.striate").predict_proba(parts.test), rows)

    def test_the_best_of_several_is_kept_and_all_are_told(self, features, tmp_path):
        result = run_one("digits", features=features, out=tmp_path / "run")
        candidates = {one["net"]: one for one in result.classifier.provenance.candidates}
        assert tuple(candidates) == CHOICE
        best = max(one["valid_accuracy"] for one in candidates.values())
        assert candidates[result.classifier.provenance.fitted]["valid_accuracy"] == best == result.valid.accuracy
        for one in candidates.values():
            low, high = one["valid_interval"]
            assert low < one["valid_accuracy"] < high + 1e-9
        total = sum(result.classifier.provenance.splits.values())
        assert 0.03 < result.valid.total / total < 0.06

    def test_a_baseline_has_no_features_of_its_own(self, fitted):
        with pytest.raises(ArgumentError, match="layer by layer, or from timm's; x holds tree"):
            net_features(fitted("tree"), "x")

    def test_a_net_is_not_fitted_to_features(self, features):
        with pytest.raises(ArgumentError, match="unknown baseline to fit to features 'lenet'"):
            run_one("digits", "lenet", features=features)


def test_large_images_are_averaged_over_squares():
    features = pixel_features((100, 70, 3))
    assert str(features.body.net) == "avgpool(3)"
    shapes = striate.prepare(striate.read("shapes:40"))
    small = pixel_features(shapes.image_shape)
    large = np.kron(shapes.images, np.ones((1, 4, 4, 1), np.uint8))
    catalog = striate.read((large, shapes.labels))
    result = run_one(catalog, "neighbours(k=1, metric='l2')", ratios="50:0:50")
    expected = run_one(striate.read((shapes.images, shapes.labels)), "neighbours(k=1, metric='l2')", ratios="50:0:50")
    assert small.body is None
    assert abs(result.test.accuracy - expected.test.accuracy) < 0.3
    assert result.classifier.module.head.vectors.dtype == torch.uint8


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("neighbours(k=0)", ArgumentError, "k of neighbours must be above 0"),
        ("neighbours(k=1.5)", ArgumentError, "k of neighbours must be a whole number; got 1.5"),
        ("neighbours(metric=2)", ArgumentError, "metric of neighbours must be a text in quotes"),
        ("neighbours(metric='l3')", ArgumentError, "metric must be l1 or l2; got 'l3'"),
        ("neighbours(k=100000)", ArgumentError, "from 1 to 1,388, the number of training images; got 100000"),
        ("neighbours(3, 'l1', 5)", ArgumentError, "neighbours takes k, metric; got 3 values"),
        ("neighbours(3, k=3)", ArgumentError, "got k twice"),
        ("forest(tres=3)", ArgumentError, "unknown option of forest 'tres'; did you mean 'trees'"),
        ("majority(k=1)", ArgumentError, "majority has no options; got k"),
        ("forest fc(10)", NotationError, "forest stands alone"),
        ("forest(", NotationError, "never closed"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(text, error, match):
    with pytest.raises(error, match=match):
        run_one("digits", text)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epochs": 3}, "epochs must be left out with tree, which is fitted at once"),
        ({"weights": "imagenet", "budget": "5m"}, "budget, weights must be left out with tree"),
        ({"recipe": "classic"}, "recipe must be left out with tree"),
        ({"resume": True}, "tree is fitted at once and cannot be resumed"),
    ],
)
def test_what_decides_nothing_is_refused(options, match, tmp_path):
    run_one("digits", "tree(leaf=5)", out=tmp_path)
    with pytest.raises(ArgumentError, match=match):
        run_one("digits", "tree", out=tmp_path, **options)


def test_interrupted_it_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("striate.baselines.fit.fit_best", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_one("digits", "tree", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_options_are_typed_as_they_are_shown():
    for text in ('neighbours(k=5, metric="l1")', "forest(trees=50, leaf=3)", "boosted(rate=0.2)", "svm(c=1.0)", "tree"):
        assert str(read_baseline(text)) == text
    assert str(read_baseline("svm(c=3)")) == "svm(c=3.0)"


def test_one_class_is_refused_as_in_training():
    with pytest.raises(DataError, match="at least two classes"):
        run_one((np.zeros((4, 8, 8), np.uint8), np.zeros(4, int)), "majority")


def test_a_head_from_matrices():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3
    features += labels[:, None]
    head = fit_head("logistic", features, labels, features[:0], labels[:0], 3)
    assert head(torch.from_numpy(features)).shape == (60, 3)


def test_a_sample_holds_an_even_share_of_each_class_and_at_least_one():
    labels = np.repeat([0, 1, 2], [1000, 500, 1])
    rows = sample_rows(labels, 150, seed=0)
    assert np.bincount(labels[rows]).tolist() == [100, 50, 1]
    assert not np.array_equal(rows, sample_rows(labels, 150, seed=1))


BALANCING = [name for name, one in BASELINES.items() if one.balances]


@pytest.mark.parametrize("name", BALANCING)
def test_balance_finds_rare_classes_and_is_off_unless_asked(name):
    whole = striate.prepare(striate.read("digits"))
    rows = [np.flatnonzero(whole.labels[:1000] == c)[: 6 if c % 2 else 100] for c in range(10)]
    thinned, nothing = whole.subset(np.concatenate(rows)), whole.subset(np.arange(0))
    named, images = QUICK.get(name, name), whole.subset(np.arange(1000, 1400))
    plain, again, even = (
        fit_baseline(named, thinned, nothing, **options) for options in ({}, {"balanced": False}, {"balanced": True})
    )
    assert np.array_equal(plain.predict_proba(images), again.predict_proba(images))
    before, after = (model.judge(images, images.labels).balanced_accuracy for model in (plain, even))
    assert after >= before if name == "svm" else after > before  # planes that part all images need no weights


def test_balance_is_refused_where_no_class_can_be_weighed():
    for name in ("neighbours", "majority"):
        with pytest.raises(ArgumentError, match=f"balance must be left out with {name}.*logistic"):
            run_one("digits", name, balance="loss")
    with pytest.raises(ArgumentError, match="unknown balance 'fair'"):
        run_one("digits", "logistic", balance="fair")


def test_the_metric_chooses_among_candidates(tmp_path):
    accurate, even = (
        Candidate(None, Evaluation(("a", "b"), np.array(cells)), 0.1, 1.0)
        for cells in ([[0, 0, 90], [1, 0, 10]], [[0, 0, 60], [0, 1, 30], [1, 1, 10]])
    )
    assert best_candidate([accurate, even]) is accurate
    assert best_candidate([accurate, even], "balanced-accuracy") is even
    run_one("digits", "tree", metric="macro-f1", balance="draw", out=tmp_path / "run")
    recipe = load_recipe(tmp_path / "run" / "recipe.toml")
    assert (recipe.metric, recipe.balance) == ("macro-f1", "draw")


@pytest.mark.filterwarnings("error:The given NumPy array is not writable")
@pytest.mark.parametrize("name", ["logistic", "tree", "svm"])
def test_features_that_may_only_be_read_give_no_warning_of_torch(name, parts, monkeypatch):
    features = pixel_features(parts.train.image_shape, "crop")

    def extract(self, images, observer=None):
        rows = images.images.reshape(len(images), -1).astype(np.float32)
        rows.flags.writeable = False  # as of a file that is mapped
        return rows

    monkeypatch.setattr(type(features), "extract", extract)
    assert fit_baseline(name, parts.train, parts.valid, features=features).classes
