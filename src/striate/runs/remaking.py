"""A report made again, from the folder of a run that is done and the images that it was made from."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.catalog import Catalog
from striate.data.dataset import Dataset, make_dataset
from striate.data.imageset import ImageSet
from striate.data.preparing.prepare import prepare
from striate.data.splitting import groups_learned
from striate.errors import SourceNotFoundError, TrainingError
from striate.evaluation.report.page import report_page
from striate.metrics.evaluation import Evaluation
from striate.metrics.groups import SampleSize
from striate.observer import Observer, Progress, silent
from striate.runs.folder import RunFolder
from striate.runs.report import gather_contents, kept_values
from striate.runs.robustness import keep_card
from striate.runs.session import asked_before, judge_images
from striate.system.devices import choose_device
from striate.system.files import write_atomically


class _Watched(Observer):
    """Passes on how far reading, preparing and predicting are."""

    def __init__(self, progress: Progress):
        self._progress = progress

    def prepare(self, what: str, done: int, total: int) -> None:
        """Pass it on."""
        self._progress(what, done, total)


def remake_report(
    path: str | Path, source: Any = None, device: Any = None, progress: Progress = silent, robustness: bool = False
) -> Path:
    """Write the report of a run again and return where it is.

    Arguments:
        path: the run's folder.
        source: where its images are now; None looks where they were.
        device: what the model computes on.
        progress: told how far it is.
        robustness: measure the robustness card too, which takes minutes; reports of this model have it from then on.

    Raises:
        SourceNotFoundError: there is no run, or no model in it yet.
        TrainingError: the images are not those of the run any more.
    """
    folder, observer = RunFolder(path), _Watched(progress)
    folder.description()
    if not folder.model.exists():
        raise SourceNotFoundError(f"no model in {folder.path} yet. striate train --resume --out {folder.path} goes on")
    model = Classifier.load(folder.model).to(choose_device(device))
    dataset = _dataset_of(folder, model, source, observer)
    splits, told = dataset.splits, model.provenance
    test = judge_images(model, splits.test, observer, groups_learned(splits))
    valid = _chosen_by(folder, told.chosen) if told.chosen else judge_images(model, splits.valid, observer)
    if robustness:
        keep_card(folder, model, splits.test if test else splits.valid, progress)
    contents = gather_contents(folder, model, splits, valid, test, dataset.catalog, explained=True)
    write_atomically(folder.report, report_page(contents))
    return folder.report


def _dataset_of(folder: RunFolder, model: Classifier, source: Any, observer: Observer) -> Dataset:
    """Return the images of a run, prepared and split as they were.

    Raises:
        TrainingError: they are others now.
    """
    source, options, _ = asked_before(folder, source)
    before = folder.description()
    size = before.get("prepared") or options.size or model.preprocessing.size

    def prepared(catalog: Catalog) -> ImageSet:
        if tuple(size) == tuple(model.preprocessing.size):  # in the channels and values that the model knows
            return model.prepare(catalog, observer.prepare, learning=True)
        return prepare(catalog, (int(size[0]), int(size[1])), options.fit, progress=observer.prepare)

    with folder.understood("recipe.toml"):
        seed = int(tomllib.loads(folder.recipe.read_text("utf-8"))["seed"])
    dataset = make_dataset(source, options, seed, observer, prepare_images=prepared)
    if dataset.described["data"] != before.get("data"):
        raise TrainingError(
            f"the images of {dataset.catalog.source} are not those of the run in {folder.path} any more. "
            "Name the SOURCE where they are, or judge the model on new ones with striate evaluate"
        )
    return dataset


def _chosen_by(folder: RunFolder, chosen: str) -> Evaluation | None:
    """Return how the chosen rung did on what chose it: the model may have learned from these images since."""
    for rung in kept_values(folder.path / "ladder.json").get("rungs") or ():
        if rung.get("name") == chosen and "confusion_cells" in rung:
            sizes = tuple(SampleSize(*size) for size in rung.get("sizes", ()))
            return Evaluation(tuple(rung["classes"]), np.array(rung["confusion_cells"], np.int64), sizes=sizes)
    return None
