"""The one training loop, for every net, device and data set; read it from top to bottom.

Progressive resizing (`small_until`), early stopping (`patience`), averaged weights and several processes are all here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import torch
import torch.nn.functional as F  # noqa: N812

from striate.augmentation import Augmentation, make_augmentation
from striate.augmentation.batch import step_seed
from striate.classifier.preprocessing import Preprocessing
from striate.data.imageset import ImageSet
from striate.data.tensors import Pixels, images_at_once, to_batch
from striate.errors import TrainingError
from striate.observer import Observer, StepReport
from striate.system.processes import ALONE, Processes
from striate.training.engine.batches import Batch, steps_per_epoch, training_batches
from striate.training.engine.compilation import Compiled
from striate.training.engine.freezing import hold_whitening
from striate.training.engine.learner import Learner
from striate.training.engine.optimisers import rate_share
from striate.training.engine.resizing import shrink, size_at
from striate.training.recipe import Recipe

Weights = dict[str, torch.Tensor]


@dataclass
class State:
    """Where a run stands, beside the tensors: what a checkpoint's JSON holds."""

    epoch: int = 0  # epochs finished
    step: int = 0  # steps finished in the epoch under way
    loss_sum: float = 0.0  # over the images of the epoch under way
    correct: int = 0
    images: int = 0
    epoch_s: float = 0.0
    train_s: float = 0.0  # of the finished epochs, validation included
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None  # the record of the best epoch

    def add(self, loss: float, correct: int, images: int, seconds: float) -> None:
        """Count one step."""
        self.step += 1
        self.loss_sum += loss * images
        self.correct += correct
        self.images += images
        self.epoch_s += seconds

    def end_epoch(self, record: dict[str, Any]) -> bool:
        """Count one epoch and return whether it is the best so far."""
        self.history.append(record)
        self.train_s += self.epoch_s
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum, self.correct, self.images, self.epoch_s = 0.0, 0, 0, 0.0
        better = self.best is None or _rank(record) > _rank(self.best)
        if better:
            self.best = record
        return better

    def finished(self, recipe: Recipe) -> bool:
        """Whether all epochs are done, or early stopping: `patience` whole-image epochs without a better one."""
        small = math.ceil(recipe.small_until * recipe.epochs)
        stale = self.epoch - max(self.best["epoch"], small) if self.best else 0
        return self.epoch >= recipe.epochs or 0 < recipe.patience <= stale


class Storage(Protocol):
    """What the loop asks of a run folder."""

    def load(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Return the state and the tensors of the last checkpoint; both empty if there is none."""
        ...

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        ...

    def save(self, tensors: Mapping[str, torch.Tensor], state: State, best: Weights | None) -> None:
        """Write the better model, where there is a new one, then the checkpoint."""
        ...


class Interrupted(KeyboardInterrupt):
    """A stop was asked for, and the checkpoint is written."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a module learns from.

    Arguments:
        train, valid: images of the preprocessing's size; valid may be empty.
        preprocessing: makes the module's input of them.
    """

    train: ImageSet
    valid: ImageSet
    preprocessing: Preprocessing


@dataclass(frozen=True)
class Computation:
    """How steps are computed.

    Arguments:
        precision, compiled: what is computed in, and whether by torch.compile.
        processes: those that train together; only the first one's storage is written to.
    """

    device: torch.device
    precision: str = "float32"
    compiled: bool = False
    processes: Processes = ALONE


@dataclass(frozen=True, eq=False)
class Watch:
    """Who follows a run, and may end it.

    Arguments:
        stop: asked after every step; when it says yes, the state is saved and the run ends.
        enough: asked after every epoch, with its line of the metrics; when it says yes, that epoch is the last.
    """

    observer: Observer = field(default_factory=Observer)
    stop: Callable[[], bool] = lambda: False
    enough: Callable[[dict[str, Any]], bool] = lambda record: False


def train_loop(
    module: torch.nn.Module,
    lesson: Lesson,
    recipe: Recipe,
    computation: Computation,
    watch: Watch,
    *,
    storage: Storage | None = None,
    learned_s: float | None = None,
) -> tuple[Weights | None, State]:
    """Train `module` in place; return the weights of the best epoch and the state.

    The best epoch has the highest validation accuracy, at a tie the lower loss; without validation images it is the
    last. Order, augmentation and dropout are functions of (seed, epoch, step): a run resumed from `storage` ends in
    the same bits as one that was never stopped (same machine, same thread count).

    Arguments:
        module: maps float (n, c, h, w) to logits (n, k).
        storage: where the state is kept, and a run goes on from; None keeps nothing.
        learned_s: seconds in which the module has learned something before; it is then validated first, as epoch 0,
            and kept if no epoch does better. None if its weights are random.

    Returns:
        The best weights on the CPU, None if they were found before the resume and lie in `storage`; and the state.

    Raises:
        TrainingError: the loss is not finite; names the epoch, step and learning rate.
        Interrupted: the watch wants to stop.
    """
    train, valid, preprocessing, processes = lesson.train, lesson.valid, lesson.preprocessing, computation.processes
    translate = partial(Compiled, warn=watch.observer.warn) if computation.compiled else lambda module: module
    learner = Learner(module, recipe, computation.device, computation.precision, processes, translate)
    augment = make_augmentation(recipe.augment, len(train.classes))
    state = State()
    if storage:
        kept, tensors = storage.load()
        if kept:
            state = State(**kept)
            learner.load(tensors)
    source = Pixels(train, computation.device)
    steps = steps_per_epoch(len(train), recipe.batch_size * recipe.accumulate)
    best: Weights | None = None
    unsaved: Weights | None = None
    if learned_s is not None and state.best is None:
        start = time.perf_counter()
        state.best = {"epoch": 0, **_validated(learner.kept, valid, preprocessing, processes)}
        state.train_s = learned_s + time.perf_counter() - start
        best = unsaved = learner.weights()

    while not state.finished(recipe):
        module.train()
        start = time.perf_counter()
        for batch in training_batches(source, recipe, state.epoch, state.step, processes):
            pixels, labels = _augmented(augment, batch, recipe.seed, state.epoch, processes.rank)
            epoch = state.epoch + (batch.step + 0.5) / steps
            share, done = rate_share(recipe, epoch), epoch / recipe.epochs
            if done >= recipe.whiten_until:
                hold_whitening(module)
            images = shrink(preprocessing.normalise(pixels), size_at(recipe, preprocessing.size, done))
            loss, correct = learner.update(images, labels, share, batch.total)
            loss, correct, stops = processes.sum(loss, correct, watch.stop())
            if not math.isfinite(loss):
                raise TrainingError(_advice(loss, state, share * recipe.learning_rate))
            end = time.perf_counter()
            state.add(loss, int(correct), batch.total, end - start)  # bringing the batch and the last save included
            start = end
            watch.observer.step(_report(state, recipe, steps))
            if storage and (stops or storage.due()):
                storage.save(learner.tensors(), state, unsaved)
                unsaved = None
            if stops:
                raise Interrupted
        share = rate_share(recipe, state.epoch + 1 - 0.5 / steps)
        learner.synchronise()
        record = _end_of_epoch(learner.kept, valid, preprocessing, state, share * recipe.learning_rate, processes)
        if better := state.end_epoch(record):
            best = unsaved = learner.weights()
        watch.observer.epoch(record, better)
        ended = watch.enough(record) or state.finished(recipe)
        if storage and (storage.due() or ended):
            storage.save(learner.tensors(), state, unsaved)
            unsaved = None
        if ended:
            break
    if storage and unsaved is not None:  # no epoch was asked for
        storage.save(learner.tensors(), state, unsaved)
    return best, state


def _augmented(
    augment: Augmentation, batch: Batch, seed: int, epoch: int, rank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the step's pixels and labels; all that is drawn in the step, dropout too, then follows its own seed."""
    own = step_seed(seed, epoch, batch.step, rank)
    torch.manual_seed(own)  # dropout draws from the global generator
    generator = torch.Generator(batch.pixels.device).manual_seed(own)
    return augment(batch.pixels, batch.labels, generator, indices=batch.indices, epoch=epoch, seed=seed)


def loss_and_accuracy(
    module: torch.nn.Module,
    images: ImageSet,
    preprocessing: Preprocessing,
    processes: Processes = ALONE,
) -> tuple[float, float]:
    """Return the mean cross-entropy and the accuracy of `module` on `images`, in float32 as in prediction.

    Several processes share the images.
    """
    device = next(module.parameters()).device
    batch_size = images_at_once(*preprocessing.size, device)
    module.eval()
    loss, correct = 0.0, 0
    with torch.inference_mode():
        for start in range(processes.rank * batch_size, len(images), processes.count * batch_size):
            rows = images.rows[start : start + batch_size]
            labels = torch.from_numpy(images.labels[start : start + batch_size]).to(device)
            logits = module(preprocessing.normalise(to_batch(images.pixels[rows], device))).float()
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            correct += int((logits.argmax(1) == labels).sum())
    loss, correct = processes.sum(loss, correct)
    return loss / max(1, len(images)), correct / max(1, len(images))


def _end_of_epoch(
    module: torch.nn.Module,
    valid: ImageSet,
    preprocessing: Preprocessing,
    state: State,
    rate: float,
    processes: Processes,
) -> dict[str, Any]:
    """Validate and return the epoch's line of the metrics."""
    images_per_s = state.images / max(state.epoch_s, 1e-9)
    start = time.perf_counter()
    validated = _validated(module, valid, preprocessing, processes)
    state.epoch_s += time.perf_counter() - start
    return {
        "epoch": state.epoch + 1,
        "train_loss": state.loss_sum / state.images,
        "train_accuracy": state.correct / state.images,
        **validated,
        "learning_rate": rate,
        "images_per_s": round(images_per_s, 1),
        "seconds": round(state.epoch_s, 3),
    }


def _validated(
    module: torch.nn.Module, valid: ImageSet, preprocessing: Preprocessing, processes: Processes
) -> dict[str, float | None]:
    measured = loss_and_accuracy(module, valid, preprocessing, processes) if len(valid) else (None, None)
    return {"valid_loss": measured[0], "valid_accuracy": measured[1]}


def _rank(record: dict[str, Any]) -> tuple[float, float]:
    if record["valid_accuracy"] is None:
        return float(record["epoch"]), 0.0
    return record["valid_accuracy"], -record["valid_loss"]


def _report(state: State, recipe: Recipe, steps: int) -> StepReport:
    return StepReport(
        epoch=state.epoch + 1,
        epochs=recipe.epochs,
        step=state.step,
        steps=steps,
        loss=state.loss_sum / state.images,
        accuracy=state.correct / state.images,
        images_per_s=state.images / max(state.epoch_s, 1e-9),
    )


def _advice(loss: float, state: State, rate: float) -> str:
    return (
        f"the loss became {loss} at epoch {state.epoch + 1}, step {state.step + 1}, learning rate {rate:.3g}. "
        "Try a tenth of the learning rate, or warmup_epochs = 1 in the recipe"
    )
