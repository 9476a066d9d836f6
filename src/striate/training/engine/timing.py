"""How long training will take, foreseen from a few steps of it."""

from __future__ import annotations

import statistics
import time
from itertools import islice

import torch

from striate.augmentation import make_augmentation
from striate.data.tensors import Pixels, to_batch
from striate.nets.modules.own import build
from striate.training.engine.batches import steps_per_epoch, training_batches
from striate.training.engine.learner import Learner
from striate.training.engine.resizing import shrink, size_at
from striate.training.plan import Plan

STEPS = 4  # the first one chooses kernels and is thrown away
VALID_IMAGES = 256


def epoch_s(plan: Plan, device: torch.device) -> float:
    """Return the seconds that an epoch of the plan will take, validation included, on this machine as busy as it is.

    The mean over the run, where it begins with small images. Makes a few steps with a fresh module, which is thrown
    away. The recipe's precision must be settled.
    """
    recipe, preprocessing = plan.recipe, plan.preprocessing
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        module = build(plan.net, preprocessing.input_shape, recipe.seed, recipe.init)
        learner = Learner(module, recipe, device, recipe.precision)
        step_s = _step_s(plan, learner, preprocessing.size)
        if recipe.small_until:
            small_s = _step_s(plan, learner, size_at(recipe, preprocessing.size, 0.0))
            step_s = recipe.small_until * small_s + (1 - recipe.small_until) * step_s
        valid = plan.splits.valid.rows[:VALID_IMAGES]
        module.eval()
        start = time.perf_counter()
        with torch.inference_mode():
            if len(valid):
                module(preprocessing.normalise(to_batch(plan.splits.valid.pixels[valid], device))).sum().item()
        image_s = (time.perf_counter() - start) / max(1, len(valid))
    steps = steps_per_epoch(len(plan.splits.train), recipe.batch_size * recipe.accumulate)
    return steps * step_s + len(plan.splits.valid) * image_s


def _step_s(plan: Plan, learner: Learner, size: tuple[int, int]) -> float:
    """Return the mean seconds of the first steps of a run, on images of `size`."""
    augment, taken = make_augmentation(plan.recipe.augment, len(plan.classes)), []
    pixels = Pixels(plan.splits.train, learner.device, resident=False)
    for batch in islice(training_batches(pixels, plan.recipe, 0, 0), STEPS):
        start = time.perf_counter()
        generator = torch.Generator(learner.device).manual_seed(0)
        seen, labels = augment(batch.pixels, batch.labels, generator, indices=batch.indices)
        learner.update(shrink(plan.preprocessing.normalise(seen), size), labels, 0.0)
        taken.append(time.perf_counter() - start)
    return statistics.mean(taken[1:] or taken)
