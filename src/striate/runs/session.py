"""What every run does, whatever it trains or fits: its folder, its images, its verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from striate.classifier.classifier import Classifier
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits
from striate.errors import ArgumentError
from striate.metrics.evaluation import Evaluation
from striate.observer import Observer
from striate.runs.folder import RunFolder


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What a run ends with.

    Arguments:
        classifier: the best model, its figures in the provenance.
        valid, test: how it did on the validation and the test images; None where there are none.
        train_s: seconds in the training loop, validation after each epoch included; or in fitting.
        run: the run folder, None if the run was kept in memory.
    """

    classifier: Classifier
    valid: Evaluation | None
    test: Evaluation | None
    train_s: float
    run: Path | None

    @property
    def model(self) -> Path | None:
        """Where the model is saved."""
        return self.run and RunFolder(self.run).model


def open_folder(out: str | Path | None, resume: bool, observer: Observer) -> RunFolder | None:
    """Return the folder of a run that starts or goes on there, None if nothing is to be written.

    Raises:
        ArgumentError: another run is there, or there is no folder to resume in.
    """
    if out is None:
        if resume:
            raise ArgumentError("resume needs the folder of the run: give out")
        return None
    folder = RunFolder(out)
    if folder.exists and not resume:
        raise ArgumentError(
            f"{folder.path} already holds a run. Add --resume to go on with it, or choose another --out"
        )
    if resume and not folder.exists:
        observer.note(f"no run in {folder.path} yet: starting one")
    return folder


def finish(
    model: Classifier, splits: Splits[ImageSet], train_s: float, folder: RunFolder | None, observer: Observer
) -> TrainingResult:
    """Judge the model that was chosen, for the first and only time on the test images, and save it."""
    valid, test = (judge_images(model, images, observer) for images in (splits.valid, splits.test))
    if test:
        figures = {"test_accuracy": test.accuracy, "test_correct": test.correct, "test_total": test.total}
        if test.alone:
            figures["test_accuracy_without_views"] = test.alone.accuracy
        model = replace(model, provenance=model.provenance | figures)
    if folder:
        model.save(folder.model)
    return TrainingResult(model, valid, test, train_s, folder.path if folder else None)


def judge_images(model: Classifier, images: ImageSet, observer: Observer) -> Evaluation | None:
    """Return how the model does on prepared images, None if there are none."""
    return model.judge(images, images.labels, progress=observer.prepare) if len(images) else None


def asked_before(folder: RunFolder, source: Any = None) -> dict[str, Any]:
    """Return the options with which the run in a folder was started, to start it alike; `source` replaces its own.

    Raises:
        ArgumentError: it was started from data in memory, and no source is given.
    """
    asked = dict(folder.description()["asked"])
    source = asked["source"] if source is None else source
    if source is None:
        raise ArgumentError(
            f"the run in {folder.path} was started from data in memory; resume it in Python with that data"
        )
    ratios = asked["ratios"] if isinstance(asked["ratios"], str) else tuple(asked["ratios"])
    return asked | {"source": source, "size": asked["size"] and tuple(asked["size"]), "ratios": ratios}


def found_again(source: Any) -> str | None:
    """Return a source as it can be found again from another folder, None if it lives in memory."""
    if not isinstance(source, str | Path):
        return None
    return str(Path(source).resolve()) if Path(source).exists() else str(source)
