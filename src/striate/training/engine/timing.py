"""How long training will take: steps in each precision, epochs of a net, foreseen from a few steps of it."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from itertools import islice, pairwise

import torch
import torch.nn.functional as F  # noqa: N812

from striate.augmentation import make_augmentation
from striate.data.tensors import Pixels, to_batch
from striate.nets.modules.own import AnyNet, build
from striate.system.measurements import measurement_key, recall, remember
from striate.training.engine.batches import steps_per_epoch, training_batches
from striate.training.engine.freezing import freeze
from striate.training.engine.learner import Learner
from striate.training.engine.precision import in_precision
from striate.training.engine.resizing import shrink, small_size
from striate.training.engine.state import Lesson
from striate.training.recipe import Recipe

STEPS = 4  # the first one chooses kernels and is thrown away
VALID_IMAGES = 256
# As many pixels as a moment allows: the ratio of the precisions hardly depends on the batch.
_PRECISION_PIXELS = 150_000
CANDIDATES = ("float32", "bfloat16", "bfloat16-pure")
# bfloat16 must win clearly: it costs some exactness, and a choice on the edge would flip from run to run.
MARGIN = 0.8
# Few images are computed less well than many; what takes so many times as long even so is not tried on many,
# unless that is done in a moment.
HOPELESS, WORTH_KNOWING_S = 6.0, 0.2
_MEASURED_IMAGES, _MEASURED_PIXELS = 16, 1_000_000
# What takes so long is not tried again to be exact.
_LONG_S = 1.0


def lesson_epoch_s(net: AnyNet, lesson: Lesson, recipe: Recipe, device: torch.device) -> float:
    """Return the seconds that an epoch will take, validation included, on this machine as busy as it is.

    The mean over the run, where it begins with small images. Makes a few steps with a fresh module, which is thrown
    away. The recipe's precision must be settled.
    """
    preprocessing = lesson.preprocessing
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        module = build(net, preprocessing.input_shape, recipe.seed, recipe.init)
        learner = Learner(module, recipe, device, recipe.precision)
        alike = recipe.replace(hard_share=1.0)  # the steps that are counted below train on all that they draw
        step_s = _run_step_s(lesson, alike, learner, preprocessing.size)
        if recipe.small_until or recipe.hard_share < 1:
            small_s = _run_step_s(lesson, alike, learner, small_size(recipe, preprocessing.size))
            step_s = _mean_over_run(recipe, small_s, step_s)
        valid = lesson.valid.rows[:VALID_IMAGES]
        module.eval()
        start = time.perf_counter()
        with torch.inference_mode():
            if len(valid):
                module(preprocessing.normalise(to_batch(lesson.valid.pixels[valid], device))).sum().item()
        image_s = (time.perf_counter() - start) / max(1, len(valid))
    steps = steps_per_epoch(len(lesson.train), recipe.batch_size * recipe.accumulate)
    return steps * step_s + len(lesson.valid) * image_s


def _run_step_s(lesson: Lesson, recipe: Recipe, learner: Learner, size: tuple[int, int]) -> float:
    """Return the mean seconds of the first steps of a run, on images of `size`."""
    augment, taken = make_augmentation(recipe.augment, len(lesson.train.classes)), []
    pixels = Pixels(lesson.train, learner.device, resident=False)
    for batch in islice(training_batches(pixels, recipe, 0, 0), STEPS):
        start = time.perf_counter()
        generator = torch.Generator(learner.device).manual_seed(0)
        seen, labels = augment(batch.pixels, batch.labels, generator, indices=batch.indices)
        learner.update(shrink(lesson.preprocessing.normalise(seen), size), labels, 0.0)
        taken.append(time.perf_counter() - start)
    return statistics.mean(taken[1:] or taken)


def _mean_over_run(recipe: Recipe, small_s: float, whole_s: float) -> float:
    """Return the mean over a run of what takes `small_s` on small and `whole_s` on whole images; a look is a third."""
    bounds, mean = sorted({0.0, recipe.small_until, recipe.hard_from, 1.0}), 0.0
    for start, end in pairwise(bounds):
        trained_s = small_s if start < recipe.small_until else whole_s
        hard = recipe.hard_share < 1 and start >= recipe.hard_from
        mean += (end - start) * (recipe.hard_share * trained_s + small_s / 3 if hard else trained_s)
    return mean


def precision_seconds(
    net: AnyNet, batch_size: int, input_shape: tuple[int, int, int], device: torch.device, recipe: Recipe | None = None
) -> tuple[int, dict[str, float]]:
    """Return how many images were tried, at most a batch, and the seconds of a step on them in each precision.

    Measured once on a machine, then recalled. The recipe says what is frozen.
    """
    recipe = recipe or Recipe()
    count, key = _measured_as(net, batch_size, input_shape, device, recipe)
    seconds = recall(key)
    if seconds is None:
        seconds = measure_precisions(freeze(build(net, input_shape), recipe), count, input_shape, device)
        remember(key, seconds)
    return count, seconds


def recalled_precision(
    net: AnyNet, batch_size: int, input_shape: tuple[int, int, int], device: torch.device
) -> dict[str, float] | None:
    """Return what `precision_seconds` would recall, None where it would have to measure."""
    return recall(_measured_as(net, batch_size, input_shape, device, Recipe())[1])


def _measured_as(
    net: AnyNet, batch_size: int, input_shape: tuple[int, int, int], device: torch.device, recipe: Recipe
) -> tuple[int, str]:
    """Return on how many images the precisions are timed, and the key of the measurement."""
    count = min(batch_size, max(4, _PRECISION_PIXELS // (input_shape[1] * input_shape[2])))
    frozen = (recipe.freeze, recipe.norms) if recipe.freeze or recipe.norms == "kept" else ()
    return count, measurement_key(device, CANDIDATES, str(net), input_shape, count, *frozen)


def measure_precisions(
    module: torch.nn.Module, count: int, input_shape: tuple[int, int, int], device: torch.device
) -> dict[str, float]:
    """Return the seconds of one training step on `count` images in each precision: the best of three, taken in turns.

    A precision in which a module of the user's own fails is left out, and one that is seen to be hopeless on a part of
    the images: CPUs without bfloat16 take up to a hundred times as long. Works on copies and leaves the random state
    as it was.
    """
    module = module.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    batch = torch.zeros(count, *input_shape, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(count, dtype=torch.long, device=device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        trials: dict[str, torch.nn.Module] = {}
        plain_s = float("inf")
        for precision in CANDIDATES:
            trial = in_precision(copy.deepcopy(module).train(), precision)
            part = count if precision == "float32" else min(count, max(2, count // 32))
            try:
                # The first step chooses kernels, so its time does not count; nor may that of a busy moment, which
                # would be remembered for good.
                _step_s(trial, batch[:part], labels[:part])
                part_s, tried_s, most_s = float("inf"), 0.0, max(HOPELESS * plain_s, WORTH_KNOWING_S)
                while not tried_s or (part_s * count / part > most_s and tried_s < _LONG_S / 2):
                    step_s = _step_s(trial, batch[:part], labels[:part])
                    part_s, tried_s = min(part_s, step_s), tried_s + max(step_s, 1e-3)
            except RuntimeError:
                if precision == "float32":
                    raise
                continue
            if precision == "float32":
                plain_s = part_s
            elif part_s * count / part > max(HOPELESS * plain_s, WORTH_KNOWING_S):
                continue
            trials[precision] = trial
        if len(trials) == 1:
            return {"float32": plain_s}
        # Turns spread a noisy moment over all of them.
        rounds = [{precision: _step_s(trial, batch, labels) for precision, trial in trials.items()} for _ in range(3)]
    return {precision: min(one[precision] for one in rounds) for precision in trials}


def faster(seconds: dict[str, float]) -> str:
    """Return the precision to train in.

    >>> faster({"float32": 1.0, "bfloat16": 0.5}), faster({"float32": 1.0, "bfloat16": 0.95})
    ('bfloat16', 'float32')
    """
    best = min(seconds, key=lambda precision: seconds[precision])
    return best if seconds[best] < MARGIN * seconds["float32"] else "float32"


def _step_s(module: torch.nn.Module, batch: torch.Tensor, labels: torch.Tensor) -> float:
    start = time.perf_counter()
    F.cross_entropy(module(batch).float(), labels).backward()
    if batch.device.type == "cuda":
        torch.cuda.synchronize(batch.device)
    return time.perf_counter() - start


def epoch_seconds(
    net: AnyNet, recipe: Recipe, input_shape: tuple[int, int, int], count: int, device: torch.device
) -> float:
    """Return the seconds that an epoch of `count` images takes on this machine, as busy as it is now.

    Measured by three steps on a fresh module, of which the first is not counted, and one update of the weights. Where
    the recipe begins with small images it is the mean over the run.
    """
    batch = min(recipe.batch_size, count)
    if recipe.precision == "auto":
        recipe = recipe.replace(precision=faster(precision_seconds(net, batch, input_shape, device, recipe)[1]))
    if recipe.small_until or recipe.hard_share < 1:
        alike = recipe.replace(small_until=0.0, hard_share=1.0)
        small = input_shape[0], *small_size(recipe, input_shape[1:])
        small_s, whole_s = (epoch_seconds(net, alike, shape, count, device) for shape in (small, input_shape))
        return _mean_over_run(recipe, small_s, whole_s)
    tried = min(batch, max(_MEASURED_IMAGES, _MEASURED_PIXELS // (input_shape[1] * input_shape[2])))
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        learner = Learner(build(net, input_shape), recipe.replace(accumulate=1), device, recipe.precision)
        learner.module.train()
        images = torch.zeros(tried, *input_shape, device=device).contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(tried, dtype=torch.long, device=device)
        step_s = _best_s(lambda: learner.update(images, labels, 0.0), device)
        update_s = _best_s(lambda: _update(learner), device)
    image_s = 1.03 * max(0.0, step_s - update_s) / tried
    return count * image_s + steps_per_epoch(count, batch) * update_s


def _update(learner: Learner) -> None:
    for parameter in learner.optimisers.parameters:
        parameter.grad = torch.zeros_like(parameter)
    learner.optimisers.step(0.0)


def _best_s(act: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of the quicker of two times, after one that chooses kernels; of one where they are long."""
    seconds = []
    while len(seconds) < 2 or (len(seconds) < 3 and sum(seconds) < _LONG_S):
        start = time.perf_counter()
        act()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
