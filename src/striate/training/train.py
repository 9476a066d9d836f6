"""Training one net, from a source to a saved model: the page to read first. Each line of `train_net` is a chapter.

read, prepare, split   data/dataset.py          images, once, and what is told about them
plan                   training/plan.py         net, recipe and images, checked against each other
train                  training/trainer.py      first weights, then the loop in training/engine/loop.py
judge, save            runs/session.py          once on the test images; what every run does
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from striate.classifier.features import extraction_s
from striate.data.dataset import DataOptions, Dataset, make_dataset, read_catalog
from striate.data.preparing.choosing import choose_fit
from striate.data.preparing.detail import tell_enlarged
from striate.errors import ArgumentError
from striate.observer import Observers
from striate.runs.session import RunOptions, RunResult, Session, found_again, open_session
from striate.training.engine.batches import steps_per_epoch
from striate.training.engine.checkpoints import where
from striate.training.engine.state import Computation, Watch
from striate.training.options import TrainingOptions
from striate.training.plan import Plan, make_plan
from striate.training.recipe import load_recipe
from striate.training.tensorboard import TensorBoardScalars, require_tensorboard
from striate.training.trainer import choose_computation, train_plan
from striate.training.transfer import fit_input, fit_start, some_sides, weights_digest


def train_net(
    source: Any, options: TrainingOptions, data: DataOptions, run: RunOptions, asked: dict[str, Any] | None = None
) -> RunResult:
    """Train a net, keep the epoch that does best on the validation images, judge it once on the test images.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        options: what is trained and how, from `read_training_options`.
        data: how the source is read, brought to one size and split.
        run: where the run goes and what it computes on.
        asked: what else was asked, kept in run.json to start the run alike.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable.
        ArgumentError: a setting that does not fit the images; a folder that holds another run.
        TrainingError: the loss is not finite; a resume that does not match.
        Interrupted: a stop was asked for, and the checkpoint is written.
    """
    if run.tensorboard:
        require_tensorboard()  # before anything is read or written
    with open_session(run) as session:
        dataset, options = _read(source, options, data, session)
        tell_enlarged(dataset.splits.train, session.observer)
        plan = _agree(options, dataset, session)
        computation = _begin(source, plan, dataset, session, asked or {})
        folder = session.folder.path if session.folder else None
        listeners = [session.observer]
        if run.tensorboard and folder and session.processes.first:
            listeners.append(TensorBoardScalars(folder))
        with session.stopping() as stop:
            model, state = train_plan(plan, computation, Watch(Observers(listeners), stop), folder)
        return session.finish(model, plan.splits, state.train_s, catalog=dataset.catalog)


def _read(
    source: Any, options: TrainingOptions, data: DataOptions, session: Session
) -> tuple[Dataset, TrainingOptions]:
    """Return the images, at the size that given weights or the net want, and the options with those at that size."""
    observer = session.observer
    with session.processes.first_goes_first():
        catalog = read_catalog(source, data.reading, observer)
        fit = data.fit or choose_fit(some_sides(catalog))
        start = options.start and fit_start(options.start, catalog, data.size, fit)
        shown = start.preprocessing if start else fit_input(options.net, catalog, data.size, fit)
        if shown is None:
            return make_dataset(catalog, data, options.recipe.seed, observer), options
        dataset = make_dataset(
            catalog,
            replace(data, fit=fit),
            options.recipe.seed,
            observer,
            prepare_images=lambda found: shown.prepare(found, observer.prepare, learning=True),
        )
    if start is None:
        return dataset, replace(options, shown=shown)
    spent_s = extraction_s(start, len(dataset.images)) if options.budget_s is not None else 0.0
    return dataset, options.started(start, spent_s)


def _agree(options: TrainingOptions, dataset: Dataset, session: Session) -> Plan:
    """Return the plan; net and epochs that are measured are the first process's, or those of before a resume."""
    folder, processes = session.folder, session.processes
    if folder and session.resumed and options.fitted:
        options = options.settled(folder.sentence(), load_recipe(folder.recipe).epochs)
    measures = options.fitted
    if measures and not processes.first:
        options = options.settled(*processes.from_first(("", 0)))
    plan = make_plan(options, dataset, session.observer, session.device)
    if measures and processes.first:
        processes.from_first((str(plan.net), plan.recipe.epochs))
    if plan.start:
        plan = replace(plan, described=plan.described | {"weights": weights_digest(plan.start)})
    _tell_processes(plan, session)
    return plan


def _begin(source: Any, plan: Plan, dataset: Dataset, session: Session, asked: dict[str, Any]) -> Computation:
    """Return how the steps are computed: as before, where a run is gone on with; else by measurement, and written."""
    folder, observer, processes = session.folder, session.observer, session.processes
    measured = plan.recipe.precision == "auto"
    workers = {"processes": processes.count, "threads": torch.get_num_threads()}
    if folder and session.resumed:
        before = folder.check_same(plan.described, _changes(plan, session))
        observer.note(f"resuming {folder.path} from {where(folder.path)}")
        for name, now in workers.items():  # the order of sums depends on them, and with it the last bits
            if (then := before.get(name, now)) != now:
                observer.warn(
                    f"this run was started with {then} {name} and goes on with {now}: it will not end in the same bits"
                )
        with folder.understood():
            then = str(before["precision"]), bool(before.get("compiled"))
        return Computation(session.device, *then, processes, measured)
    chosen = choose_computation(plan, session.device, observer) if processes.first else None
    precision, compiled = processes.from_first((chosen.precision, chosen.compiled) if chosen else ("", False))
    if folder:
        observer.note(f"run {folder.path}")
    told = {"source": found_again(source), **dataset.options.to_json(), **asked}
    described = {**plan.described, **workers, "precision": precision, "compiled": compiled}
    session.describe(dataset, described, plan.recipe.to_toml(), str(plan.net), told)
    return Computation(session.device, precision, compiled, processes, measured)


def _changes(plan: Plan, session: Session) -> list[str]:
    """Return in what recipe and net of the plan differ from those of the run in the folder."""
    assert session.folder is not None
    pairs = plan.recipe.difference(load_recipe(session.folder.recipe))
    changed = [f"{name} {theirs!r} → {ours!r}" for name, (ours, theirs) in pairs.items()]
    net, before = str(plan.net), session.folder.sentence()
    return changed + ([f"net {before!r} → {net!r}"] if before != net else [])


def _tell_processes(plan: Plan, session: Session) -> None:
    """Say how a batch is dealt out; refuse batches that do not give every process an image."""
    count = session.processes.count
    if count == 1:
        return
    size = plan.recipe.batch_size * plan.recipe.accumulate
    smallest = len(plan.splits.train) // steps_per_epoch(len(plan.splits.train), size)
    if smallest < 2 * count * plan.recipe.accumulate:
        raise ArgumentError(
            f"batch_size must give each of {count} processes at least two images; batches have {smallest}. "
            "Choose a larger batch or fewer processes"
        )
    norms = "is not synchronised: each process normalises its own images"
    if session.device.type == "cuda":
        norms = "is synchronised over all of them"
    session.observer.note(
        f"{count} processes, about {smallest // count} images of each batch in each; batch-norm {norms}"
    )
