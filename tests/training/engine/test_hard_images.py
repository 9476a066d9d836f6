"""Training on the hard images of each draw: which ones, of how many, and what stays as it was."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import striate
from striate.classifier.preprocessing import measure
from striate.errors import ArgumentError
from striate.nets import make_module, resolve
from striate.observer import Observer
from striate.selection.fit import run_one
from striate.training.engine.batches import images_drawn
from striate.training.engine.hard_images import hard_ones, images_kept
from striate.training.engine.learner import Learner
from striate.training.engine.resizing import shrink
from striate.training.engine.state import Lesson
from striate.training.engine.timing import lesson_epoch_s
from striate.training.recipe import Recipe

NET = "conv(6, 3, pad=1) bn relu globalavg fc(classes)"


@pytest.fixture
def learner():
    recipe = Recipe(hard_share=0.3, small_side=0.5)
    torch.manual_seed(1)
    module = make_module(resolve(NET, classes=4, channels=3), (3, 8, 8)).train()
    return Learner(module, recipe, torch.device("cpu"), "float32")


@pytest.mark.parametrize("mixed", [False, True])
def test_those_with_the_largest_loss_on_small_copies_are_kept(learner, mixed):
    images, labels = torch.randn(20, 3, 8, 8), torch.arange(20) % 4
    if mixed:
        labels = 0.5 * F.one_hot(labels, 4).float() + 0.5 * F.one_hot(labels.flip(0), 4).float()
    before = {name: value.clone() for name, value in learner.module.state_dict().items()}
    kept, of = hard_ones(learner, learner.recipe, images, labels, 6)
    for name, value in learner.module.state_dict().items():
        assert torch.equal(value, before[name]), name
    with torch.no_grad():
        logits = learner.module(shrink(images, (4, 4))).double().numpy()
    target = labels.double().numpy() if mixed else np.eye(4)[labels.numpy()]
    losses = -(target * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))).sum(1)
    hardest = np.sort(np.argsort(-losses)[:6])
    assert torch.equal(kept, images[torch.from_numpy(hardest)])
    assert torch.equal(of, labels[torch.from_numpy(hardest)])


def test_batch_norms_keep_learning_afterwards(learner):
    images, labels = torch.randn(20, 3, 8, 8), torch.arange(20) % 4
    hard_ones(learner, learner.recipe, images, labels, 6)
    norm = learner.module.layer("1")
    before = norm.running_mean.clone()
    learner.update(images, labels, 1.0)
    assert not torch.equal(norm.running_mean, before)


def test_processes_share_what_is_kept():
    recipe = Recipe(batch_size=100, hard_share=0.4)
    assert images_drawn(recipe, 0) == 250
    assert images_kept(recipe, 250) == [100]
    assert images_kept(recipe, 250, 3) == [34, 33, 33]
    assert images_kept(recipe, 2, 2) == [1, 1]


class Steps(Observer):
    def __init__(self):
        self.epochs, self.notes = [], []

    def step(self, report):
        self.epochs.append(report.epoch)

    def note(self, text):
        self.notes.append(text)


def test_a_run_trains_on_all_images_first_and_says_so():
    heard = Steps()
    recipe = {"epochs": 4, "batch_size": 100, "precision": "float32", "hard_share": 0.5, "hard_from": 0.5}
    run_one("digits", NET, recipe, observer=heard, learning_rate=0.01)
    counts = [heard.epochs.count(epoch) for epoch in sorted(set(heard.epochs))]
    assert counts == [14, 14, 7, 7]
    assert any(
        "after 50 % of the run it trains on the 50 % of the images that are hard" in note for note in heard.notes
    )


def test_a_net_that_cannot_look_at_small_copies_is_refused_with_the_way_out():
    with pytest.raises(ArgumentError, match=r"hard_share = 0.5 looks at images of 5×5 pixels.*hard_share = 1"):
        striate.train("digits", "conv(4, 3) relu fc(classes)", epochs=1, hard_share=0.5)
    with pytest.raises(ArgumentError, match=r"hard_share must be from 0.01 to 1"):
        Recipe(hard_share=0.0)


def test_an_epoch_is_foreseen_by_steps_of_a_batch_whatever_is_drawn(monkeypatch):
    seen = []
    monkeypatch.setattr(Learner, "update", lambda self, images, *rest: seen.append(len(images)))
    images = striate.prepare(striate.read("digits"))
    lesson = Lesson(images, images.subset(np.arange(0)), measure(images.pixels, images.rows, "channel", "crop"))
    recipe = Recipe(batch_size=100, hard_share=0.5, precision="float32")
    lesson_epoch_s(resolve(NET, classes=10, channels=1), lesson, recipe, torch.device("cpu"))
    assert seen
    assert max(seen) <= 100
