"""The one training loop, for every net, device and data set; read it from top to bottom.

Progressive resizing (`small_until`), early stopping (`patience`), averaged weights and several processes are all here.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from striate.augmentation import Augmentation, make_augmentation
from striate.augmentation.batch import step_seed
from striate.classifier.preprocessing import Preprocessing
from striate.data.balancing import class_weights
from striate.data.imageset import ImageSet
from striate.data.tensors import Pixels, images_at_once, to_batch
from striate.metrics.by_class import ClassCounts, count_classes, count_pairs
from striate.observer import StepReport
from striate.system.processes import ALONE, Processes
from striate.training.engine.batches import Batch, images_drawn, steps_per_epoch, takes_hard_ones, training_batches
from striate.training.engine.compilation import Compiled
from striate.training.engine.freezing import hold_whitening
from striate.training.engine.hard_images import hard_ones, images_kept
from striate.training.engine.health import SUMMARY, Health, looks, watched
from striate.training.engine.learner import Learner
from striate.training.engine.optimisers import rate_share
from striate.training.engine.recovery import Recovery, parted
from striate.training.engine.resizing import shrink, size_at
from striate.training.engine.state import Computation, Interrupted, Lesson, State, Storage, Watch, Weights, valid_key
from striate.training.recipe import Recipe


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

    The best epoch has the highest validation accuracy, or what the recipe's `metric` is, at a tie the lower loss;
    without validation images it is the last. Order, augmentation and dropout are functions of (seed, epoch, step): a
    run resumed from `storage` ends in the same bits as one that was never stopped (same machine, same thread count).

    Arguments:
        module: maps float (n, c, h, w) to logits (n, k).
        storage: where the state is kept, and a run goes on from; None keeps nothing.
        learned_s: seconds in which the module has learned something before; it is then validated first, as epoch 0,
            and kept if no epoch does better. None if its weights are random.

    Returns:
        The best weights on the CPU, None if they were found before the resume and lie in `storage`; and the state.

    Raises:
        TrainingError: the loss is not finite, in float32 or a precision that was asked for; names the epoch, step and
            learning rate. In one that was chosen by itself the epoch begins again in float32.
        SpoiltError: nor is it then.
        Interrupted: the watch wants to stop.
    """
    course = _Course.begin(module, lesson, recipe, computation, watch, storage)
    state = course.state
    if learned_s is not None and state.best is None:
        start = time.perf_counter()
        state.best = {"epoch": 0, **course.validated()}
        state.train_s = learned_s + time.perf_counter() - start
        course.keep_best()

    while not course.finished:
        if not course.train_epoch():
            continue
        record = course.end_epoch()
        if better := state.end_epoch(record, recipe.metric):
            course.keep_best()
        watch.observer.epoch(record, better)
        ended = watch.enough(record) or course.finished
        if storage and (storage.due() or ended):
            course.save()
        if ended:
            break
    if storage and course.unsaved is not None:  # no epoch was asked for
        course.save()
    return course.best, state


@dataclass(eq=False)
class _Course:
    """A run of the loop: what it learns from, with what, and where it stands."""

    lesson: Lesson
    recipe: Recipe
    computation: Computation
    watch: Watch
    storage: Storage | None
    learner: Learner
    state: State
    recovery: Recovery
    best: Weights | None = None
    unsaved: Weights | None = None
    told: set[str] = field(default_factory=set)  # kinds of ill health that were warned of
    began: float = 0.0  # by the clock; what a run before this process took counts
    step_s: float = 0.0  # the last step's

    @classmethod
    def begin(
        cls,
        module: torch.nn.Module,
        lesson: Lesson,
        recipe: Recipe,
        computation: Computation,
        watch: Watch,
        storage: Storage | None,
    ) -> _Course:
        """Return the course at its start, or where the storage has it."""
        translate = partial(Compiled, warn=watch.observer.warn) if computation.compiled else lambda module: module
        kept, tensors = storage.load() if storage else ({}, {})
        state = State(**kept) if kept else State(precision=computation.precision * computation.anew)
        precision = state.precision or computation.precision
        learner = Learner(
            module, recipe, computation.device, precision, computation.processes, translate,
            class_weights(lesson.train.labels, len(lesson.train.classes)) if recipe.balance == "loss" else None,
        )  # fmt: skip
        own, good = parted(tensors)
        if kept:
            learner.load(own)
        recovery = Recovery(learner, computation.measured and precision != "float32", good)
        began = time.perf_counter() - state.train_s - state.epoch_s
        return cls(lesson, recipe, computation, watch, storage, learner, state, recovery, began=began)

    @cached_property
    def augment(self) -> Augmentation:
        return make_augmentation(self.recipe.augment, len(self.lesson.train.classes))

    @cached_property
    def source(self) -> Pixels:
        return Pixels(self.lesson.train, self.computation.device)

    @property
    def steps(self) -> int:
        """Steps of the epoch under way."""
        return steps_per_epoch(len(self.lesson.train), images_drawn(self.recipe, self.state.epoch))

    @property
    def time_is_up(self) -> bool:
        """Whether the run follows the clock and another step would end late by more than half of itself."""
        return self.watch.ends is not None and time.perf_counter() + self.step_s / 2 > self.watch.ends

    @property
    def finished(self) -> bool:
        """Whether the run is at its end; one that follows the clock makes at least a step."""
        if self.watch.ends is None:
            return self.state.finished(self.recipe)
        return self.time_is_up and self.state.epoch > 0

    def place(self, epoch: float) -> float:
        """Return where in the schedule `epoch` is: there, or where the clock says."""
        if self.watch.ends is None:
            return epoch
        done = (time.perf_counter() + self.step_s / 2 - self.began) / max(self.watch.ends - self.began, 1e-9)
        return self.recipe.epochs * min(1.0, max(0.0, done))

    def train_epoch(self) -> bool:
        """Make the steps of an epoch, or those of it for which there is time.

        Returns:
            Whether they were made; else the run has gone back to where the epoch began.

        Raises:
            TrainingError: the loss is not finite.
            Interrupted: a stop was asked for, and the state is saved.
        """
        recipe, state, learner, processes = self.recipe, self.state, self.learner, self.computation.processes
        preprocessing, steps = self.lesson.preprocessing, self.steps
        learner.module.train()
        if not state.step:
            self.recovery.remember()
        start, rate = time.perf_counter(), 0.0
        for batch in training_batches(self.source, recipe, state.epoch, state.step, processes):
            pixels, labels = _augmented(self.augment, batch, recipe.seed, state.epoch, processes.rank)
            epoch = self.place(state.epoch + (batch.step + 0.5) / steps)
            share, done = rate_share(recipe, epoch), epoch / recipe.epochs
            rate = share * recipe.learning_rate
            if done >= recipe.whiten_until:
                hold_whitening(learner.module)
            images, total = preprocessing.normalise(pixels), batch.total
            if takes_hard_ones(recipe, state.epoch):
                kept = images_kept(recipe, batch.total, processes.count)
                images, labels = hard_ones(learner, recipe, images, labels, kept[processes.rank])
                total = sum(kept)
            images = shrink(images, size_at(recipe, preprocessing.size, done))
            with self.looked_at(batch.step):
                loss, correct = learner.update(images, labels, share, total)
            loss, correct, stops = processes.sum(loss, correct, self.watch.stop())
            if not math.isfinite(loss):
                return self.go_back(f"the loss became {loss}", rate)
            end = time.perf_counter()
            self.step_s = end - start
            state.add(loss, int(correct), total, self.step_s)  # bringing the batch and the last save included
            start = end
            self.watch.observer.step(_report(state, recipe, steps))
            if self.storage and (stops or self.storage.due()):
                self.save()
            if stops:
                raise Interrupted
            if self.time_is_up:
                break
        if processes.sum(not learner.finite)[0]:
            return self.go_back("weights became NaN or infinite", rate)
        return True

    def looked_at(self, step: int) -> AbstractContextManager[None]:
        """Return what looks at the net's health while a step is made, where that is due: at the end of an epoch.

        A run that follows the clock may end within its last epoch, and is looked at halfway.
        """
        state, last = self.state, self.steps - 1 if self.watch.ends is None else self.steps // 2
        if step != last or not self.computation.processes.first:
            return nullcontext()
        if not looks(state.epoch, self.recipe.epochs, self.steps):
            return nullcontext()
        return watched(self.learner.module, state.epoch + 1, self.tell, values=not self.computation.compiled)

    def tell(self, health: Health) -> None:
        """Keep how the net does; warn of what is wrong where it is seen first, and again at the end."""
        self.state.health = health.to_json()
        for kind, text in health.warnings.items():
            if kind not in self.told or health.epoch == self.recipe.epochs:
                self.watch.observer.warn(f"epoch {health.epoch}: {text}")
            self.told.add(kind)

    def go_back(self, what: str, rate: float) -> bool:
        """Begin the epoch again in float32, where the precision was chosen by itself; return that it is not done.

        Raises:
            TrainingError: the precision is float32 or was asked for.
        """
        state = self.state
        where = f"{what} at epoch {state.epoch + 1}, step {state.step + 1}, learning rate {rate:.3g}"
        if not self.recovery.possible:
            raise state.failure(f"{where}. Try a tenth of the learning rate, or warmup_epochs = 1 in the recipe")
        self.watch.observer.warn(
            f"{where}, in {self.computation.precision}, which was chosen for its speed: epoch {state.epoch + 1} begins "
            "again in float32"
        )
        self.recovery.go_back()
        state.go_back("float32")
        return False

    def end_epoch(self) -> dict[str, Any]:
        """Validate and return the epoch's line of the metrics."""
        state, recipe = self.state, self.recipe
        share = rate_share(recipe, self.place(state.epoch + 1 - 0.5 / self.steps))
        self.learner.synchronise()
        images_per_s = state.images / max(state.epoch_s, 1e-9)
        start = time.perf_counter()
        validated = self.validated()
        state.epoch_s += time.perf_counter() - start
        return {
            "epoch": state.epoch + 1,
            "train_loss": state.loss_sum / state.images,
            "train_accuracy": state.correct / state.images,
            **validated,
            "learning_rate": share * recipe.learning_rate,
            "images_per_s": round(images_per_s, 1),
            "seconds": round(state.epoch_s, 3),
            **({name: state.health[name] for name in SUMMARY} if state.health.get("epoch") == state.epoch + 1 else {}),
        }

    def validated(self) -> dict[str, float | None]:
        """Return loss, accuracy and what chooses on the validation images; None where there are none."""
        valid, processes, chooses = self.lesson.valid, self.computation.processes, valid_key(self.recipe.metric)
        if not len(valid):
            return dict.fromkeys(("valid_loss", "valid_accuracy", chooses))
        loss, counts = loss_and_counts(self.learner.kept, valid, self.lesson.preprocessing, processes)
        return {"valid_loss": loss, "valid_accuracy": counts.accuracy, chooses: counts.score(self.recipe.metric)}

    def keep_best(self) -> None:
        """Keep the weights as they are now: none were better."""
        self.best = self.unsaved = self.learner.weights()

    def save(self) -> None:
        """Save the state, and the best weights if they are not saved yet."""
        assert self.storage is not None
        beside = self.recovery.tensors() if self.state.step else {}
        self.storage.save(self.learner.tensors() | beside, self.state, self.unsaved)
        self.unsaved = None


def _augmented(
    augment: Augmentation, batch: Batch, seed: int, epoch: int, rank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the step's pixels and labels; all that is drawn in the step, dropout too, then follows its own seed."""
    own = step_seed(seed, epoch, batch.step, rank)
    torch.manual_seed(own)  # dropout draws from the global generator
    generator = torch.Generator(batch.pixels.device).manual_seed(own)
    return augment(batch.pixels, batch.labels, generator, indices=batch.indices, epoch=epoch, seed=seed)


def loss_and_counts(
    module: torch.nn.Module,
    images: ImageSet,
    preprocessing: Preprocessing,
    processes: Processes = ALONE,
) -> tuple[float, ClassCounts]:
    """Return the mean cross-entropy of `module` on `images` and how it did by class, in float32 as in prediction.

    Several processes share the images.
    """
    device = next(module.parameters()).device
    batch_size = images_at_once(*preprocessing.size, device)
    module.eval()
    loss, predicted, known, k = 0.0, [], [], len(images.classes)
    with torch.inference_mode():
        for start in range(processes.rank * batch_size, len(images), processes.count * batch_size):
            rows = images.rows[start : start + batch_size]
            known.append(images.labels[start : start + batch_size])
            labels = torch.from_numpy(known[-1]).to(device)
            logits = module(preprocessing.normalise(to_batch(images.pixels[rows], device))).float()
            loss += float(F.cross_entropy(logits, labels, reduction="sum"))
            predicted.append(logits.argmax(1).cpu().numpy())
    nothing = np.zeros(0, np.int64)  # a process may have had no image
    true, called = (np.concatenate([nothing, *parts]) for parts in (known, predicted))
    counts = count_classes(count_pairs(true, called, k), k)
    loss, *sums = processes.sum(loss, *np.concatenate([counts.hits, counts.actual, counts.called]).tolist())
    return loss / max(1, len(images)), ClassCounts(*np.array(sums, np.int64).reshape(3, k))


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
