"""What the loop is given, and where a run of it stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from striate.classifier.preprocessing import Preprocessing
from striate.data.imageset import ImageSet
from striate.errors import TrainingError
from striate.metrics.by_class import Metric
from striate.observer import Observer
from striate.system.processes import ALONE, Processes
from striate.training.recipe import Recipe

Weights = dict[str, torch.Tensor]


class SpoiltError(TrainingError):
    """A run that went back to float32 fails there too: what it went back to was learned in another precision."""


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
    health: dict[str, Any] = field(default_factory=dict)  # of the last step that was looked at
    precision: str = ""  # that the run went back to and on in; empty where it is still the one that was chosen

    def add(self, loss: float, correct: int, images: int, seconds: float) -> None:
        """Count one step."""
        self.step += 1
        self.loss_sum += loss * images
        self.correct += correct
        self.images += images
        self.epoch_s += seconds

    def go_back(self, precision: str) -> None:
        """Begin the epoch under way again, in another precision."""
        self.step, self.precision = 0, precision
        self.loss_sum, self.correct, self.images, self.epoch_s = 0.0, 0, 0, 0.0

    def failure(self, text: str) -> TrainingError:
        """Return the error of a run that cannot go on."""
        return SpoiltError(text) if self.precision else TrainingError(text)

    def end_epoch(self, record: dict[str, Any], metric: Metric = "accuracy") -> bool:
        """Count one epoch and return whether it is the best so far, by that figure of the validation images."""
        self.history.append(record)
        self.train_s += self.epoch_s
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum, self.correct, self.images, self.epoch_s = 0.0, 0, 0, 0.0
        better = self.best is None or _rank(record, metric) > _rank(self.best, metric)
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

    def clear(self) -> None:
        """Forget the run."""
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
        measured: whether the precision was chosen by itself, and may be left for float32 where it does not learn.
        anew: whether the run begins anew, in another precision than was chosen.
    """

    device: torch.device
    precision: str = "float32"
    compiled: bool = False
    processes: Processes = ALONE
    measured: bool = False
    anew: bool = False


@dataclass(frozen=True, eq=False)
class Watch:
    """Who follows a run, and may end it.

    Arguments:
        stop: asked after every step; when it says yes, the state is saved and the run ends.
        enough: asked after every epoch, with its line of the metrics; when it says yes, that epoch is the last.
        ends: the moment, by `time.perf_counter`, at which the last step is to end. The schedule then follows the clock
            rather than the epochs, of which the last may be cut short: however busy the machine, the learning rate has
            come down in time. None counts epochs, which alone gives the same bits twice.
    """

    observer: Observer = field(default_factory=Observer)
    stop: Callable[[], bool] = lambda: False
    enough: Callable[[dict[str, Any]], bool] = lambda record: False
    ends: float | None = None


def valid_key(metric: Metric) -> str:
    """Return where a line of the metrics has the figure that chooses.

    >>> valid_key("macro-f1")
    'valid_macro_f1'
    """
    return f"valid_{metric.replace('-', '_')}"


def _rank(record: dict[str, Any], metric: Metric) -> tuple[float, float]:
    if record["valid_accuracy"] is None:
        return -1.0, float(record["epoch"])  # not looked at: any that was is better
    return record[valid_key(metric)], -record["valid_loss"]
