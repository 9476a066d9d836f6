"""A real timm model, built without weights, where a net is expected: trained, gone on with, frozen, saved."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.training.stopping import StopAt
from typer.testing import CliRunner

import striate
from striate.classifier.features import extract
from striate.classifier.pretrained import load_pretrained_timm
from striate.cli import app
from striate.errors import ArgumentError
from striate.nets.modules.timm_models import TimmModule, TimmNet
from striate.selection.fit import load_features, resume, run_one
from striate.training.engine.freezing import hold_statistics
from striate.training.engine.state import Interrupted

SMALL = "timm/mobilenetv3_small_050"


@pytest.fixture(scope="module")
def data():
    """Dark and bright images of 40 × 50 pixels."""
    images = np.random.default_rng(0).integers(0, 256, (40, 40, 50, 3), dtype=np.uint8)
    images[::2] //= 3
    return striate.read((images, ["dark", "bright"] * 20))


@pytest.fixture(scope="module")
def weights(timm, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "mobilenet.safetensors"
    save_file(timm.create_model("mobilenetv3_small_050").state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("levit_128s", (224, 224)),
        ("vit_tiny_patch16_224", (224, 224)),
        ("mobilenetv3_small_050", (96, 96)),
        ("resnet18", (96, 96)),
    ],
)
def test_trained_saved_and_loaded(timm, data, tmp_path, name, size):
    few = data.subset(np.arange(16))
    result = run_one(few, f"timm/{name}", epochs=1, batch_size=8, precision="float32", ratios="1:0:0", out=tmp_path)
    model, wanted = result.classifier, timm.get_pretrained_cfg(name)
    assert (model.preprocessing.size, model.preprocessing.channels) == (size, 3)
    np.testing.assert_allclose(model.preprocessing.mean, np.array(wanted.mean) * 255, rtol=1e-6)
    loaded = striate.Classifier.load(result.model)
    assert loaded.net == TimmNet(name, 2)
    # Of another size than its own: resized as in training.
    assert np.array_equal(loaded.predict_proba(data.images[:5]), model.predict_proba(data.images[:5]))
    gray = np.zeros((2, 300, 200), np.uint8)
    assert loaded.predict_proba(gray).shape == (2, 2)


def test_it_learns(timm, data):
    many = striate.read((np.concatenate([data.images] * 3), np.tile(data.labels, 3)))
    options = {"epochs": 4, "batch_size": 8, "precision": "float32", "augment": (), "size": (32, 32), "average": 0.5}
    result = run_one(many, "timm/resnet18", **options)
    assert result.classifier.preprocessing.size == (32, 32)
    assert result.valid.accuracy > 0.9


def test_stopped_and_resumed_is_bit_equal(timm, data, tmp_path):
    options = {"epochs": 2, "batch_size": 8, "precision": "float32"}
    run_one(data, SMALL, out=tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        run_one(data, SMALL, out=tmp_path / "run", observer=StopAt(3), **options)
    resume(tmp_path / "run", data)
    files = [(tmp_path / name / "model.striate").read_bytes() for name in ("whole", "run")]
    assert files[0] == files[1]


def test_weights_get_a_new_head_and_then_move(timm, data, weights, tmp_path):
    head = run_one(data, SMALL, weights=weights, epochs=0)
    assert head.valid.accuracy > 0.7
    start = load_pretrained_timm(SMALL, weights)
    state = start.module.body.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in head.classifier.module.body.state_dict().items())
    fine = run_one(data, SMALL, weights=weights, epochs=1, batch_size=8, precision="float32", out=tmp_path)
    assert fine.valid.accuracy >= head.valid.accuracy
    assert fine.classifier.provenance.recipe["norms"] == "kept"
    # On from a model of one's own: the same classes keep the head.
    again = run_one(data, weights=fine.model, epochs=0)
    assert torch.equal(again.classifier.module.head.weight, fine.classifier.module.head.weight)


def test_fine_tuning_is_resumed(timm, data, weights, tmp_path):
    options = {"weights": weights, "epochs": 2, "batch_size": 8, "precision": "float32", "freeze": 0.3}
    with pytest.raises(Interrupted):
        run_one("xo", SMALL, out=tmp_path / "run", observer=StopAt(3), **options)
    assert resume(tmp_path / "run").classifier.classes == ("o", "x")


def test_norms_that_are_kept_stay_whatever_the_mode(timm):
    module = TimmModule(TimmNet("resnet18", 2), (3, 64, 64))
    hold_statistics(module)
    before = {name: value.clone() for name, value in module.state_dict().items() if "running" in name}
    module.train()(torch.rand(4, 3, 64, 64)).sum().backward()
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in before.items())
    assert module.training
    assert module.body.bn1.weight.grad is not None


def test_features_and_heads_on_them(timm, data, weights, tmp_path):
    model = load_pretrained_timm(SMALL, weights)
    assert len(model.classes) == 1000
    found = extract(model, data)
    assert found.shape == (40, model.module.head.in_features)
    result = run_one(data, "logistic", features=load_features(SMALL, weights), out=tmp_path)
    assert result.valid.accuracy > 0.7
    loaded = striate.Classifier.load(result.model)
    assert np.array_equal(loaded.predict_proba(data.images[:5]), result.classifier.predict_proba(data.images[:5]))
    assert str(loaded.net.body) == SMALL
    with pytest.raises(ArgumentError, match="a layer can be named of nets that Striate knows"):
        extract(model, data, layer="blocks.0")


def test_weights_without_classes_name_nothing(timm, data):
    model = load_pretrained_timm(SMALL, "none")
    assert extract(model, data).shape[0] == 40
    with pytest.raises(ArgumentError, match="weights without classes"):
        model.predict_proba(data.images)


def test_what_cannot_be_is_refused(timm, data):
    with pytest.raises(ArgumentError, match="dropout can be set in a net, not in a module of timm's"):
        striate.train(data, SMALL, epochs=1, dropout=0.5)
    with pytest.raises(ArgumentError, match="size must be 224×224"):
        striate.load_model("timm/vit_tiny_patch16_224", "none", size=(96, 96))
    with pytest.raises(ArgumentError, match=r"small_until = 0\.5"):
        striate.train(data, "timm/vit_tiny_patch16_224", epochs=1, small_until=0.5)


def test_on_the_command_line(timm, tmp_path):
    run = CliRunner().invoke(app, ["net", "timm/levit_192"])
    assert "3×224×224, this size alone" in run.output
    assert "no sentence, layer table, picture or NumPy reference" in run.output
    run = CliRunner().invoke(app, ["net", "timm/levit_192", "--strict"])
    assert run.exit_code == 2
    out = tmp_path / "run"
    command = ["train", "xo", "--net", SMALL, "--weights", "none", "--epochs", "1", "--out", str(out), "--json"]
    run = CliRunner().invoke(app, command)
    assert run.exit_code == 0, run.output
    assert (out / "net.txt").read_text().strip() == SMALL


def test_the_estimator(timm, data):
    model = striate.ImageClassifier(SMALL, epochs=1, batch_size=8)
    labels = data.labels
    assert model.fit(data.images, labels).predict(data.images).shape == labels.shape
