"""A run without steps: read, prepare, split, fit, judge once on the test images, save."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

from striate.baselines.task import Task
from striate.classifier.features import Features, net_features
from striate.classifier.pretrained import load_model
from striate.data.catalog import Catalog
from striate.data.dataset import describe, read_catalog, split_images, tell_ledger
from striate.data.decoding.pixels import Fit, check_fit
from striate.data.imageset import ImageSet
from striate.data.preparing.prepare import prepare
from striate.data.splitting import DEFAULT_RATIOS, Splits, as_shares
from striate.errors import ArgumentError
from striate.observer import Observer, Progress, silent
from striate.runs.session import TrainingResult, finish, found_again, open_folder
from striate.system.devices import choose_device, kept_memory
from striate.system.processes import process_count

# To choose among a few classifiers, 5 % of what is not for testing is enough.
CHOOSING_RATIOS = (0.855, 0.045, 0.1)


def run_fitting(
    source: Any,
    task: Task,
    *,
    size: tuple[int, int] | None,
    fit: Fit,
    ratios: str | tuple[float, float, float] | None,
    out: str | Path | None,
    resume: bool,
    seed: int,
    observer: Observer | None,
    reading: Mapping[str, Any] | None,
) -> TrainingResult:
    """Fit what the task says, keep what does best on the validation images, judge it once on the test images.

    Arguments are those of `run_training`; images are read at the size that the features want.

    Raises:
        DataError: no labels, fewer than two classes, nothing readable.
        ArgumentError: a setting that cannot be; a folder that holds a run; several processes.
    """
    observer = observer or Observer()
    shares = as_shares(ratios or (CHOOSING_RATIOS if len(task.baselines) > 1 else DEFAULT_RATIOS))
    if process_count() > 1:
        raise ArgumentError(f"{task} is fitted by one process; got {process_count()}. Start it without torchrun")
    if resume and out is not None and (Path(out) / "run.json").exists():
        raise ArgumentError(f"{task} is fitted at once and cannot be resumed. Leave out --resume and start it again")
    with ExitStack() as stack:
        stack.enter_context(kept_memory())
        folder = open_folder(out, resume, observer)
        if folder:
            stack.enter_context(folder.held())
        catalog = read_catalog(source, dict(reading or {}), observer)
        images = _prepare(catalog, task, size, check_fit(fit), observer)
        tell_ledger(images, observer)
        splits = split_images(images, shares, seed, catalog, observer)
        if not len(splits.valid):
            observer.warn("there are no validation images: nothing is chosen, defaults are taken")
        run = describe(catalog, images, splits) | {"fitted": str(task)}
        if folder:
            observer.note(f"run {folder.path}")
        model, fit_s = task.fit(splits.train, splits.valid, fit, seed, observer)
        if folder:  # only now: what is interrupted leaves nothing behind, for nothing of it could be resumed
            asked = {"source": found_again(source), "reading": {k: str(v) for k, v in (reading or {}).items()}}
            asked |= {"size": size, "fit": fit, "ratios": shares}
            images.ledger.write_csv(folder.path / "ledger.csv")
            folder.describe(run | {"asked": asked}, f"# Fitted, not trained by steps.\nseed = {seed}\n", str(task))
        told = {"seed": seed, "epoch": None, "train_s": round(fit_s, 3)}
        model = replace(model, provenance=_provenance(run, splits) | told | model.provenance)
        return finish(model, splits, fit_s, folder, observer)


def load_features(
    model: str | Path,
    weights: str | Path | None = None,
    device: str | None = None,
    progress: Progress = silent,
) -> Features:
    """Return the features that a saved model makes, or a named net with published weights.

    Raises:
        SourceNotFoundError, ModelFileError, ArgumentError: no such model, or one without features.
    """
    name = str(model) if not Path(model).is_file() else Path(model).name
    return net_features(load_model(model, weights, progress=progress).to(choose_device(device)), name)


def _prepare(catalog: Catalog, task: Task, size: tuple[int, int] | None, fit: Fit, observer: Observer) -> ImageSet:
    """Return the images, at the size that the features want."""
    if task.features is None or task.features.model is None:
        return prepare(catalog, size, fit, progress=observer.prepare)
    if size not in (None, task.features.preprocessing.size):
        h, w = task.features.preprocessing.size
        raise ArgumentError(f"size must be left out with features of {task.features.of}, which sees {h}×{w} pixels")
    return task.features.model.prepare(catalog, observer.prepare)


def _provenance(run: Mapping[str, Any], splits: Splits[ImageSet]) -> dict[str, Any]:
    from striate.version import __version__

    return {
        "data": {key: run[key] for key in ("source", "format", "images", "data")},
        "splits": {"train": len(splits.train), "valid": len(splits.valid), "test": len(splits.test)},
        "versions": {
            "striate": __version__, "torch": torch.__version__, "numpy": np.__version__,
            "scikit-learn": sklearn.__version__, "python": platform.python_version(),
        },
    }  # fmt: skip
