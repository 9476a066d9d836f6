"""From a source to the best classifier that the time allows: read, prepare, climb the ladder, judge once, save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.provenance import Provenance
from striate.data.balancing import Balance
from striate.data.dataset import DataOptions, Dataset, make_dataset
from striate.errors import ArgumentError, DataError
from striate.metrics.by_class import Metric
from striate.runs.folder import RunFolder
from striate.runs.session import RunOptions, RunResult, Session, found_again, open_session
from striate.selection.ladder.climb import Parts, Result, Skipped, best_result, climb, verdict
from striate.selection.ladder.folds import make_ground, say_parts
from striate.selection.ladder.memory import LADDER, Memory, figures
from striate.selection.ladder.pretrained_rungs import FROZEN, TUNED, borrow, lend
from striate.selection.ladder.rungs import SIMPLE, SWIFT, Ground, Rung
from striate.training.recipe import Recipe
from striate.units import parse_duration, say_duration

DEFAULT_BUDGET = "5m"


@dataclass(frozen=True, eq=False)
class LadderResult(RunResult):
    """What the ladder ends with: the result of the chosen rung, beside those of all.

    Arguments:
        chosen: the name of the rung.
        rungs: what each came to.
        verdict: one sentence on whether a net beats the simple methods here.
    """

    chosen: str
    rungs: Sequence[Result]
    verdict: str


def climb_ladder(
    source: Any, budget: str | float | None = None, weights: str | Path | None = None,
    data: DataOptions | None = None, run: RunOptions | None = None,
    seed: int = 0, metric: Metric = "accuracy", balance: Balance = "none",
) -> LadderResult:  # fmt: skip
    """Climb from simple methods to nets within a budget, keep what does best on the validation images, judge it once.

    Where there are too few images to set some aside, the rungs are cross-validated.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        budget: seconds for all rungs together, or "5m", which is the default.
        weights: published weights for the pre-trained rungs: "imagenet" (downloaded once) or a file; None takes the
            best that are on this machine.
        data: how the source is read, brought to one size and split.
        run: where the run goes and what it computes on.
        seed: of the split and every random choice.
        metric: by which rungs, and their epochs, are chosen.
        balance: what is done about uneven classes, on every rung that can do it.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable.
        TrainingError: a resume on other data.
    """
    data, run = data or DataOptions(), run or RunOptions()
    budget_s = parse_duration(budget or DEFAULT_BUDGET)
    if run.tensorboard:
        raise ArgumentError("tensorboard is for one net: name it, or leave tensorboard out")
    lent = lend(weights, run.observer)  # first of all: a wrong name should cost nobody the time of reading images
    with open_session(run, alone="the ladder") as session:
        dataset = make_dataset(source, data, seed, session.observer)
        shared = Recipe(seed=seed, metric=metric, balance=balance)
        memory = _remember(source, dataset, session, shared, budget=budget_s, weights=found_again(weights))
        ground, parts = make_ground(dataset, seed, session)
        ground = replace(ground, metric=metric, balance=balance)
        session.observer.note(say_parts(parts, budget_s))
        for known in memory.results:
            session.observer.rung(known)
        if lent:
            ground = replace(ground, borrowed=borrow(lent, dataset.catalog, ground, data.size))
        rungs = _rungs(ground, parts, budget_s)

        def tell(result: Result | Skipped) -> None:
            memory.add(result)
            session.observer.rung(result)

        with session.stopping() as stop:
            results = climb(rungs, replace(ground, stop=stop), parts, budget_s, memory.results, tell)
        if not results:
            raise DataError(
                f"nothing could be fitted to {dataset.catalog.source} within {say_duration(budget_s)}. Give it more"
            )
        chosen, took = best_result(results, metric), sum(one.fit_s for one in results)
        model = _refitted(chosen, rungs, ground, parts, budget_s - took) or chosen.classifier or memory.best()
        model = replace(model, provenance=_told(model.provenance, dataset, results, chosen, budget_s))
        done = session.finish(model, dataset.splits, took, chosen.valid)
        return LadderResult(
            done.classifier, done.valid, done.test, took, done.run, chosen.name, results, verdict(results)
        )


def is_ladder(folder: RunFolder) -> bool:
    """Return whether the run in a folder is one of the ladder."""
    return folder.exists and folder.net.read_text("utf-8").strip() == LADDER


def _remember(source: Any, dataset: Dataset, session: Session, shared: Recipe, **asked: Any) -> Memory:
    """Return what the ladder has come to before, or begin to keep it."""
    if session.folder and session.resumed:
        session.folder.check_same(dataset.described)
    else:
        told = {"source": found_again(source), **dataset.options.to_json(), **asked, "seed": shared.seed}
        recipe = f'seed = {shared.seed}\nmetric = "{shared.metric}"\nbalance = "{shared.balance}"\n'
        session.describe(dataset, dataset.described, f"# The ladder.\n{recipe}", LADDER, told)
    return Memory(session.folder, session.resumed, shared.metric)


def _told(
    known: Provenance, dataset: Dataset, results: Sequence[Result], chosen: Result, budget_s: float
) -> Provenance:
    """Return what the chosen model keeps of the ladder."""
    made = known.about(dataset.described, dataset.splits)
    return replace(
        made, ladder=[figures(one) for one in results], chosen=chosen.name, verdict=verdict(results),
        valid_accuracy=chosen.valid.accuracy, budget_s=budget_s, fit_s=round(sum(one.fit_s for one in results), 3),
        splits={**(made.splits or {}), "valid": chosen.valid.total},  # of folds, all that took their turn
    )  # fmt: skip


def _rungs(ground: Ground, parts: Parts, budget_s: float) -> list[Rung]:
    """Return the rungs, the pre-trained ones only where there are weights and their features fit into the budget."""
    if ground.borrowed is None:
        ground.observer.note(
            "no pre-trained weights on this machine: the ladder goes without. --weights imagenet downloads them, "
            "--weights FILE takes yours"
        )
        return [*SIMPLE, SWIFT]
    if FROZEN.foresee(ground, *parts[0]) < FROZEN.share * budget_s:
        return [*SIMPLE, SWIFT, FROZEN, TUNED]
    told = f"its features alone would take about {say_duration(ground.borrowed.seconds)}"
    ground.observer.note(f"pre-trained nets are left out: {told}. A larger --budget takes them in")
    return [*SIMPLE, SWIFT]


def _refitted(chosen: Result, rungs: Sequence[Rung], ground: Ground, parts: Parts, left_s: float) -> Classifier | None:
    """Return the chosen rung fitted to training and validation images together; None where the time is too short."""
    if len(parts) > 1 or not len(parts[0][1]) or left_s <= 1.2 * chosen.fit_s:
        return None
    ground.observer.note(f"{chosen.name} is refitted on training and validation images together, as there is time")
    rung = next(one for one in rungs if one.name == chosen.name)
    everything = np.sort(np.concatenate(parts[0]))
    return rung.fit(replace(ground, folder=None), everything, everything[:0], chosen.fit_s)
