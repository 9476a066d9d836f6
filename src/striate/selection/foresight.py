"""How long training will take, foreseen from a few steps of it."""

from __future__ import annotations

import statistics
import time

import torch

from striate.planning import Plan
from striate.training.augmentation import make_augmentation
from striate.training.batches import Pixels, steps_per_epoch, to_batch, training_batches
from striate.training.learner import Learner
from striate.training.own_module import build

STEPS = 4  # the first one chooses kernels and is thrown away
VALID_IMAGES = 256


def epoch_s(plan: Plan, device: torch.device) -> float:
    """Return the seconds that an epoch of the plan will take, validation included, on this machine as busy as it is.

    Makes a few steps with a fresh module, which is thrown away. The recipe's precision must be settled.
    """
    recipe, preprocessing = plan.recipe, plan.preprocessing
    augment = make_augmentation(recipe.augment, len(plan.classes))
    taken: list[float] = []
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        module = build(plan.net, preprocessing.input_shape, recipe.seed, recipe.init)
        learner = Learner(module, recipe, device, recipe.precision)
        for batch in training_batches(Pixels(plan.splits.train, device, resident=False), recipe, 0, 0):
            start = time.perf_counter()
            generator = torch.Generator(device).manual_seed(0)
            pixels, labels = augment(batch.pixels, batch.labels, generator, indices=batch.indices)
            learner.update(preprocessing.normalise(pixels), labels, 0.0)
            taken.append(time.perf_counter() - start)
            if len(taken) == STEPS:
                break
        step_s = statistics.mean(taken[1:] or taken)
        valid = plan.splits.valid.rows[:VALID_IMAGES]
        module.eval()
        start = time.perf_counter()
        with torch.inference_mode():
            if len(valid):
                module(preprocessing.normalise(to_batch(plan.splits.valid.pixels[valid], device))).sum().item()
        image_s = (time.perf_counter() - start) / max(1, len(valid))
    steps = steps_per_epoch(len(plan.splits.train), recipe.batch_size * recipe.accumulate)
    return steps * step_s + len(plan.splits.valid) * image_s
