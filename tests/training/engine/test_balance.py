"""Uneven classes: what the loss weighs, what is drawn, which epoch is best; runs that balance nothing are as before."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from tests.training.stopping import StopAt

import striate
from striate.data.balancing import class_weights, draw_evenly
from striate.data.readers.arrays import read_arrays
from striate.data.tensors import Pixels
from striate.errors import ArgumentError, TrainingError
from striate.metrics.evaluation import evaluate_probabilities
from striate.nets import image_loss, make_module, parse
from striate.selection.fit import resume, run_one
from striate.system.processes import Processes
from striate.training.engine.batches import training_batches
from striate.training.engine.learner import Learner
from striate.training.engine.state import Interrupted, State
from striate.training.recipe import Recipe

CPU = torch.device("cpu")
NET = "conv(8, 3, pad=1) relu maxpool(2) fc(classes)"


def pixels():
    rows, labels = load_digits(return_X_y=True)
    return (rows * 15.9).astype(np.uint8).reshape(-1, 8, 8), labels


@pytest.fixture(scope="module")
def uneven():
    """Digits of which every other class has six images, the others a hundred."""
    images, labels = pixels()
    keep = [np.flatnonzero(labels[:1000] == c)[: 6 if c % 2 else 100] for c in range(10)]
    rows = np.concatenate(keep)
    return read_arrays((images[rows], labels[rows]))


def test_balancing_finds_the_rare_classes(uneven):
    images, labels = (part[1000:] for part in pixels())
    found = {}
    for balance in ("none", "loss", "draw"):
        model = striate.train(uneven, NET, epochs=4, batch_size=16, balance=balance, ratios=(1, 0, 0))
        found[balance] = evaluate_probabilities(model.predict_proba(images), labels, model.classes).balanced_accuracy
        assert model.provenance.recipe["balance"] == balance
    assert found["none"] < 0.6
    assert min(found["loss"], found["draw"]) > found["none"] + 0.1


def test_the_loss_is_torchs_weighted_one():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(30, 4, generator=generator), torch.arange(30) % 4 // 2
    weights = torch.from_numpy(class_weights(labels.numpy(), 4)).float()
    ours = image_loss(logits, labels, weights[labels])
    assert float(ours) == pytest.approx(float(F.cross_entropy(logits, labels, weights)), rel=1e-5)  # mean weight 1
    assert torch.equal(image_loss(logits, labels, None, 0.1), F.cross_entropy(logits, labels, label_smoothing=0.1))


@pytest.mark.parametrize("mixed", [False, True])
def test_weights_reach_the_gradient_and_equal_ones_change_nothing(mixed):
    labels = torch.tensor([0, 0, 0, 1])
    targets = F.one_hot(labels, 2).float() if mixed else labels
    images = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))

    def loss_with(weights):
        learner = Learner(make_module(parse("fc(2)"), (1, 4, 4)), Recipe(), CPU, "float32", class_weights=weights)
        return learner.update(images, targets, 0.0)[0]

    module = make_module(parse("fc(2)"), (1, 4, 4))
    each = F.cross_entropy(module(images).detach(), labels, reduction="none")
    assert loss_with(np.array([1 / 2, 5 / 2])) == pytest.approx(float((each @ torch.tensor([0.5, 0.5, 0.5, 2.5])) / 4))
    assert loss_with(np.ones(2)) == pytest.approx(loss_with(None))


def test_label_smoothing_reaches_the_loss_of_a_step():
    images, labels = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 1])
    module = make_module(parse("fc(3)"), (1, 4, 4))
    wanted = float(F.cross_entropy(module(images).detach(), labels, label_smoothing=0.3))
    learner = Learner(module, Recipe(label_smoothing=0.3), CPU, "float32")
    assert learner.update(images, labels, 0.0)[0] == pytest.approx(wanted)


def test_processes_share_what_is_drawn(uneven):
    images = striate.prepare(uneven)
    recipe, source = Recipe(batch_size=50, balance="draw", seed=3), Pixels(images, CPU)
    alone = [batch.indices.tolist() for batch in training_batches(source, recipe, 2, 0)]
    shares = [list(training_batches(source, recipe, 2, 0, Processes(rank, 3))) for rank in range(3)]
    for step, batches in enumerate(zip(*shares, strict=True)):
        assert sorted(i for batch in batches for i in batch.indices.tolist()) == alone[step]
        assert all(batch.total == len(alone[step]) for batch in batches)
    assert sorted(i for batch in alone for i in batch) == sorted(draw_evenly(images.labels, 3, 2).tolist())
    late = [batch.indices.tolist() for batch in training_batches(source, recipe, 2, 4)]
    assert late == alone[4:]


RECIPE = {"epochs": 3, "batch_size": 64, "precision": "float32", "augment": ["translate(1)", "mixup"]}


@pytest.mark.parametrize("balance", ["draw", "loss"])
def test_stopped_and_resumed_is_bit_equal(uneven, tmp_path, balance):
    options = {"balance": balance, "metric": "macro-f1", "ratios": (0.8, 0.2, 0)}
    run_one(uneven, NET, RECIPE, out=tmp_path / "whole", **options)
    with pytest.raises(Interrupted):
        run_one(uneven, NET, RECIPE, out=tmp_path / "run", observer=StopAt(10), **options)
    resume(tmp_path / "run", uneven)
    for name in ("model.striate", "recipe.toml"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("change", [{"balance": "draw"}, {"metric": "macro-f1"}])
def test_a_resume_with_another_is_refused(uneven, tmp_path, change):
    run_one(uneven, NET, RECIPE, out=tmp_path / "run", balance="loss", ratios=(0.8, 0.2, 0))
    with pytest.raises(TrainingError, match=f"{next(iter(change))} .* → "):
        run_one(uneven, NET, RECIPE, out=tmp_path / "run", resume=True, ratios=(0.8, 0.2, 0),
                **{"balance": "loss"} | change)  # fmt: skip


def record(epoch, accuracy, balanced):
    return {"epoch": epoch, "valid_loss": 1.0, "valid_accuracy": accuracy, "valid_balanced_accuracy": balanced}


def test_the_metric_decides_which_epoch_is_best_and_when_patience_ends():
    lines = [record(1, 0.8, 0.6), record(2, 0.9, 0.5), record(3, 0.7, 0.55)]
    for metric, best in (("accuracy", 2), ("balanced-accuracy", 1)):
        state, recipe = State(), Recipe(epochs=10, patience=2, metric=metric)
        for line in lines:
            assert not state.finished(recipe)
            state.end_epoch(line, metric)
        assert state.best["epoch"] == best
        assert state.finished(recipe) == (best == 1)


def test_each_epoch_has_the_figure_that_chooses_and_the_best_of_it_is_kept(uneven, tmp_path):
    result = run_one(uneven, NET, RECIPE | {"epochs": 5}, out=tmp_path / "run", metric="balanced-accuracy",
                     ratios=(0.7, 0.3, 0))  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    figures = [line["valid_balanced_accuracy"] for line in lines]
    assert result.valid.balanced_accuracy == pytest.approx(max(figures))
    assert figures[result.classifier.provenance.epoch - 1] == max(figures)
    assert "valid_macro_f1" not in lines[0]


def test_without_validation_images_the_last_epoch_is_kept(uneven):
    model = striate.train(uneven, NET, RECIPE, metric="macro-f1", ratios=(1, 0, 0))
    assert model.provenance.epoch == 3


@pytest.mark.parametrize(("setting", "message"), [("metric", "unknown metric"), ("balance", "unknown balance")])
def test_what_there_is_not_is_refused_with_the_choices(setting, message):
    with pytest.raises(ArgumentError, match=message):
        Recipe(**{setting: "fair"})
