"""`striate tune`: Optuna over nets and recipes, on images that are prepared once."""

from __future__ import annotations

import math
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout

from striate.classifier import Classifier
from striate.data.catalog import Catalog
from striate.data.pixels import Fit, check_fit
from striate.data.preparing import prepare
from striate.data.reading import read
from striate.devices import choose_device, fitting_threads
from striate.durations import say_duration
from striate.errors import ArgumentError, ShapeError, StorageError, StriateError, TrainingError, is_out_of_memory
from striate.metrics import Evaluation
from striate.nets import Net
from striate.pipeline import choose_precision, train_plan
from striate.planning import Plan, change_plan, check_trainable, make_plan, make_wish
from striate.running import judge_images
from striate.selection.foresight import epoch_s
from striate.selection.space import KINDS, Space
from striate.selection.study import (
    Trial,
    best_of,
    open_study,
    parts_passed,
    pruner,
    queue_again,
    quiet,
    read_trials,
    require_optuna,
    sampler,
    take_up_lost,
)
from striate.storage import write_atomically
from striate.training.observer import Observer
from striate.training.recipe import load_recipe
from striate.training.run import RunFolder

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


class _Warnings(Observer):
    """Passes on warnings alone: what is noted of the first recipe holds for no trial."""

    def __init__(self, observer: Observer):
        self.warn = observer.warn


@dataclass(frozen=True, eq=False)
class TuningResult:
    """What a study has come to.

    Arguments:
        out: its folder: study.db, best.toml, model.striate.
        study: as Optuna knows it.
        trials: those that have ended, by number; the first is the baseline.
        best: the best of them by validation accuracy, None if none finished.
        test: how its model did on the test images; None without any, or where another machine has the model.
        stopped: whether it was interrupted.
    """

    out: Path
    study: optuna.Study
    trials: list[Trial]
    best: Trial | None
    test: Evaluation | None
    stopped: bool

    @property
    def baseline(self) -> Trial | None:
        """The first trial that finished: the default net and recipe."""
        return next((trial for trial in self.trials if trial.accuracy is not None), None)

    @property
    def recipe(self) -> Path:
        """Where the best recipe is, with its net; `striate train --recipe` takes it."""
        return self.out / "best.toml"

    @property
    def model(self) -> Path | None:
        """Where the best model is, None if it was trained elsewhere."""
        return _own_model(self.out, self.best)


def tune(
    source: Any,
    out: str | Path,
    *,
    net: str = "any",
    budget_s: float | None = None,
    trials: int | None = None,
    most_epochs: int = 30,
    flip: bool = False,
    seed: int = 0,
    storage: str | None = None,
    study: str = "striate",
    size: tuple[int, int] | None = None,
    fit: Fit = "crop",
    ratios: str | tuple[float, float, float] = "80:10:10",
    device: str | torch.device | None = None,
    observer: TuningObserver | None = None,
    reading: Mapping[str, Any] | None = None,
    **fixed: Any,
) -> TuningResult:
    """Search for the net and recipe of the highest validation accuracy; the test images are looked at once, at the end.

    A study in `out` is gone on with. With `trials` and no budget, the same seed gives the same study.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        out: the folder of the study.
        net: any, mlp, conv, swift, or a name or sentence, of which the recipe alone is tuned.
        budget_s: seconds after which no trial goes on, reading included; 300 unless `trials` is given.
        trials: how many the study is to have in all.
        most_epochs: of a trial.
        flip: whether mirrored images keep their classes.
        seed: of the split, the proposals and every training.
        storage: the URL of a database that several machines share, instead of out/study.db.
        study: its name there.
        size, fit, ratios, device, observer, reading: as for `run_training`.
        fixed: settings of the recipe that are not searched, such as optimiser="sgd".

    Raises:
        MissingExtraError: Optuna is not installed.
        ArgumentError: the study in `out` was made on other images or searches something else.
        DataError: no labels, fewer than two classes, no validation images.
    """
    require_optuna()
    start = time.monotonic()
    budget_s = 300.0 if budget_s is None and trials is None else budget_s
    observer, folder = observer or TuningObserver(), Path(out)
    given = "fc(classes)" if net in ("any", *KINDS) else net
    wish = make_wish(given, "default", {**fixed, "seed": seed}, check_fit(fit), ratios)
    catalog = source if isinstance(source, Catalog) else read(source, **(reading or {}), progress=observer.prepare)
    check_trainable(catalog)
    plan = make_plan(wish, catalog, prepare(catalog, size, fit, progress=observer.prepare), _Warnings(observer))
    for note in plan.splits.notes:
        observer.note(note)
    if not len(plan.splits.valid):
        raise ArgumentError("tuning needs validation images to choose by; there are none. Split 80:10:10, say")
    space = Space(
        min(plan.preprocessing.input_shape[1:]), len(plan.classes), len(plan.splits.train), net, most_epochs, flip,
        {**_plain(fixed), "seed": seed},
    )  # fmt: skip
    asked = {"data": plan.described["data"], "input": plan.described["input"], "net": net, "flip": flip,
             "most_epochs": most_epochs, "fixed": space.fixed}  # fmt: skip
    target = choose_device(device)
    with _held(folder), fitting_threads(observer.note):
        opened = open_study(folder, storage, study, asked)
        if storage is None and (lost := take_up_lost(opened)):
            observer.note(f"{lost} trial{'s' * (lost > 1)} of a process that was killed will be made again")
        precision = opened.user_attrs.get("precision") or _choose_precision(plan, space, target, observer)
        opened.set_user_attr("precision", precision)
        space = replace(space, fixed={**space.fixed, "precision": precision})
        deadline = None if budget_s is None else start + budget_s
        stopped = _Worker(opened, space, plan, folder, target, observer, deadline, budget_s).work(seed, trials)
        return _finish(folder, opened, plan, observer, stopped)


def _choose_precision(plan: Plan, space: Space, device: torch.device, observer: Observer) -> str:
    """Return one precision for all trials, measured on a net of the kind that has most to gain."""
    typical = change_plan(plan, "swift_s", plan.recipe) if "swift" in space.kinds else plan
    return choose_precision(typical, device, observer)


@dataclass
class _Worker:
    """One process that makes trials of a study."""

    study: optuna.Study
    space: Space
    plan: Plan
    folder: Path
    device: torch.device
    observer: TuningObserver
    deadline: float | None
    budget_s: float | None
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
            self.observer.trial_ends(ended[-1], best_of(ended))
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
        """Train what the study proposes and return its validation accuracy."""
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
            self.foreseen_s = epoch_s(plan, self.device) * statistics.median(self.slowness)
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
                f"{epochs} epoch{'s' * (epochs > 1)} would take {say_duration(one_s * epochs)}; there are "
                f"{say_duration(max(0.0, allowed_s))}"
            )

    def _describe(self, trial: optuna.Trial, plan: Plan) -> None:
        trial.set_user_attr("net", str(plan.net))
        trial.set_user_attr("recipe", plan.recipe.to_dict())
        trial.set_user_attr("machine", platform.node())

    def _train(self, trial: optuna.Trial, plan: Plan) -> float:
        import optuna

        accuracies: list[float] = []

        def hopeless(record: dict[str, Any]) -> bool:
            accuracies.append(record["valid_accuracy"])
            for part in parts_passed(record["epoch"], plan.recipe.epochs):
                trial.report(max(accuracies), part)
            if record["epoch"] < plan.recipe.epochs and trial.should_prune():
                raise optuna.TrialPruned(f"below the median after epoch {record['epoch']}")
            return False

        def late() -> bool:
            return self.deadline is not None and trial.number > 0 and time.monotonic() > self.deadline

        run = plan.described | {"precision": plan.recipe.precision}
        try:
            model, state = train_plan(plan, run, self.device, self.observer, stop=late, enough=hopeless)
        except KeyboardInterrupt:
            if late():
                raise optuna.TrialPruned("the time was up") from None
            raise
        finally:
            trial.set_user_attr("accuracies", accuracies)
        if self.budget_s is not None:
            self.slowness.append(max(0.5, state.train_s / (plan.recipe.epochs * self.foreseen_s)))
        valid = judge_images(model, plan.splits.valid, self.observer)
        assert valid is not None
        best = best_of(read_trials(self.study))
        trial.set_user_attr("parameters", sum(parameter.numel() for parameter in model.module.parameters()))
        trial.set_user_attr("correct", valid.correct)
        trial.set_user_attr("total", valid.total)
        trial.set_user_attr("train_accuracy", state.history[-1]["train_accuracy"])
        if best is None or valid.accuracy > (best.accuracy or 0.0):
            tuned = {"study": self.study.study_name, "trial": trial.number, "trials": trial.number + 1}
            replace(model, provenance=model.provenance | {"tuning": tuned}).save(self.folder / "model.striate")
            _write_best(self.folder, str(plan.net), plan.recipe.to_dict())
        return valid.accuracy


def _finish(folder: Path, study: optuna.Study, plan: Plan, observer: Observer, stopped: bool) -> TuningResult:
    """Write the best recipe and measure the best model on the test images."""
    trials = read_trials(study)
    best, test = best_of(trials), None
    if best:
        _write_best(folder, best.net, best.recipe)
        if path := _own_model(folder, best):
            model = Classifier.load(path)
            test = judge_images(model, plan.splits.test, observer)
            figures = {"tuning": model.provenance["tuning"] | {"trials": len(trials)}}
            if test:
                figures |= {"test_accuracy": test.accuracy, "test_correct": test.correct, "test_total": test.total}
            replace(model, provenance=model.provenance | figures).save(path)
    return TuningResult(folder, study, trials, best, test, stopped)


def _own_model(folder: Path, best: Trial | None) -> Path | None:
    """Return the model in the folder if it is that of the best trial; another machine may have made that."""
    path = folder / "model.striate"
    if best is None or not path.exists():
        return None
    provenance = Classifier.load(path).provenance
    return path if provenance.get("tuning", {}).get("trial") == best.number else None


def _write_best(folder: Path, net: str, recipe: Mapping[str, Any]) -> None:
    write_atomically(folder / "best.toml", load_recipe({**recipe, "net": net}).to_toml())


def _multiply_adds(plan: Plan) -> int:
    """Return those of one image; at least 1."""
    return max(1, plan.net.table(plan.preprocessing.input_shape).multiply_adds) if isinstance(plan.net, Net) else 1


def _plain(fixed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fixed.items()}


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder for the time of a `with` block.

    Raises:
        ArgumentError: a run is in it.
        TrainingError: another process is tuning here.
    """
    if RunFolder(folder).exists:
        raise ArgumentError(f"{folder} already holds a run. Choose another --out")
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainingError(f"another process is tuning in {folder}. Wait for it or choose another --out") from None
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}. Choose another --out") from None
    try:
        yield
    finally:
        lock.release()
