"""Training that starts from weights: a new head on what the net knows, then all of it, resumed to the same bits."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.training.stopping import StopAt

import striate
from striate.classifier.features import extract
from striate.errors import ArgumentError, SourceNotFoundError, TrainingError
from striate.selection.fit import resume, run_one
from striate.training.engine.state import Interrupted

NET = "conv(8, 3, pad=1, bias=false) bn relu maxpool(2) conv(16, 3, pad=1) bn relu globalavg fc(classes)"


@pytest.fixture(scope="module")
def digits():
    return striate.read("digits")


@pytest.fixture(scope="module")
def halves(digits):
    """The digits below five, and those from five on."""
    digits = digits.subset(np.arange(600))
    low = digits.labels < 5
    return tuple(
        striate.read((digits.images[part], [digits.classes[i] for i in digits.labels[part]])) for part in (low, ~low)
    )


@pytest.fixture(scope="module")
def learned(halves, tmp_path_factory):
    """A file of a model that knows the digits below five."""
    path = tmp_path_factory.mktemp("learned") / "low.striate"
    striate.train(halves[0], NET, epochs=8, learning_rate=0.02, precision="float32").save(path)
    return path


def test_a_new_head_on_what_it_knows(halves, learned):
    result = run_one(halves[1], weights=learned, epochs=0, precision="float32", head="last")
    assert result.classifier.classes == ("5", "6", "7", "8", "9")
    assert result.valid.accuracy > 0.8
    assert result.classifier.provenance.epoch == 0
    before, after = striate.Classifier.load(learned).module.state_dict(), result.classifier.module.state_dict()
    changed = [
        name for name in before if before[name].shape != after[name].shape or (before[name] != after[name]).any()
    ]
    assert changed == ["8.weight", "8.bias"]


def test_what_the_first_weights_had_seen_is_seen(halves, learned):
    """Else it would be judged on images that its weights were learned from."""
    known = striate.Classifier.load(learned).trained_on
    tuned = run_one(halves[1], weights=learned, epochs=0, precision="float32", head="last").classifier
    assert len(known)
    assert np.isin(known, tuned.trained_on).all()
    assert len(tuned.trained_on) > len(known)


def test_a_new_head_may_see_the_parts_before_too(halves, learned):
    last, parts = (
        run_one(halves[1], weights=learned, epochs=0, precision="float32", head=head) for head in ("last", "parts")
    )
    before = list(striate.Classifier.load(learned).module.state_dict().values())
    after = list(parts.classifier.module.state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(before[:-2], after[:-2], strict=True))
    assert after[-2].shape[1] > before[-2].shape[1]
    assert parts.valid.accuracy >= last.valid.accuracy - 0.05


def test_fine_tuning_goes_further_and_is_never_worse(halves, learned):
    head = run_one(halves[1], weights=learned, epochs=0, precision="float32")
    fine = run_one(halves[1], weights=learned, epochs=4, learning_rate=0.01, precision="float32")
    assert fine.valid.accuracy >= head.valid.accuracy
    assert fine.classifier.provenance.recipe["norms"] == "kept"
    useless = run_one(halves[1], weights=learned, epochs=1, learning_rate=1.0, precision="float32", augment=())
    assert useless.valid.accuracy >= head.valid.accuracy


def test_the_same_classes_keep_their_head(halves, learned):
    model = striate.train(halves[0], weights=learned, epochs=0)
    before = striate.Classifier.load(learned)
    assert all(torch.equal(a, b) for a, b in zip(before.module.parameters(), model.module.parameters(), strict=True))
    assert np.array_equal(model.preprocessing.mean, before.preprocessing.mean)


@pytest.mark.parametrize("steps", [1, 20])
def test_stopped_and_resumed_is_bit_equal(halves, learned, tmp_path, steps):
    options = {"weights": learned, "epochs": 2, "precision": "float32", "average": 0.9, "freeze": 0.3}
    run_one(halves[1], out=tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        run_one(halves[1], out=tmp_path / "run", observer=StopAt(steps), **options)
    run_one(halves[1], out=tmp_path / "run", resume=True, **options)
    files = [(tmp_path / name / "model.striate").read_bytes() for name in ("whole", "run")]
    assert files[0] == files[1]
    with pytest.raises(TrainingError, match=r"weights '.*' → None"):
        run_one(halves[1], NET, resume=True, out=tmp_path / "run", **(options | {"weights": None}))


def test_a_run_is_resumed_by_its_folder(learned, tmp_path):
    with pytest.raises(Interrupted):
        run_one("xo", weights=learned, epochs=2, out=tmp_path / "run", observer=StopAt(5))
    assert resume(tmp_path / "run").classifier.classes == ("o", "x")


def test_frozen_layers_and_kept_statistics_stay(halves, learned):
    options = {"learning_rate": 0.01, "weight_decay": 0.1, "precision": "float32", "average": 0.5, "ratios": "1:0:0"}
    options["head"] = "last"  # so that the names stay
    before = striate.Classifier.load(learned).module.state_dict()
    model = striate.train(halves[1], weights=learned, freeze=0.3, epochs=2, **options)
    after = model.module.state_dict()
    same = {
        name for name in before if before[name].shape == after[name].shape and torch.equal(before[name], after[name])
    }
    assert {"0.weight", "1.weight", "1.running_mean", "5.running_var"} <= same
    assert "4.weight" not in same
    moved = striate.train(halves[1], weights=learned, norms="batch", epochs=2, **options).module.state_dict()
    assert not torch.equal(before["5.running_mean"], moved["5.running_mean"])


def test_a_scaled_head_gives_the_fitted_logits(halves, tmp_path):
    net = "conv(8, 3, pad=1) relu globalavg fc(classes) scale(0.1)"
    striate.train(halves[0], net, epochs=1, precision="float32").save(tmp_path / "m.striate")
    assert run_one(halves[1], weights=tmp_path / "m.striate", epochs=0).valid.accuracy > 0.4


@pytest.fixture(scope="module")
def zoo_weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilenet.safetensors"
    module = striate.make_module(striate.resolve("mobilenet_v2(width=0.1)"), (3, 224, 224), seed=3)
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, path)
    return path


def test_a_zoo_net_brings_its_own_preprocessing(zoo_weights):
    shapes = striate.read("shapes").subset(np.arange(60))
    result = run_one(shapes, "mobilenet_v2(width=0.1)", weights=zoo_weights, epochs=0)
    shape = result.classifier.preprocessing
    assert (shape.size, shape.channels, shape.resize) == ((96, 96), 3, None)
    np.testing.assert_allclose(shape.mean, np.array([0.485, 0.456, 0.406]) * 255, rtol=1e-6)


def test_nonsense_is_refused_before_any_image_is_read(zoo_weights):
    with pytest.raises(ArgumentError, match="weights are a named net's: say which with --net"):
        striate.train("nowhere", weights=zoo_weights)
    with pytest.raises(ArgumentError, match="unknown net 'lenett'"):
        striate.train("nowhere", "lenett", weights=zoo_weights)
    with pytest.raises(SourceNotFoundError, match=r"no\.pth does not exist"):
        striate.train("nowhere", "mobilenet_v2", weights="no.pth")
    with pytest.raises(ArgumentError, match="Only a new head on given weights needs none"):
        striate.train("nowhere", "mobilenet_v2", epochs=0)
    with pytest.raises(ArgumentError, match="freeze must leave something to train"):
        striate.train("digits", "fc(classes)", "default", freeze=1.0)


def test_a_net_of_its_own_needs_no_other(halves, learned):
    with pytest.raises(ArgumentError, match="has a net of its own"):
        striate.train(halves[1], "lenet", weights=learned)
    with pytest.raises(ArgumentError, match="epochs=2"):
        striate.train(halves[1], weights=learned, recipe={"epochs": 2, "subtract": "epochs=2"})


def test_features_are_shared_with_the_head(halves, learned, monkeypatch):
    run_one(halves[1], weights=learned, epochs=0)
    monkeypatch.setattr("striate.classifier.features._computed", lambda *_: pytest.fail("computed again"))
    run_one(halves[1], weights=learned, epochs=0)
    assert callable(extract)
