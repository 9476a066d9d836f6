"""A run that follows the clock: it ends in time, its schedule with it, and it always learns something."""

import itertools
import time

import numpy as np
import pytest
import torch

import striate
from striate.classifier.preprocessing import measure
from striate.nets.modules.own import build
from striate.observer import Observer
from striate.training.engine import loop
from striate.training.engine.loop import train_loop
from striate.training.engine.state import Computation, Lesson, Watch
from striate.training.recipe import Recipe


class Heard(Observer):
    def __init__(self):
        self.records, self.steps = [], 0

    def epoch(self, record, better):
        self.records.append(record)

    def step(self, report):
        self.steps += 1


@pytest.fixture(scope="module")
def lesson():
    images = striate.prepare(striate.read("digits")).subset(np.arange(160))
    nothing = images.subset(np.arange(0))
    return Lesson(images, nothing, measure(images.pixels, images.rows, "channel", "crop"))


def trained(lesson, ends, **settings):
    recipe = Recipe(**{"epochs": 4, "batch_size": 16, "optimiser": "sgd", "schedule": "linear", **settings})
    module, heard = build(striate.parse("fc(10)"), lesson.preprocessing.input_shape, 0), Heard()
    _, state = train_loop(module, lesson, recipe, Computation(torch.device("cpu")), Watch(heard, ends=ends))
    return heard, state


@pytest.fixture
def ticking(monkeypatch):
    """A clock that goes on by a second whenever anybody looks."""
    ticks = itertools.count(1000)

    class Ticking:
        perf_counter = staticmethod(lambda: float(next(ticks)))

    monkeypatch.setattr(loop, "time", Ticking)


@pytest.mark.usefixtures("ticking")
def test_the_schedule_follows_the_clock_to_its_end(lesson):
    heard, _ = trained(lesson, ends=1000.0 + 60)
    assert 5 < heard.steps < 30
    assert heard.records[-1]["learning_rate"] == pytest.approx(0, abs=2e-4)
    assert all(one["learning_rate"] <= 1e-3 for one in heard.records)
    longer, _ = trained(lesson, ends=None)
    assert longer.steps == 40


@pytest.mark.usefixtures("ticking")
def test_epochs_are_no_end_for_a_run_by_the_clock(lesson):
    heard, state = trained(lesson, ends=1000.0 + 400, epochs=1)
    assert state.epoch > 1
    assert heard.steps > 40


def test_a_time_that_is_over_still_makes_a_step(lesson):
    heard, state = trained(lesson, ends=time.perf_counter() - 100)
    assert (heard.steps, state.epoch) == (1, 1)
    assert heard.records[0]["valid_accuracy"] is None
