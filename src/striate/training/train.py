"""From a source to a saved classifier: read, prepare, split, train, judge once on the test images, save."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from striate.baselines.fit import run_fitting
from striate.baselines.task import read_task
from striate.classifier.classifier import Classifier
from striate.classifier.features import Features, extraction_s
from striate.data.dataset import read_catalog, tell_ledger
from striate.data.decoding.pixels import Fit, check_fit
from striate.data.preparing.prepare import prepare
from striate.data.splitting import DEFAULT_RATIOS
from striate.errors import ArgumentError
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.runs.session import TrainingResult, asked_before, finish, found_again, open_folder
from striate.system.devices import choose_device, fitting_threads, kept_memory
from striate.system.processes import Processes, is_first, joined, own_device
from striate.system.signals import stop_signals
from striate.training.engine.batches import steps_per_epoch
from striate.training.engine.checkpoints import where
from striate.training.options import NetLike, RecipeLike, make_wish
from striate.training.plan import Plan, make_plan
from striate.training.recipe import load_recipe
from striate.training.tensorboard import TensorBoardScalars
from striate.training.trainer import choose_computation, train_plan
from striate.training.transfer import digest_of, fit_start, load_start


def train(source: Any, net: str | NetLike = "swift", recipe: RecipeLike = "auto", **options: Any) -> Classifier:
    """Train a classifier and return it; `run_training` says what the options are.

    >>> import striate
    >>> data = striate.read("digits")
    >>> model = striate.train(data, net="fc(32) relu fc(classes)", epochs=2)
    >>> model.predict(data.images[0]).label in model.classes
    True
    """
    return run_training(source, net, recipe, **options).classifier


def run_training(
    source: Any,
    net: str | NetLike = "swift",
    recipe: RecipeLike = "auto",
    *,
    budget: str | float | None = None,
    size: tuple[int, int] | None = None,
    fit: Fit = "crop",
    ratios: str | tuple[float, float, float] | None = None,
    features: Features | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    observer: Observer | None = None,
    tensorboard: bool = False,
    reading: Mapping[str, Any] | None = None,
    weights: str | Path | None = None,
    **changes: Any,
) -> TrainingResult:
    """Train a net, keep the epoch that does best on the validation images, judge it once on the test images.

    A baseline such as "neighbours" is fitted instead, and judged alike.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        net: a name, a sentence such as "conv(32, 3) relu fc(classes)", a Net, or a torch.nn.Module (a copy of it is
            trained); "swift" is the size of swift net that suits the images and the budget. A baseline's name, perhaps
            with options: "neighbours(k=5)".
        recipe: a published name, a TOML file, settings, or a Recipe; auto is "fine" where weights are
            given, "swift" for swift nets, else "default".
        budget: seconds that training may take, or "5m": as many epochs as fit into it on this machine, by measurement.
        size: (h, w) in pixels at which to train; by default chosen from the images.
        fit: crop, pad or stretch images to that size.
        ratios: train:valid:test where the source has no splits of its own; None is 80:10:10.
        features: fit a baseline, or with auto the best of several, to these instead of to pixels; see `net_features`.
        out: a folder for the run; without one nothing is written.
        resume: go on from the last checkpoint in `out`; start there if there is no run yet.
        device: where to train; by default a GPU if there is one.
        observer: hears about the progress.
        tensorboard: also write TensorBoard scalars into `out`.
        reading: options for `striate.read`.
        weights: what to start from: "imagenet" or a file for a zoo net, or a .striate file; its preprocessing is used,
            and it gets a new head where its classes are others.
        changes: settings of the recipe to change, such as epochs=3.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable.
        ArgumentError: a setting that cannot be; a folder that holds another run.
        TrainingError: the loss is not finite; a resume that does not match.
    """
    reading, target = dict(reading or {}), own_device(choose_device(device))
    observer = observer if observer and is_first() else Observer()
    if task := read_task(net, features, recipe, {"budget": budget, "weights": weights, **changes}):
        return run_fitting(
            source, task, size=size, fit=fit, ratios=ratios, out=out, resume=resume, seed=changes.get("seed", 0),
            observer=observer, reading=reading,
        )  # fmt: skip
    ratios = ratios or DEFAULT_RATIOS
    start = None if weights is None else load_start(net, weights, observer.prepare)
    wish = make_wish(net, recipe, changes, check_fit(fit), ratios, budget, start)  # before any image is read
    with ExitStack() as stack:
        stack.enter_context(fitting_threads(observer.note))
        stack.enter_context(kept_memory())
        processes = stack.enter_context(joined(target))
        folder = open_folder(out, resume, observer) if processes.first else RunFolder(out) if out else None
        resume = processes.from_first(folder is not None and folder.exists)
        if folder and processes.first:
            stack.enter_context(folder.held())
            if tensorboard:
                observer = TensorBoardScalars(folder.path, observer)
        with processes.first_goes_first():
            catalog = read_catalog(source, reading, observer)
            if start:
                start = fit_start(start, catalog, size, fit)
                images = start.prepare(catalog, observer.prepare)
                spent_s = extraction_s(start, len(images)) if budget is not None else 0.0
                wish = wish.started(start, spent_s)
            else:
                images = prepare(catalog, size, fit, progress=observer.prepare)
        tell_ledger(images, observer)
        if folder and resume and wish.fitted:
            wish = wish.settled(folder.net.read_text("utf-8"), load_recipe(folder.recipe).epochs)
        elif wish.fitted and not processes.first:
            wish = wish.settled(*processes.from_first(("", 0)))
        plan = make_plan(wish, catalog, images, observer, target)
        if plan.start:
            plan = replace(plan, described=plan.described | {"weights": digest_of(plan.start)})
        if wish.fitted and processes.first:
            processes.from_first((str(plan.net), plan.recipe.epochs))
        _tell_processes(plan, processes, target, observer)
        if folder and resume:
            run = folder.check_same(plan.described, _changes(folder, plan))
            observer.note(f"resuming {folder.path} from {where(folder.path)}")
            for name, now in _workers(processes).items():
                if (before := run.get(name, now)) != now:
                    observer.warn(
                        f"this run was started with {before} {name} and goes on with {now}: "
                        "it will not end in the same bits"
                    )
        else:
            run = plan.described | _workers(processes)
            run |= processes.from_first(choose_computation(plan, target, observer) if processes.first else {})
            if folder and processes.first:
                observer.note(f"run {folder.path}")
                asked = {"source": found_again(source), "reading": {k: str(v) for k, v in reading.items()}}
                asked |= {"size": size, "fit": fit, "ratios": ratios}
                asked |= {"net": str(net), "weights": found_again(weights)} if weights else {}
                images.ledger.write_csv(folder.path / "ledger.csv")
                folder.describe(run | {"asked": asked}, plan.recipe.to_toml(), str(plan.net))
        return _run(plan, run, folder, target, observer, processes)


def resume_training(out: str | Path, source: Any = None, **options: Any) -> TrainingResult:
    """Go on with the run in the folder `out` as it was started.

    Arguments:
        source: what the run was started from, where it has moved; None looks where it was.
        options: device, observer, tensorboard as for `run_training`.

    Raises:
        SourceNotFoundError: there is no run.
    """
    folder = RunFolder(out)
    description = folder.description()
    if "fitted" in description:
        raise ArgumentError(f"{description['fitted']} in {out} was fitted at once: there is nothing to resume")
    asked = {"net": folder.net.read_text("utf-8")} | asked_before(folder, source)
    return run_training(recipe=folder.recipe, out=out, resume=True, **asked, **options)


def _run(
    plan: Plan,
    run: dict[str, Any],
    folder: RunFolder | None,
    device: torch.device,
    observer: Observer,
    processes: Processes,
) -> TrainingResult:
    """Train what is planned and judge the best epoch."""
    with stop_signals(observer.note) if folder else nullcontext(lambda: False) as stop:
        model, state = train_plan(plan, run, device, observer, folder=folder, stop=stop, processes=processes)
    if not processes.first:
        return TrainingResult(model, None, None, state.train_s, folder.path if folder else None)
    return finish(model, plan.splits, state.train_s, folder, observer)


def _changes(folder: RunFolder, plan: Plan) -> list[str]:
    """Return in what recipe and net of the plan differ from those of the run in the folder."""
    pairs = plan.recipe.difference(load_recipe(folder.recipe))
    changed = [f"{name} {theirs!r} → {ours!r}" for name, (ours, theirs) in pairs.items()]
    net, before = str(plan.net), folder.net.read_text("utf-8").strip()
    return changed + ([f"net {before!r} → {net!r}"] if before != net else [])


def _workers(processes: Processes) -> dict[str, int]:
    """Return what the order of sums depends on, and with it the last bits."""
    return {"processes": processes.count, "threads": torch.get_num_threads()}


def _tell_processes(plan: Plan, processes: Processes, device: torch.device, observer: Observer) -> None:
    """Say how a batch is dealt out; refuse batches that do not give every process an image."""
    if processes.count == 1:
        return
    size = plan.recipe.batch_size * plan.recipe.accumulate
    smallest = len(plan.splits.train) // steps_per_epoch(len(plan.splits.train), size)
    if smallest < 2 * processes.count * plan.recipe.accumulate:
        raise ArgumentError(
            f"batch_size must give each of {processes.count} processes at least two images; batches have {smallest}. "
            "Choose a larger batch or fewer processes"
        )
    norms = "is not synchronised: each process normalises its own images"
    if device.type == "cuda":
        norms = "is synchronised over all of them"
    observer.note(
        f"{processes.count} processes, about {smallest // processes.count} images of each batch in each; "
        f"batch-norm {norms}"
    )
