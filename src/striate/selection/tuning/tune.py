"""`striate tune`: Optuna over nets and recipes, on images that are prepared once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout

from striate.classifier.classifier import Classifier
from striate.data.catalog import Catalog
from striate.data.dataset import check_trainable
from striate.data.decoding.pixels import Fit, check_fit
from striate.data.preparing.prepare import prepare
from striate.data.reading import read
from striate.errors import ArgumentError, StorageError, TrainingError
from striate.metrics.evaluation import Evaluation
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.runs.session import judge_images
from striate.selection.tuning.space import KINDS, Space
from striate.selection.tuning.study import (
    Trial,
    best_of,
    open_study,
    read_trials,
    require_optuna,
    take_up_lost,
)
from striate.selection.tuning.worker import TuningObserver, Worker, write_best
from striate.system.devices import choose_device, fitting_threads, kept_memory
from striate.training.options import make_wish
from striate.training.plan import Plan, change_plan, make_plan
from striate.training.trainer import choose_precision

if TYPE_CHECKING:
    import optuna


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
    with _held(folder), fitting_threads(observer.note), kept_memory():
        opened = open_study(folder, storage, study, asked)
        if storage is None and (lost := take_up_lost(opened)):
            observer.note(f"{lost} trial{'s' * (lost > 1)} of a process that was killed will be made again")
        precision = opened.user_attrs.get("precision") or _choose_precision(plan, space, target, observer)
        opened.set_user_attr("precision", precision)
        space = replace(space, fixed={**space.fixed, "precision": precision})
        deadline = None if budget_s is None else start + budget_s
        stopped = Worker(opened, space, plan, folder, target, observer, deadline, budget_s).work(seed, trials)
        return _finish(folder, opened, plan, observer, stopped)


def _choose_precision(plan: Plan, space: Space, device: torch.device, observer: Observer) -> str:
    """Return one precision for all trials, measured on a net of the kind that has most to gain."""
    typical = change_plan(plan, "swift_s", plan.recipe) if "swift" in space.kinds else plan
    return choose_precision(typical, device, observer)


def _finish(folder: Path, study: optuna.Study, plan: Plan, observer: Observer, stopped: bool) -> TuningResult:
    """Write the best recipe and measure the best model on the test images."""
    trials = read_trials(study)
    best, test = best_of(trials), None
    if best:
        write_best(folder, best.net, best.recipe)
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
