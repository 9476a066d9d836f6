"""The advice to balance: given where it measured better beyond noise, and nowhere else."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import striate
from striate.metrics.evaluation import evaluate_probabilities
from striate.observer import Observer
from striate.selection.ladder.balance_advice import LINEAR, balance_advice, suggest_balance
from striate.selection.ladder.climb import climb_one
from striate.selection.ladder.clock import Clock
from striate.selection.ladder.ground import Ground

pytestmark = pytest.mark.usefixtures("patient_clock")


def ground_of(sizes):
    """Dark and bright noise, which overlap: so many images of each."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(2), sizes)
    pixels = rng.normal(128, 60, (len(labels), 6, 6, 1)) + 14 * labels[:, None, None, None]
    images = striate.prepare(striate.read((pixels.clip(0, 255).astype(np.uint8), labels)))
    clock = Clock(time.perf_counter(), 600.0)
    return Ground(images, "crop", {}, 0, torch.device("cpu"), Observer(), clock, 6, mirrors=False)


def parts_of(ground):
    order = np.random.default_rng(1).permutation(len(ground.images))
    return [(np.sort(order[::2]), np.sort(order[1::2]))]


@pytest.fixture(scope="module")
def uneven():
    ground = ground_of((3000, 100))
    return ground, parts_of(ground), [climb_one(LINEAR, ground, parts_of(ground), 1.0)]


def test_where_it_measures_better_it_is_advised_and_with_it_no_more(uneven):
    ground, parts, results = uneven
    said = balance_advice(results, ground, parts)
    assert said.startswith("--balance loss measured ")
    assert said.endswith(" points more balanced accuracy on the validation images")
    assert balance_advice(results, replace(ground, balance="loss"), parts) == ""


def test_nobody_asks_without_time_or_with_even_classes(uneven):
    ground, parts, results = uneven
    hurried = replace(ground, clock=Clock(time.perf_counter(), 0.01))
    assert balance_advice(results, hurried, parts) == balance_advice([], ground, parts) == ""
    even = ground_of((200, 200))
    assert balance_advice([climb_one(LINEAR, even, parts_of(even), 1.0)], even, parts_of(even)) == ""


def test_it_is_suggested_beyond_noise_alone():
    true = np.array([0] * 400 + [1] * 40)

    def judged(predicted, groups=None):
        return evaluate_probabilities(np.eye(2)[predicted], true, "ab", groups=groups)

    plain = judged([0] * 400 + [1] * 10 + [0] * 30)
    better = judged([0] * 390 + [1] * 10 + [1] * 34 + [0] * 6)
    slightly = judged([0] * 400 + [1] * 12 + [0] * 28)
    assert suggest_balance(plain, better) == (
        "--balance loss measured 28.7 points more balanced accuracy on the validation images"
    )
    assert suggest_balance(plain, slightly) == suggest_balance(better, plain) == suggest_balance(plain, plain) == ""
    frames = np.repeat(np.arange(22), 20)  # of 22 objects, two of them rare: they tell nothing
    said = ([0] * 400 + [1] * 10 + [0] * 30, [0] * 390 + [1] * 10 + [1] * 34 + [0] * 6)
    assert suggest_balance(*(judged(one, frames) for one in said)) == ""
