"""Training what is planned, up to the classifier of the best epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from striate.classifier.classifier import Classifier
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.provenance import Provenance
from striate.data.imageset import ImageSet
from striate.data.tensors import to_batch
from striate.nets import NetModule
from striate.nets.modules.own import build
from striate.nets.structure import layers
from striate.observer import Observer
from striate.runs.folder import MODEL
from striate.training.engine.checkpoints import Checkpoints, ReadOnlyCheckpoints, begun
from striate.training.engine.compilation import pays
from striate.training.engine.loop import train_loop
from striate.training.engine.state import Computation, Lesson, SpoiltError, State, Watch, Weights
from striate.training.engine.timing import faster, precision_seconds
from striate.training.plan import Plan
from striate.training.transfer import starting_module
from striate.units import say_duration

# Enough patches to know their covariance well, few enough to be quick.
WHITENING_IMAGES, WHITENING_PIXELS = 5_000, 5_000_000


def train_plan(
    plan: Plan, computation: Computation, watch: Watch, folder: Path | None = None
) -> tuple[Classifier, State]:
    """Train what is planned; return the classifier of the best epoch and the state. No test image is looked at.

    Arguments:
        plan: from `make_plan`, or from `change_plan` where several nets or recipes share the images.
        computation: how, from `choose_computation`.
        watch: hears about the progress, and may end the run.
        folder: where model, metrics and checkpoint go; without one all stays in memory.

    Raises:
        TrainingError: the loss is not finite. Where a precision that was chosen by itself has spoilt it, the run begins
            anew in float32 before that.
        Interrupted: the watch wants to stop.
    """
    device, processes = computation.device, computation.processes

    def classifier(weights: Weights, state: State) -> Classifier:
        best = build(plan.net, plan.preprocessing.input_shape)
        best.load_state_dict(weights)
        best.to(device, memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
        before = [plan.start.trained_on] if plan.start else []
        seen = np.unique(np.concatenate([plan.splits.train.hashes, plan.splits.valid.hashes, *before]))
        record = state.best or {}
        made = Provenance(
            recipe=plan.recipe.to_dict(), precision=state.precision or computation.precision, epoch=record.get("epoch"),
            valid_accuracy=record.get("valid_accuracy"),
        )  # fmt: skip
        provenance = made.about(plan.described, plan.splits)
        return Classifier(plan.classes, plan.preprocessing, plan.net, best, provenance, seen, plan.recipe.views)

    storage = None
    if folder:
        kind = Checkpoints if processes.first else ReadOnlyCheckpoints
        storage = kind(folder, lambda weights, state: classifier(weights, state).save(folder / MODEL))

    def learned(computation: Computation) -> tuple[Weights | None, State]:
        if plan.start and not (folder and begun(folder)):
            with processes.first_goes_first():  # the others find the features in the cache
                module, learned_s = starting_module(plan, device, watch.observer)
        else:
            module, learned_s = _first_module(plan), None
        lesson = Lesson(plan.splits.train, plan.splits.valid, plan.preprocessing)
        return train_loop(module, lesson, plan.recipe, computation, watch, storage=storage, learned_s=learned_s)

    # Steps seed the global generator for dropout; the caller's is given back.
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            best, state = learned(computation)
        except SpoiltError as error:
            watch.observer.warn(f"{str(error).partition('. ')[0]}: the run begins anew, in float32 from its first step")
            if storage:
                with processes.first_goes_first():
                    storage.clear()
            best, state = learned(replace(computation, precision="float32", measured=False, anew=True))
    if best is None:
        assert folder is not None
        best = Classifier.load(folder / MODEL, build(plan.net, plan.preprocessing.input_shape)).module.state_dict()
    return classifier(best, state), state


def choose_computation(plan: Plan, device: torch.device, observer: Observer) -> Computation:
    """Return how the steps are computed, by measurement where the recipe leaves it open."""
    precision, compiled = choose_precision(plan, device, observer), False
    if device.type == "cuda":  # elsewhere nothing is compiled, and a measurement would be a waste
        size = min(plan.recipe.batch_size, len(plan.splits.train))
        count, seconds = precision_seconds(plan.net, size, plan.preprocessing.input_shape, device)
        run_s = seconds.get(precision, seconds["float32"]) / count * len(plan.splits.train) * plan.recipe.epochs
        if compiled := pays(run_s, device):
            observer.note(f"torch.compile is used: the run would take about {say_duration(run_s)} without it")
    return Computation(device, precision, compiled, measured=plan.recipe.precision == "auto")


def choose_precision(plan: Plan, device: torch.device, observer: Observer) -> str:
    """Return the precision to train in, measured on this machine where the recipe says auto."""
    if plan.recipe.precision != "auto" or not plan.recipe.epochs:
        return plan.recipe.precision.replace("auto", "float32")
    size = min(plan.recipe.batch_size, len(plan.splits.train))
    count, seconds = precision_seconds(plan.net, size, plan.preprocessing.input_shape, device, plan.recipe)
    told = ", ".join(f"{1000 * s:.3g} ms in {name}" for name, s in seconds.items())
    observer.note(f"precision {faster(seconds)}: a step of {count:,} images takes {told}")
    return faster(seconds)


def _first_module(plan: Plan) -> torch.nn.Module:
    """Return the net with its first weights, those of whitening learned from the images."""
    module = build(plan.net, plan.preprocessing.input_shape, plan.recipe.seed, plan.recipe.init)
    _learn_whitening(module, plan.splits.train, plan.preprocessing)
    return module


def _learn_whitening(module: torch.nn.Module, images: ImageSet, preprocessing: Preprocessing) -> None:
    """Let the net's `whiten` layers, where there are any, compute their filters from training images."""
    if isinstance(module, NetModule) and any(layer.word == "whiten" for layer in layers(module.net.chain)):
        height, width, _ = images.image_shape
        count = min(len(images), WHITENING_IMAGES, max(1, WHITENING_PIXELS // (height * width)))
        module.initialise_from(preprocessing.normalise(to_batch(images.pixels[images.rows[:count]])))
