"""The net's health: its figures against torch, what is warned of and what is not, and that nothing changes."""

import json

import numpy as np
import pytest
import torch
from tests.training.stopping import StopAt
from torch import nn
from torch.nn import functional

import striate
from striate.nets import make_module, resolve
from striate.nets.modules.spread import measure_spread
from striate.nets.surgery import with_taps
from striate.observer import Observer
from striate.runs.listing import read_run
from striate.selection.fit import resume, run_one
from striate.training.engine.health import looks, watched
from striate.training.engine.precision import in_precision
from striate.training.engine.state import Interrupted

DIGITS = striate.read("digits")
IMAGES = torch.from_numpy(np.stack(DIGITS.images[:200])).float().reshape(200, 1, 8, 8)
IMAGES, LABELS = (IMAGES - IMAGES.mean()) / IMAGES.std(), torch.from_numpy(DIGITS.labels[:200])


def net(sentence, init=None):
    return make_module(resolve(sentence, classes=10, channels=1), (1, 8, 8), init=init)


def after(module, steps=1, rate=0.01, precision="float32"):
    """The health at the last of some steps of gradient descent."""
    found, computed = [], in_precision(module, precision)
    for step in range(steps):
        module.zero_grad()

        def update():
            functional.cross_entropy(computed(IMAGES).float(), LABELS).backward()
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter -= rate * parameter.grad

        if step < steps - 1:
            update()
        else:
            with watched(module, 1, found.append):
                update()
    return found[0]


class TestFigures:
    def test_they_are_torchs(self):
        module = net("conv(6, 3) relu fc(20) tanh fc(classes)")
        twin = net("conv(6, 3) relu fc(20) tanh fc(classes)")
        rows = {row.path: row for row in after(module).layers}
        values = {path: value.detach() for path, value in twin.activations(IMAGES[:128]).items()}
        functional.cross_entropy(twin(IMAGES), LABELS).backward()
        for path, row in rows.items():
            assert row.activation == pytest.approx(float(values[path].std(correction=0)), rel=0.02), path
            weight = getattr(twin.layer(path), "weight", None)
            if weight is None:
                assert row.gradient is row.update is None
                continue
            assert row.gradient == pytest.approx(float(weight.grad.square().mean().sqrt()), rel=1e-5)
            assert row.update == pytest.approx(0.01 * float(weight.grad.norm() / weight.detach().norm()), rel=1e-3)
        tanh = values["3"]
        assert rows["3"].saturated == pytest.approx(float((tanh.abs() > 0.98).float().mean()), abs=1e-6)

    def test_the_dead_are_those_that_the_spread_counts(self):
        module = net("conv(12, 3) relu fc(30) relu fc(classes)")
        with torch.no_grad():
            module.layer("0").bias[:5] = -50
            module.layer("2").bias[:21] = -50
        spread = {row.path: row.dead for row in measure_spread(module, IMAGES[:128].numpy()).layers}
        dead = {row.path: row.dead for row in after(module).layers}
        assert dead["1"] == pytest.approx(spread["1"])
        assert dead["1"] >= 5 / 12
        assert dead["3"] == pytest.approx(spread["3"])
        assert dead["3"] >= 0.7

    @pytest.mark.parametrize("precision", ["bfloat16", "bfloat16-pure"])
    def test_other_precisions_tell_nearly_the_same(self, precision):
        sentence = "conv(6, 3) bn relu fc(20) relu fc(classes)"
        exact, rounded = after(net(sentence)), after(net(sentence), precision=precision)
        for one, other in zip(exact.layers, rounded.layers, strict=True):
            assert (one.path, one.dead) == (other.path, pytest.approx(other.dead, abs=0.06))
            assert one.activation == pytest.approx(other.activation, rel=0.1)
            assert (one.gradient is None) == (other.gradient is None)

    def test_a_module_of_the_users_own_is_looked_at(self):
        module = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(inplace=True), nn.Linear(20, 10))
        assert [row.path for row in after(module).layers] == ["1", "2", "3"]

    def test_frozen_weights_do_not_move_and_are_not_asked(self):
        module = net("fc(20) relu fc(classes)")
        module.layer("0").weight.requires_grad_(False)
        module.layer("0").bias.requires_grad_(False)
        found = []
        with watched(module, 1, found.append):
            functional.cross_entropy(module(IMAGES), LABELS).backward()
        assert [row.path for row in found[0].layers if row.gradient is not None] == ["2"]

    def test_nothing_stays_behind(self):
        module = net("fc(20) relu fc(classes)")
        after(module)
        assert not any(part._forward_hooks for part in module.modules())
        with pytest.raises(ZeroDivisionError), watched(module, 1, lambda health: None):
            raise ZeroDivisionError
        assert not any(part._forward_hooks for part in module.modules())


def bias_of_minus_ten(module):
    with torch.no_grad():
        module.layer("0").bias.fill_(-50)
    return module


ILL = {
    "dead by a bias": ("dead", lambda: after(bias_of_minus_ten(net("fc(50) relu fc(classes)")))),
    "dead by a step": ("dead", lambda: after(net("fc(50) relu fc(50) relu fc(classes)"), 8, rate=30)),
    "zeros": ("alike", lambda: after(net("fc(50) relu fc(50) relu fc(classes)", "zeros"), 3)),
    "zeros, sigmoid": ("alike", lambda: after(net("fc(50) sigmoid fc(classes)", "zeros"), 1, rate=0)),
    "saturated tanh": ("saturated", lambda: after(net("fc(50) tanh fc(50) tanh fc(classes)", "gaussian(3)"))),
    "saturated sigmoid": ("saturated", lambda: after(net("fc(50) sigmoid fc(50) sigmoid fc(classes)", "gaussian(9)"))),
    "exploding": ("exploding", lambda: after(net("[fc(50) relu]*8 fc(classes)", "gaussian(5)"), rate=0)),
    "vanishing": ("vanishing", lambda: after(net("[fc(50) sigmoid]*8 fc(classes)", "gaussian(0.01)"))),
    "leaping": ("leaping", lambda: after(net("fc(50) relu fc(classes)"), rate=100)),
}
WELL = {
    "perceptron": lambda: after(net("fc(50) relu fc(50) relu fc(classes)"), 30, 0.1),
    "filters": lambda: after(net("conv(8, 3) relu maxpool(2) conv(16, 3, pad=1) relu fc(classes)"), 30, 0.1),
    "tanh": lambda: after(net("fc(50) tanh fc(50) tanh fc(classes)"), 30, 0.1),
    "deep with norms": lambda: after(net("[fc(50) bn relu]*8 fc(classes)"), 10, 0.1),
}


class TestWarnings:
    @pytest.mark.parametrize("name", ILL)
    def test_the_ill_are_told(self, name):
        kind, made = ILL[name]
        assert kind in made().warnings

    @pytest.mark.parametrize("name", WELL)
    def test_the_well_are_left_in_peace(self, name):
        health = WELL[name]()
        assert health.warnings == {}
        assert health.to_json()["health"] == []

    def test_a_sentence_says_where_and_what_to_do(self):
        text = ILL["dead by a bias"][1]().warnings["dead"]
        assert "ReLU 1 (100 %)" in text
        assert "Lower the learning rate" in text

    def test_layers_behind_taps_have_the_names_of_the_plain_net(self):
        plain = resolve("conv(8, 3, pad=1) relu conv(8, 3) relu last: [conv(8, 3) relu] fc(10)", channels=1)
        module = make_module(with_taps(plain, (1, 8, 8)), (1, 8, 8))
        with torch.no_grad():
            module.layer("2.branch1.2.branch1.last.0").bias.fill_(-50)
        health = after(module)
        assert "ReLU last.1 (100 %)" in health.warnings["dead"]
        assert [row.path for row in health.layers] == ["0", "1", "2", "3", "last.0", "last.1", "6"]

    def test_what_is_no_number_is_valid_json(self):
        module = net("[fc(50) relu]*8 fc(classes)", "gaussian(100000)")
        text = json.dumps(after(module, rate=0).to_json(), allow_nan=False)
        assert "values explode" in text


@pytest.mark.parametrize(
    ("epochs", "steps", "looked"), [(5, 100, [0, 1, 2, 3, 4]), (10, 8, [0, 4, 8, 9]), (3, 1, [0, 2]), (1, 1, [0])]
)
def test_one_step_in_many_is_looked_at(epochs, steps, looked):
    assert [epoch for epoch in range(epochs) if looks(epoch, epochs, steps)] == looked


class Heard(Observer):
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


NET = "conv(4, 3, pad=1) bn relu maxpool(2) dropout(0.2) fc(20) relu fc(classes)"
RECIPE = {"epochs": 3, "batch_size": 100, "augment": ["translate(1)"], "precision": "float32"}


class TestRuns:
    def test_looking_changes_no_bit(self, monkeypatch):
        weights = []
        for due in (True, False):
            monkeypatch.setattr("striate.training.engine.loop.looks", lambda *of, due=due: due)
            weights.append(run_one("digits", NET, RECIPE).classifier.module.state_dict())
        assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())

    def test_it_is_kept_in_the_run_and_the_same_after_a_resume(self, tmp_path):
        run_one("digits", NET, RECIPE, out=tmp_path / "whole")
        with pytest.raises(Interrupted):
            run_one("digits", NET, RECIPE, out=tmp_path / "run", observer=StopAt(15))  # the last step of an epoch
        resume(tmp_path / "run")
        whole, resumed = ((tmp_path / name / "health.json").read_text() for name in ("whole", "run"))
        assert whole == resumed
        found = json.loads(whole)
        assert found["epoch"] == 3
        assert [row["layer"] for row in found["layers"]] == ["Conv2d", "ReLU", "FlatLinear", "ReLU", "Linear"]
        lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
        assert ["health" in line for line in lines] == [True, False, True]
        assert {"dead_share", "saturated_share", "update_ratio"} <= lines[-1].keys()
        assert read_run(tmp_path / "run").health == ()

    def test_a_net_that_dies_is_told_in_training_and_in_the_list(self, tmp_path):
        heard = Heard()
        run_one("digits", "fc(64) relu fc(classes)", RECIPE | {"init": "zeros"}, out=tmp_path / "run", observer=heard)
        dead = [text for text in heard.warnings if "units are dead in ReLU 1 (100 %)" in text]
        assert [text[:9] for text in dead] == ["epoch 1: ", "epoch 3: "]  # where it is seen first, and at the end
        assert sum("all units have the same weights in" in text for text in heard.warnings) == 2
        run = read_run(tmp_path / "run")
        assert run.health
        assert run.to_json()["health"] == list(run.health)

    def test_a_net_that_learns_is_not(self):
        heard = Heard()
        run_one("digits", NET, RECIPE | {"optimiser": "adam", "learning_rate": 0.005}, observer=heard)
        assert heard.warnings == []

    @pytest.mark.parametrize("name", ["swift_xs", "resnet20"])
    def test_nor_are_the_nets_of_the_zoo(self, name):
        heard = Heard()
        run_one("xo:200", name, epochs=2, precision="float32", observer=heard)
        assert [text for text in heard.warnings if text.startswith("epoch")] == []
