import numpy as np
import pytest
import torch

import striate
from striate.errors import ArgumentError, ModelFileError, ShapeError
from striate.selection.fit import run_one


class Own(torch.nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Flatten(),
            torch.nn.Linear(8 * 36, classes),
        )  # fmt: skip

    def forward(self, images):
        return self.body(images)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("own") / "run"
    return run_one("digits", Own(), epochs=3, precision="float32", out=out), out


def test_a_module_of_ones_own_is_trained_saved_and_loaded(run):
    result, out = run
    assert result.valid.accuracy > 0.8
    with pytest.raises(ModelFileError, match=r"module of your own, .*:Own.*Classifier\.load\(path, module\)"):
        striate.Classifier.load(out / "model.striate")
    loaded = striate.Classifier.load(out / "model.striate", Own())
    images = striate.read("digits").images[:20]
    assert np.array_equal(loaded.predict_proba(images), result.classifier.predict_proba(images))


def test_the_given_module_stays_as_it_was():
    own = Own()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    striate.train("digits", own, epochs=1)
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())


def test_another_module_is_refused(run):
    with pytest.raises(ModelFileError, match=r"missing or spare tensors|does not match|fails on images"):
        striate.Classifier.load(
            run[1] / "model.striate", torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        )


@pytest.mark.parametrize(
    ("net", "error", "message"),
    [
        (Own(7), ArgumentError, "must end in 10 outputs, one a class; it ends in 7"),
        (torch.nn.Linear(3, 3), ShapeError, "fails on images 1×8×8"),
        (torch.nn.Conv2d(1, 1, 3), ShapeError, r"must map \(n, c, h, w\) to logits"),
        (3, ArgumentError, "net must be a name, a sentence, a Net or a torch.nn.Module; got int"),
    ],
)
def test_modules_that_do_not_fit(net, error, message):
    with pytest.raises(error, match=message):
        striate.train("digits", net, epochs=1)


def test_a_recipes_dropout_cannot_be_put_into_it():
    with pytest.raises(ArgumentError, match="not in a module of your own"):
        striate.train("digits", Own(), epochs=1, dropout=0.5)
