"""Features come from the given model, from a net at hand, or from pixels, and what they are of is said."""

from dataclasses import replace

import numpy as np
import pytest

import striate
from striate.baselines.candidates import fit_baseline
from striate.checks import evidence as module
from striate.checks.evidence import gather_evidence, suitable_side
from striate.checks.pixel_kernel import PixelKernel
from striate.checks.suspects import find_suspects
from striate.classifier.classifier import Classifier
from striate.classifier.features import net_features
from striate.classifier.preprocessing import Preprocessing
from striate.errors import DataError, ModelFileError
from striate.nets import make_module, parse
from striate.nets.zoo import downloads


@pytest.fixture(scope="module")
def digits():
    return striate.prepare(striate.read("digits")).subset(np.arange(400))


@pytest.fixture
def no_net(monkeypatch):
    monkeypatch.setattr(downloads, "BACKBONES", ())


def test_without_a_net_pixels_are_compared(digits, no_net):
    found = gather_evidence(digits)
    assert (found.how, len(found.features)) == ("pixels", 400)
    assert isinstance(found.extractor.made_by, PixelKernel)
    assert 'pip install "striate[photos]"' in found.notes[0]
    np.testing.assert_allclose(found.features.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(found.of_others(digits), found.features, atol=1e-3)
    again = gather_evidence(digits)
    assert np.array_equal(again.features, found.features)


def test_pixels_find_planted_labels(digits, no_net):
    labels = digits.labels.copy()
    rows = np.random.default_rng(0).permutation(400)[:20]
    labels[rows] = (labels[rows] + 3) % 10
    found = find_suspects(gather_evidence(replace(digits, labels=labels)))
    wrong = labels != digits.labels
    assert wrong[found.positions].sum() >= 15
    assert wrong[found.positions].mean() > 0.7


def test_a_given_model_and_what_it_learned_by_heart(digits, digits_model):
    found = gather_evidence(digits, digits_model)
    assert found.how == "the given model"
    assert any("have taught the given model" in note for note in found.notes)
    unseen = replace(digits_model, trained_on=np.zeros(0, np.uint64))
    assert gather_evidence(digits, unseen).notes == ()


def test_a_head_on_a_nets_features_lends_its_net(digits, digits_model):
    half = np.arange(400) < 200
    train, valid = digits.subset(np.flatnonzero(half)), digits.subset(np.flatnonzero(~half))
    model = fit_baseline("logistic", train, valid, features=net_features(digits_model, "small"))
    found = gather_evidence(digits, model)
    assert found.how == "the given model"
    assert found.features.shape[1] > 100


def test_a_model_of_pixels_has_no_features(digits):
    model = fit_baseline("logistic", digits, digits.subset(np.arange(50)))
    found = gather_evidence(digits, model)
    assert found.how == "pixels"
    assert "fitted to pixels" in found.notes[-1]


def test_a_net_at_hand_looks_at_the_whole_image(digits, monkeypatch):
    """Any zoo net will do here: of random weights, as if it had been found."""
    monkeypatch.setattr(downloads, "BACKBONES", ("damaged", "mobilenet_v2"))

    def weights(name, progress):
        if name == "damaged":
            raise ModelFileError("damaged.pth is damaged")
        return "weights"

    net = parse("conv(4, 3, pad=1) relu conv(8, 3, pad=1) relu globalavg fc(5)")
    shape = Preprocessing((160, 160), 3, "crop", np.zeros(3, np.float32), np.ones(3, np.float32), 180)
    start = Classifier(tuple("abcde"), shape, net, make_module(net, shape.input_shape))
    monkeypatch.setattr(downloads, "available_weights", weights)
    monkeypatch.setattr(module, "load_pretrained", lambda name, path: start)
    few = digits.subset(np.arange(8))
    found = gather_evidence(few)
    assert found.how == "mobilenet_v2 at 96 pixels"
    assert found.notes == ("damaged.pth is damaged",)
    made_by = found.extractor.made_by
    assert (made_by.preprocessing.resize, made_by.preprocessing.fit) == (None, "stretch")
    assert found.features.shape[0] == 8


def test_many_images_are_looked_at_smaller(digits):
    photographs = replace(digits, pixels=np.random.default_rng(0).integers(0, 256, (400, 256, 256, 3)).astype(np.uint8))
    assert suitable_side(photographs, 224) == 224
    many = replace(photographs, rows=np.zeros(10_000, np.int64))
    assert suitable_side(many, 224) == 128
    assert suitable_side(replace(photographs, rows=np.zeros(60_000, np.int64)), 224) == 96
    assert suitable_side(digits, 224) == 96  # of 8 pixels: enlarged, but not to 224


def test_bands_and_no_images(digits, monkeypatch):
    monkeypatch.setattr(downloads, "available_weights", lambda *_: pytest.fail("no net looks at five bands"))
    bands = replace(digits, pixels=np.repeat(digits.pixels, 5, axis=3))
    assert gather_evidence(bands).how == "pixels"
    with pytest.raises(DataError, match="there must be images to check; got none"):
        gather_evidence(digits.subset(np.arange(0)))
