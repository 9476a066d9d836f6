"""From a source to the best classifier that the time allows: read, prepare, climb the ladder, judge once, save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from striate.classifier.classifier import Classifier
from striate.data.dataset import describe, read_catalog, split_images, tell_ledger
from striate.data.decoding.pixels import Fit, check_fit
from striate.data.preparing.prepare import prepare
from striate.data.splitting import DEFAULT_RATIOS, as_shares
from striate.errors import ArgumentError, DataError
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.runs.session import TrainingResult, asked_before, found_again, judge_images, open_folder
from striate.selection.ladder.climb import Parts, Result, Skipped, best_of, climb, verdict
from striate.selection.ladder.folds import _ground, _say_parts
from striate.selection.ladder.memory import LADDER, Memory, _figures
from striate.selection.ladder.pretrained_rungs import FROZEN, TUNED, borrow, lend
from striate.selection.ladder.rungs import SIMPLE, SWIFT, Ground, Rung
from striate.system.devices import choose_device, fitting_threads, kept_memory
from striate.system.signals import stop_signals
from striate.training.train import resume_training
from striate.units import parse_duration, say_duration

DEFAULT_BUDGET = "5m"


class LadderObserver(Observer):
    """Hears also about the rungs of the ladder."""

    def rung(self, result: Result | Skipped) -> None:
        """Hear what a rung came to, or why it was not climbed."""


@dataclass(frozen=True, eq=False)
class Choice(TrainingResult):
    """What the ladder ends with: the result of the chosen rung, beside those of all.

    Arguments:
        chosen: the name of the rung.
        rungs: what each came to.
        verdict: one sentence on whether a net beats the simple methods here.
    """

    chosen: str
    rungs: Sequence[Result]
    verdict: str


def fit(source: Any, budget: str | float = DEFAULT_BUDGET, **options: Any) -> Classifier:
    """Return the best classifier that a budget of time allows; `run_ladder` says what the options are.

    >>> import striate
    >>> model = striate.fit("xo", budget="4s")
    >>> model.provenance["verdict"] != ""
    True
    """
    return run_ladder(source, budget, **options).classifier


def run_ladder(
    source: Any,
    budget: str | float = DEFAULT_BUDGET,
    *,
    weights: str | Path | None = None,
    size: tuple[int, int] | None = None,
    fit: Fit = "crop",
    ratios: str | tuple[float, float, float] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    observer: LadderObserver | None = None,
    reading: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Choice:
    """Climb from simple methods to nets within a budget, keep what does best on the validation images, judge it once.

    Where there are too few images to set some aside, the rungs are cross-validated.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        budget: seconds for all rungs together, or "5m".
        weights: published weights for the pre-trained rungs: "imagenet" (downloaded once) or a file; None takes those
            of MobileNetV2 if they are on this machine.
        size, fit, ratios, out, resume, device, reading: as for `run_training`.
        observer: hears about the progress and each rung.
        seed: of the split and every random choice.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable.
        TrainingError: a resume on other data.
    """
    observer = observer or LadderObserver()
    budget_s, shares, target = parse_duration(budget), as_shares(ratios or DEFAULT_RATIOS), choose_device(device)
    lent = lend(weights, observer)  # first of all: a wrong name should cost nobody the time of reading images
    with ExitStack() as stack:
        stack.enter_context(fitting_threads(observer.note))
        stack.enter_context(kept_memory())
        folder = open_folder(out, resume, observer)
        if folder:
            stack.enter_context(folder.held())
        catalog = read_catalog(source, dict(reading or {}), observer)
        images = prepare(catalog, size, check_fit(fit), progress=observer.prepare)
        tell_ledger(images, observer)
        splits = split_images(images, shares, seed, catalog, observer)
        described = describe(catalog, images, splits)
        memory = Memory(folder, described, resume)
        if folder and not folder.exists:
            asked = {"source": found_again(source), "reading": {k: str(v) for k, v in (reading or {}).items()}}
            asked |= {"size": size, "fit": fit, "ratios": shares, "budget": budget_s, "seed": seed}
            asked |= {"weights": found_again(weights)}
            images.ledger.write_csv(folder.path / "ledger.csv")
            folder.describe(described | {"asked": asked}, f"# The ladder.\nseed = {seed}\n", LADDER)
        ground, parts = _ground(images, splits, fit, described, seed, target, observer, folder)
        observer.note(_say_parts(parts, budget_s))

        def tell(result: Result | Skipped) -> None:
            memory.add(result)
            observer.rung(result)

        for known in memory.results:
            observer.rung(known)
        if lent:
            ground = replace(ground, borrowed=borrow(lent, catalog, ground.images, size, fit, target, observer))
        rungs = _rungs(ground, parts, budget_s)
        with stop_signals() if folder else nullcontext(lambda: False) as stop:
            results = climb(rungs, replace(ground, stop=stop), parts, budget_s, memory.results, tell)
        if not results:
            raise DataError(
                f"nothing could be fitted to {catalog.source} within {say_duration(budget_s)}. Give it more"
            )
        chosen, took = best_of(results), sum(one.fit_s for one in results)
        model = _refitted(chosen, rungs, ground, parts, budget_s - took) or chosen.classifier or memory.best()
        told = {"ladder": [_figures(one) for one in results], "chosen": chosen.name, "verdict": verdict(results)}
        told |= {"valid_accuracy": chosen.valid.accuracy, "budget_s": budget_s, "data": described}
        told |= {"splits": {"train": len(splits.train), "valid": chosen.valid.total, "test": len(splits.test)}}
        told |= {"fit_s": round(took, 3)}
        model = replace(model, provenance=model.provenance | told)
        test = judge_images(model, splits.test, observer)
        if test:
            figures = {"test_accuracy": test.accuracy, "test_correct": test.correct, "test_total": test.total}
            model = replace(model, provenance=model.provenance | figures)
        if folder:
            model.save(folder.model)
        path = folder.path if folder else None
        return Choice(model, chosen.valid, test, took, path, chosen.name, results, told["verdict"])


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


def is_ladder(folder: RunFolder) -> bool:
    """Return whether the run in a folder is one of the ladder."""
    return folder.exists and folder.net.read_text("utf-8").strip() == LADDER


def resume_run(out: str | Path, source: Any = None, **options: Any) -> TrainingResult:
    """Go on with the run in the folder `out`, one net's or the ladder's, as it was started.

    Arguments:
        source: what the run was started from, where it has moved; None looks where it was.
        options: device and observer as for `run_ladder`, and for one net tensorboard.

    Raises:
        SourceNotFoundError: there is no run.
    """
    folder = RunFolder(out)
    if not is_ladder(folder):
        return resume_training(out, source, **options)
    known = {name: value for name, value in options.items() if name in ("device", "observer")}
    if spare := [name for name, value in options.items() if name not in known and value]:
        raise ArgumentError(f"{', '.join(spare)} cannot be given to the ladder in {out}. Leave it out")
    return run_ladder(**asked_before(folder, source), out=out, resume=True, **known)
