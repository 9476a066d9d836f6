"""One process of a study: the trials that it makes, each within what is left of the budget."""

from __future__ import annotations

import math
import platform
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from striate.errors import ArgumentError, ShapeError, StriateError, TrainingError, is_out_of_memory
from striate.nets import Net
from striate.observer import Observer
from striate.runs.session import judge_images
from striate.selection.tuning.space import Space
from striate.selection.tuning.study import (
    Trial,
    best_trial,
    parts_passed,
    pruner,
    queue_again,
    quiet,
    read_trials,
    sampler,
)
from striate.system.files import write_atomically
from striate.training.engine.state import Computation, Lesson, Watch, valid_key
from striate.training.engine.timing import lesson_epoch_s
from striate.training.plan import Plan, change_plan
from striate.training.recipe import load_recipe
from striate.training.trainer import train_plan
from striate.units import say_count, say_duration

if TYPE_CHECKING:
    import optuna

# The most of the budget that a trial may take; of the time left, the most that the first, to be beaten, may.
LARGEST_SHARE, FIRST_SHARE = 1 / 3, 0.4
LEAST_EPOCHS_SHARE = 0.2  # a trial that would have time for fewer of its epochs is not started
MISFITS = 30  # trials in a row that do not fit into the time left, after which the study ends


class TuningObserver(Observer):
    """Hears about a study, too."""

    def trial_starts(self, number: int, net: str, epochs: int, seconds_left: float | None) -> None:
        """Hear that a trial starts; `epochs` are those that it has time for."""

    def trial_ends(self, trial: Trial, best: Trial | None) -> None:
        """Hear how a trial ended, and which is the best so far."""


@dataclass
class Worker:
    """One process that makes trials of a study.

    Arguments:
        measured: whether the trials' precision was chosen by itself: one that does not learn goes on in float32.
    """

    study: optuna.Study
    space: Space
    plan: Plan
    folder: Path
    device: torch.device
    observer: TuningObserver
    deadline: float | None
    budget_s: float | None
    measured: bool = False
    misfits: int = 0
    foreseen_s: float = 0.0  # an epoch of the trial under way
    rates: list[float] = field(default_factory=list)  # seconds of an epoch for a multiply-add
    slowness: list[float] = field(default_factory=lambda: [1.1])  # what trials took ÷ what was foreseen

    def work(self, seed: int, trials: int | None) -> bool:
        """Make trials until there are enough or the time is up; return whether it was interrupted."""
        if not self.study.get_trials(deepcopy=False):
            for start in self.space.starts():
                self.study.enqueue_trial(start)
        self.study.pruner = pruner()
        while not self._enough(trials):
            self.study.sampler = sampler(seed, self._index())
            try:
                with quiet():
                    self.study.optimize(self._trial, n_trials=1, catch=(TrainingError,))
            except KeyboardInterrupt:
                return True
            ended = read_trials(self.study)
            self.observer.trial_ends(ended[-1], best_trial(ended))
        return False

    def _enough(self, trials: int | None) -> bool:
        done = sum(trial.state not in ("lost", "refused") for trial in read_trials(self.study))
        late = self.deadline is not None and done > 0 and time.monotonic() >= self.deadline
        return late or self.misfits >= MISFITS or (trials is not None and done >= trials)

    def _index(self) -> int:
        """Return the place of the next trial among those that were not lost; waiting ones come later."""
        from optuna.trial import TrialState

        running = len(self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]))
        return running + sum(trial.state != "lost" for trial in read_trials(self.study))

    def _trial(self, trial: optuna.Trial) -> float:
        """Train what the study proposes and return its validation accuracy, or what the recipe's metric is."""
        import optuna

        start = time.monotonic()
        try:
            net, recipe = self.space.propose(trial)
            plan = change_plan(self.plan, net, recipe)
            self._describe(trial, plan)
            plan = self._shortened(trial, plan)
            self._describe(trial, plan)
            return self._train(trial, plan)
        except KeyboardInterrupt:
            queue_again(self.study, trial.number)
            raise
        except optuna.TrialPruned as end:
            trial.set_user_attr("why", str(end))
            raise
        except (TrainingError, ShapeError, ArgumentError, MemoryError, RuntimeError) as error:
            if not isinstance(error, StriateError) and not is_out_of_memory(error):
                raise
            trial.set_user_attr("why", "out of memory" if is_out_of_memory(error) else " ".join(str(error).split()))
            raise TrainingError(str(error)) from error
        finally:
            if not isinstance(sys.exception(), KeyboardInterrupt):
                trial.set_user_attr("seconds", round(time.monotonic() - start, 3))

    def _shortened(self, trial: optuna.Trial, plan: Plan) -> Plan:
        """Return the plan with as many epochs as there is time for; refuse it if those are too few."""
        epochs, left = plan.recipe.epochs, None
        if self.deadline is not None and self.budget_s is not None:
            first = trial.number == 0
            least = 1 if first else max(1, math.ceil(LEAST_EPOCHS_SHARE * epochs))
            if not first:
                self._refuse_beyond(trial, self._at_best_s(plan), least, self._allowed_s(first))
            self.foreseen_s = lesson_epoch_s(
                plan.net, Lesson(plan.splits.train, plan.splits.valid, plan.preprocessing), plan.recipe, self.device
            ) * statistics.median(self.slowness)
            self.rates.append(self.foreseen_s / _multiply_adds(plan))
            left = self._allowed_s(first)
            if not first:
                self._refuse_beyond(trial, self.foreseen_s, least, left)
            epochs = max(1, min(epochs, int(left / self.foreseen_s)))
            left = self.deadline - time.monotonic()
        self.misfits = 0
        self.observer.trial_starts(trial.number, str(plan.net), epochs, left)
        return replace(plan, recipe=plan.recipe.replace(epochs=epochs))

    def _allowed_s(self, first: bool) -> float:
        """Return the seconds that a trial may take that starts now."""
        assert self.deadline is not None
        assert self.budget_s is not None
        left = self.deadline - time.monotonic()
        return FIRST_SHARE * left if first else min(left, LARGEST_SHARE * self.budget_s)

    def _at_best_s(self, plan: Plan) -> float:
        """Return the seconds of an epoch at twice the best speed seen: what is too long even so is not measured."""
        return min(self.rates, default=0.0) / 2 * _multiply_adds(plan)

    def _refuse_beyond(self, trial: optuna.Trial, one_s: float, epochs: int, allowed_s: float) -> None:
        import optuna

        if one_s * epochs > allowed_s:
            self.misfits += 1
            trial.set_user_attr("state", "refused")
            raise optuna.TrialPruned(
                f"{say_count(epochs, 'epoch', 'epochs')} would take {say_duration(one_s * epochs)}; this trial may "
                f"take {say_duration(max(0.0, allowed_s))}"
            )

    def _describe(self, trial: optuna.Trial, plan: Plan) -> None:
        trial.set_user_attr("net", str(plan.net))
        trial.set_user_attr("recipe", plan.recipe.to_dict())
        trial.set_user_attr("machine", platform.node())

    def _train(self, trial: optuna.Trial, plan: Plan) -> float:
        import optuna

        accuracies: list[float] = []

        def hopeless(record: dict[str, Any]) -> bool:
            accuracies.append(record[valid_key(plan.recipe.metric)])
            for part in parts_passed(record["epoch"], plan.recipe.epochs):
                trial.report(max(accuracies), part)
            if record["epoch"] < plan.recipe.epochs and trial.should_prune():
                raise optuna.TrialPruned(f"below the median after epoch {record['epoch']}")
            return False

        def late() -> bool:
            return self.deadline is not None and trial.number > 0 and time.monotonic() > self.deadline

        try:
            computation = Computation(self.device, plan.recipe.precision, measured=self.measured)
            model, state = train_plan(plan, computation, Watch(self.observer, late, hopeless))
        except KeyboardInterrupt:
            if late():
                raise optuna.TrialPruned("the time was up") from None
            raise
        finally:
            trial.set_user_attr("accuracies", accuracies)
        if self.budget_s is not None:
            self.slowness.append(max(0.5, state.train_s / (plan.recipe.epochs * self.foreseen_s)))
        if state.precision:  # what it learned in at last is what learns it again
            plan = replace(plan, recipe=plan.recipe.replace(precision=state.precision))
            trial.set_user_attr("recipe", plan.recipe.to_dict())
        valid = judge_images(model, plan.splits.valid, self.observer)
        assert valid is not None
        best = best_trial(read_trials(self.study))
        trial.set_user_attr("parameters", sum(parameter.numel() for parameter in model.module.parameters()))
        trial.set_user_attr("correct", valid.correct)
        trial.set_user_attr("total", valid.total)
        if valid.groups < valid.total:
            trial.set_user_attr("size", list(valid.sizes[0]))
        trial.set_user_attr("train_accuracy", state.history[-1]["train_accuracy"])
        score = valid.score(plan.recipe.metric)
        if best is None or score > (best.score or 0.0):
            tuned = {"study": self.study.study_name, "trial": trial.number, "trials": trial.number + 1}
            replace(model, provenance=replace(model.provenance, tuning=tuned)).save(self.folder / "model.striate")
            write_best(self.folder, str(plan.net), plan.recipe.to_dict())
        return score


def write_best(folder: Path, net: str, recipe: Mapping[str, Any]) -> None:
    """Write the best recipe so far, with its net, into the study's folder."""
    write_atomically(folder / "best.toml", load_recipe({**recipe, "net": net}).to_toml())


def _multiply_adds(plan: Plan) -> int:
    """Return those of one image; at least 1."""
    return max(1, plan.net.table(plan.preprocessing.input_shape).multiply_adds) if isinstance(plan.net, Net) else 1
