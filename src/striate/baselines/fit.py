"""A run without steps: one baseline or the best of several, fitted at once to pixels or to a net's features."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from striate.baselines.candidates import CHOICE, Candidate, best_candidate, fit_candidates
from striate.baselines.registry import BASELINES, Baseline, is_baseline, read_baseline
from striate.classifier.classifier import Classifier
from striate.classifier.features import Features
from striate.data.balancing import Balance
from striate.data.catalog import Catalog
from striate.data.dataset import DataOptions, Dataset, make_dataset
from striate.data.imageset import ImageSet
from striate.data.preparing.prepare import prepare
from striate.data.ratios import DEFAULT_RATIOS
from striate.errors import ArgumentError, unknown
from striate.metrics.by_class import Metric
from striate.observer import Observer
from striate.runs.session import RunOptions, RunResult, found_again, open_session

# To choose among a few classifiers, 5 % of what is not for testing is enough.
CHOOSING_RATIOS = (0.855, 0.045, 0.1)
# Settings that are everybody's: of a net, of what is fitted at once, of the ladder.
SHARED = ("seed", "metric", "balance")


def fit_task(source: Any, task: Task, data: DataOptions, run: RunOptions, seed: int = 0) -> RunResult:
    """Fit what the task says, keep what does best on the validation images, judge it once on the test images.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        task: one baseline or several, from `read_task`; images are read at the size that its features want.
        data: how the source is read, brought to one size and split.
        run: where the run goes; the device is that of the features.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable.
        ArgumentError: a setting that cannot be; a folder that holds a run; several processes.
    """
    task.check(run)
    default = CHOOSING_RATIOS if len(task.baselines) > 1 else DEFAULT_RATIOS
    with open_session(run, alone=str(task)) as session:
        if session.resumed:
            raise ArgumentError(
                f"{task} is fitted at once and cannot be resumed. Leave out --resume and start it again"
            )
        observer = session.observer
        dataset = make_dataset(
            source,
            data,
            seed,
            observer,
            ratios=default,
            prepare_images=lambda found: task.prepare(found, data, observer),
        )
        if not len(dataset.splits.valid):
            observer.warn("there are no validation images: nothing is chosen, defaults are taken")
        if session.folder:
            observer.note(f"run {session.folder.path}")
        model, fit_s = fit_best(task, dataset, seed, observer)
        # Only now: what is interrupted leaves nothing behind, for nothing of it could be resumed.
        described = dataset.described | {"fitted": str(task)}
        told = {"source": found_again(source), **dataset.options.to_json(data.shares(default))}
        session.describe(dataset, described, task.recipe(seed), str(task), told)
        made = replace(model.provenance, seed=seed, train_s=round(fit_s, 3)).about(described, dataset.splits)
        model = replace(model, provenance=made)
        return session.finish(model, dataset.splits, fit_s, catalog=dataset.catalog)


def fit_best(task: Task, dataset: Dataset, seed: int, observer: Observer) -> tuple[Classifier, float]:
    """Return the classifier that does best on the validation images, and the seconds that it took to find.

    Of several, the figures of each are told, and kept in the provenance as `candidates`.
    """
    start, splits = time.perf_counter(), dataset.splits
    candidates = fit_candidates(
        task.baselines, splits.train, splits.valid, features=task.features, fit=dataset.options.fit or "crop",
        seed=seed, observer=observer, balanced=task.balance != "none",
    )  # fmt: skip
    chosen = best_candidate(candidates, task.metric)
    best = chosen.classifier
    if chosen.valid:
        best = replace(best, provenance=replace(best.provenance, valid_accuracy=chosen.valid.accuracy))
    if len(candidates) > 1:
        figures = [_figures(one) for one in candidates]
        best = replace(best, provenance=replace(best.provenance, candidates=figures))
    return best, time.perf_counter() - start


@dataclass(frozen=True, eq=False)
class Task:
    """Stands where a net would in a plan, for what is fitted and not trained by steps.

    Arguments:
        baselines: one, or several of which the best is kept.
        features: what they are fitted to; None for pixels.
        metric: by which the best of several is kept.
        balance: whether every class counts as much, "loss" and "draw" alike; "none" for as they come.
    """

    baselines: tuple[Baseline, ...]
    features: Features | None = None
    metric: Metric = "accuracy"
    balance: Balance = "none"

    def __str__(self) -> str:
        named = str(self.baselines[0]) if len(self.baselines) == 1 else "auto"
        return f"{named} on features of {self.features.of}" if self.features else named

    def recipe(self, seed: int) -> str:
        """Return what stands where a net has its recipe."""
        told = f'seed = {seed}\nmetric = "{self.metric}"\nbalance = "{self.balance}"\n'
        return f"# Fitted, not trained by steps.\n{told}"

    def check(self, run: RunOptions) -> None:
        """Refuse options of a run that would do nothing here.

        Raises:
            ArgumentError: TensorBoard scalars, or a device for what is fitted to pixels.
        """
        if run.tensorboard:
            raise ArgumentError(f"tensorboard must be left out with {self}, which is fitted at once and has no epochs")
        if run.device is not None and str(run.device) != "cpu" and self.features is None:
            raise ArgumentError(
                f"device must be left out with {self}, which is fitted on the CPU; got {str(run.device)!r}"
            )

    def prepare(self, catalog: Catalog, data: DataOptions, observer: Observer) -> ImageSet:
        """Return a catalog's images at the size that the features want."""
        if self.features is None or self.features.model is None:
            return prepare(catalog, data.size, data.fit, progress=observer.prepare)
        if data.size not in (None, self.features.preprocessing.size):
            h, w = self.features.preprocessing.size
            raise ArgumentError(f"size must be left out with features of {self.features.of}, which sees {h}×{w} pixels")
        return self.features.model.prepare(catalog, observer.prepare, learning=True)


def _figures(one: Candidate) -> dict[str, Any]:
    """Return what is told of a candidate, as plain values."""
    return {
        "net": one.classifier.provenance.fitted,
        "valid_accuracy": one.valid and one.valid.accuracy,
        "valid_interval": one.valid and list(one.valid.interval),
        "balanced_accuracy": one.valid and one.valid.balanced_accuracy,
        "macro_f1": one.valid and one.valid.macro_f1,
        "fit_s": round(one.fit_s, 2),
    }


def read_task(net: Any, features: Features | None, settings: Mapping[str, Any]) -> Task | None:
    """Return the task that `net` and `features` mean, None where a net is to be trained.

    Arguments:
        net: a baseline; None, not named, or "auto" is a choice of all that can be fitted to the features.
        settings: what was asked of training by steps; only a seed, a metric and a balance fit.

    Raises:
        ArgumentError, NotationError: an option that cannot be, a net on features, settings that decide nothing here.
    """
    if not is_baseline(net) and features is None:
        return None
    if net in (None, "auto"):
        baselines = [BASELINES[name] for name in CHOICE]
    elif is_baseline(net):
        baselines = [read_baseline(net)]
    else:
        raise ArgumentError(unknown("baseline to fit to features", str(net)[:60], ["auto", *BASELINES]))
    if spare := [name for name, value in settings.items() if value not in (None, False) and name not in SHARED]:
        named = "auto" if len(baselines) > 1 else baselines[0].name
        takes = f"It takes a seed, and options as in {_example(baselines[0])}" if baselines[0].defaults else ""
        raise ArgumentError(
            f"{', '.join(spare)} must be left out with {named}, which is fitted at once, not trained by steps. {takes}"
        )
    task = Task(tuple(baselines), features, settings.get("metric", Task.metric), settings.get("balance", Task.balance))
    if task.balance != "none" and (one := next((one for one in baselines if not one.balances), None)):
        can = ", ".join(name for name, known in BASELINES.items() if known.balances)
        raise ArgumentError(f"balance must be left out with {one.name}, which weighs no classes. {can} can")
    return task


def _example(baseline: Baseline) -> str:
    values = {int: 5, float: 0.1, str: "l1"}
    return str(replace(baseline, options={key: values[type(value)] for key, value in baseline.defaults.items()}))
