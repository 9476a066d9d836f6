"""`striate tune`: Optuna over nets and recipes, on images that are prepared once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from striate.classifier.classifier import Classifier
from striate.classifier.model_file import read_description
from striate.classifier.provenance import Provenance
from striate.data.dataset import DataOptions, make_dataset
from striate.errors import ArgumentError
from striate.metrics.evaluation import Evaluation
from striate.observer import Observer, Observers
from striate.runs.session import RunOptions, Session, open_session
from striate.selection.tuning.space import KINDS, Space
from striate.selection.tuning.study import (
    Trial,
    best_trial,
    open_study,
    read_trials,
    require_optuna,
    take_up_lost,
)
from striate.selection.tuning.worker import TuningObserver, Worker, write_best
from striate.training.options import read_training_options
from striate.training.plan import Plan, change_plan, make_plan
from striate.training.trainer import choose_precision
from striate.units import parse_duration, say_count

if TYPE_CHECKING:
    import optuna

DEFAULT_BUDGET_S = 300.0


@dataclass(frozen=True, eq=False)
class TuningResult:
    """What a study has come to.

    Arguments:
        out: its folder: study.db, best.toml, model.striate.
        study: as Optuna knows it.
        trials: those that have ended, by number; the first is the baseline.
        best: the best of them by validation accuracy or what the metric is, None if none finished.
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


@dataclass(frozen=True)
class TuningOptions:
    """What is searched, and for how long.

    Arguments:
        net: any, mlp, conv, swift, or a name or sentence, of which the recipe alone is tuned.
        budget: seconds, or "5m", after which no trial goes on, reading included; 300 unless `trials` is given.
        trials: how many the study is to have in all.
        most_epochs: of a trial.
        flip: whether mirrored images keep their classes.
        seed: of the split, the proposals and every training.
        storage: the URL of a database that several machines share, instead of study.db in the folder.
        study: its name there.
        fixed: settings of the recipe that are not searched, such as {"optimiser": "sgd"}.
    """

    net: str = "any"
    budget: str | float | None = None
    trials: int | None = None
    most_epochs: int = 30
    flip: bool = False
    seed: int = 0
    storage: str | None = None
    study: str = "striate"
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def budget_s(self) -> float | None:
        """Seconds of the search; None where the number of trials ends it."""
        if self.budget is None:
            return DEFAULT_BUDGET_S if self.trials is None else None
        return parse_duration(self.budget)


def tune(
    source: Any,
    out: str | Path,
    options: TuningOptions | None = None,
    data: DataOptions | None = None,
    device: str | torch.device | None = None,
    observer: TuningObserver | None = None,
) -> TuningResult:
    """Search for the net and recipe of the highest validation accuracy; the test images are looked at once, at the end.

    `metric` among the fixed settings searches for the most of another figure.

    A study in `out` is gone on with. With `trials` and no budget, the same seed gives the same study.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        out: the folder of the study.
        options: what is searched, and for how long.
        data: how the source is read, brought to one size and split.

    Raises:
        MissingExtraError: Optuna is not installed.
        ArgumentError: the study in `out` was made on other images or searches something else.
        DataError: no labels, fewer than two classes, no validation images.
    """
    require_optuna()
    start = time.monotonic()
    options, data, observer = options or TuningOptions(), data or DataOptions(), observer or TuningObserver()
    folder, budget_s = Path(out), options.budget_s
    given = "fc(classes)" if options.net in ("any", *KINDS) else options.net
    first = read_training_options(given, "default", {**options.fixed, "seed": options.seed})
    with open_session(RunOptions(folder, device=device, observer=observer), alone="a study", doing="tuning") as session:
        dataset = make_dataset(source, data, options.seed, session.observer)
        # What is noted of the first recipe holds for no trial.
        plan = make_plan(first, dataset, Observers([session.observer], only=["warn"]))
        if not len(plan.splits.valid):
            raise ArgumentError(
                "tuning needs validation images to choose by; there are none. Give --split 80:10:10, say"
            )
        space = _space(plan, options)
        opened = _opened(folder, plan, space, options, session.observer)
        precision = opened.user_attrs.get("precision") or _choose_precision(plan, space, session)
        opened.set_user_attr("precision", precision)
        space = replace(space, fixed={**space.fixed, "precision": precision})
        deadline = None if budget_s is None else start + budget_s
        measured = first.recipe.precision == "auto"
        worker = Worker(opened, space, plan, folder, session.device, observer, deadline, budget_s, measured)
        stopped = worker.work(options.seed, options.trials)
        return _finish(folder, opened, plan, session, stopped)


def _space(plan: Plan, options: TuningOptions) -> Space:
    side, fixed = min(plan.preprocessing.input_shape[1:]), {**_plain(options.fixed), "seed": options.seed}
    return Space(side, len(plan.classes), len(plan.splits.train), options.net, options.most_epochs, options.flip, fixed)


def _opened(folder: Path, plan: Plan, space: Space, options: TuningOptions, observer: Observer) -> optuna.Study:
    """Return the study, new or gone on with; what a killed process left is queued again."""
    asked = {"data": plan.described["data"], "input": plan.described["input"], "net": options.net, "flip": options.flip,
             "most_epochs": options.most_epochs, "fixed": space.fixed}  # fmt: skip
    opened = open_study(folder, options.storage, options.study, asked)
    if options.storage is None and (lost := take_up_lost(opened)):
        observer.note(f"{say_count(lost, 'trial', 'trials')} of a process that was killed will be made again")
    return opened


def _choose_precision(plan: Plan, space: Space, session: Session) -> str:
    """Return one precision for all trials, measured on a net of the kind that has most to gain."""
    typical = change_plan(plan, "swift_s", plan.recipe) if "swift" in space.kinds else plan
    return choose_precision(typical, session.device, session.observer)


def _finish(folder: Path, study: optuna.Study, plan: Plan, session: Session, stopped: bool) -> TuningResult:
    """Write the best recipe and measure the best model on the test images."""
    trials = read_trials(study)
    best, test = best_trial(trials), None
    if best:
        write_best(folder, best.net, best.recipe)
        if path := _own_model(folder, best):
            model = Classifier.load(path).to(session.device)
            tuning = {**(model.provenance.tuning or {}), "trials": len(trials)}
            model = replace(model, provenance=replace(model.provenance, tuning=tuning))
            test = session.finish(model, plan.splits, sum(trial.seconds for trial in trials)).test
    return TuningResult(folder, study, trials, best, test, stopped)


def _own_model(folder: Path, best: Trial | None) -> Path | None:
    """Return the model in the folder if it is that of the best trial; another machine may have made that."""
    path = folder / "model.striate"
    if best is None or not path.exists():
        return None
    tuning = Provenance.from_json(read_description(path).get("provenance", {})).tuning or {}
    return path if tuning.get("trial") == best.number else None


def _plain(fixed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fixed.items()}
