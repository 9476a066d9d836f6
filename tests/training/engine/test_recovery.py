"""A precision that was chosen by itself and does not learn is left for float32; one that was asked for is an error."""

import json

import numpy as np
import pytest
import torch
from tests.training.stopping import StopAt

import striate
from striate.data.reading import read
from striate.errors import TrainingError
from striate.observer import Observer
from striate.selection.fit import resume, run, run_one
from striate.training.engine import loop
from striate.training.engine.checkpoints import Checkpoints
from striate.training.engine.precision import Autocast, Rounded
from striate.training.engine.recovery import Recovery
from striate.training.engine.state import Interrupted

NET = "conv(4, 3, pad=1) bn relu maxpool(2) dropout(0.2) fc(classes)"
RECIPE = {"epochs": 4, "batch_size": 64, "augment": ["translate(1)"], "optimiser": "adamw", "average": 0.9}


class Heard(Observer):
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture
def digits():
    return read("digits").subset(np.arange(400))


@pytest.fixture(params=["loss", "weights"])
def diverging(request, monkeypatch):
    """Let bfloat16 be chosen, and diverge in the second epoch: from its third step on, or in the weights at its end."""
    now, bfloat16 = [(0, 0)], Autocast.forward
    augmented = loop._augmented

    def placed(augment, batch, seed, epoch, rank):
        now[0] = (epoch, batch.step)
        return augmented(augment, batch, seed, epoch, rank)

    def forward(self, images):
        logits = bfloat16(self, images)
        last = (1, 4)  # 320 images in batches of 64
        if self.training and now[0] >= ((1, 2) if request.param == "loss" else last):
            if request.param == "loss":
                return logits * float("nan")
            logits.register_hook(lambda gradient: gradient * float("inf"))
        return logits

    monkeypatch.setattr(loop, "_augmented", placed)
    monkeypatch.setattr(Autocast, "forward", forward)
    monkeypatch.setattr("striate.training.trainer.choose_precision", lambda plan, device, observer: "bfloat16")
    monkeypatch.setattr("striate.selection.ladder.rungs.choose_precision", lambda plan, device, observer: "bfloat16")


def weights(folder):
    return striate.Classifier.load(folder / "model.striate").module.state_dict()


def test_it_goes_back_says_so_and_ends_well(digits, tmp_path, diverging):
    heard = Heard()
    result = run_one(digits, NET, RECIPE, out=tmp_path / "run", observer=heard)
    assert len(heard.warnings) == 1
    assert "at epoch 2, step" in heard.warnings[0]
    assert "bfloat16, which was chosen for its speed: epoch 2 begins again in float32" in heard.warnings[0]
    assert all(value.isfinite().all() for value in weights(tmp_path / "run").values())
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    assert result.classifier.provenance.precision == "float32"


@pytest.fixture
def spoilt(monkeypatch):
    """Let bfloat16 be chosen, and leave after its first epoch weights with which no precision learns."""
    remember, epochs = Recovery.remember, [0]

    def spoil(recovery):
        epochs[0] += 1
        if epochs[0] == 2 and isinstance(recovery._learner._shared, Autocast):
            with torch.no_grad():
                for parameter in recovery._learner.module.parameters():
                    parameter.fill_(float("inf"))
        remember(recovery)

    monkeypatch.setattr(Recovery, "remember", spoil)
    monkeypatch.setattr("striate.training.trainer.choose_precision", lambda plan, device, observer: "bfloat16")
    return epochs


def test_where_the_epoch_is_spoilt_too_the_run_begins_anew(digits, tmp_path, spoilt, monkeypatch):
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    heard = Heard()
    run_one(digits, NET, RECIPE, out=tmp_path / "run", observer=heard)
    assert [("epoch 2 begins again" in line, "the run begins anew" in line) for line in heard.warnings] == [
        (True, False),
        (False, True),
    ]
    monkeypatch.undo()
    run_one(digits, NET, RECIPE | {"precision": "float32"}, out=tmp_path / "exact")
    ours, theirs = weights(tmp_path / "run"), weights(tmp_path / "exact")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]


def test_a_run_that_began_anew_is_resumed_in_float32(digits, tmp_path, spoilt, monkeypatch):
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    run_one(digits, NET, RECIPE, out=tmp_path / "whole")
    spoilt[0] = 0
    with pytest.raises(Interrupted):
        run_one(digits, NET, RECIPE, out=tmp_path / "run", observer=StopAt(13))
    resume(tmp_path / "run", digits)
    ours, theirs = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("steps", [3, 6, 9, 13, 16])
def test_a_resume_ends_in_the_same_bits(digits, tmp_path, diverging, steps, monkeypatch):
    """Stopped before the loss diverges, or after, in the epoch that begins again too."""
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    run_one(digits, NET, RECIPE, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        run_one(digits, NET, RECIPE, out=tmp_path / "run", observer=StopAt(steps))
    resume(tmp_path / "run", digits)
    ours, theirs = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("precision", ["bfloat16", "bfloat16-pure", "float32"])
def test_a_precision_that_was_asked_for_stays(digits, tmp_path, diverging, precision, monkeypatch):
    monkeypatch.undo()
    for kind in (Autocast, Rounded):
        monkeypatch.setattr(kind, "forward", lambda self, images: self.module(images).float() * float("nan"))
    if precision == "float32":
        run_one(digits, NET, RECIPE | {"precision": precision, "epochs": 1})
        return
    with pytest.raises(TrainingError, match=r"became nan at epoch 1, step 1, .* Try a tenth of the learning rate"):
        run_one(digits, NET, RECIPE | {"precision": precision})


@pytest.mark.parametrize("diverging", ["loss"], indirect=True)
def test_a_rung_of_the_ladder_goes_back_too(digits, diverging):
    heard = Heard()
    result = run(digits, budget="14s", observer=heard)
    assert any("begins again in float32" in line for line in heard.warnings)
    assert "swift" in {one.name for one in result.rungs}
