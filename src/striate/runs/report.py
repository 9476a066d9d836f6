"""The report of a run, written into its folder once the model is saved; what goes wrong with it ends no run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits
from striate.evaluation.attributes import attributes_of
from striate.evaluation.grounds import MOST_TRAINING, Grounds, gather_grounds
from striate.evaluation.mistakes import mistake_positions, worst_mistakes
from striate.evaluation.report.anatomy import is_quick
from striate.evaluation.report.contents import ReportContents
from striate.evaluation.report.page import report_page
from striate.evaluation.slices import Slices, find_slices
from striate.metrics.evaluation import Evaluation
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.runs.robustness import kept_section
from striate.system.files import write_atomically

# So many mistakes are shown with their pictures.
MOST_MISTAKES = 24
# So many bytes of pixels are looked at for their brightness and the like.
MOST_BYTES = 100_000_000


def leave_report(
    folder: RunFolder, model: Classifier, splits: Splits[ImageSet], valid: Evaluation | None, test: Evaluation | None,
    observer: Observer, catalog: Catalog | None = None,
) -> Path | None:  # fmt: skip
    """Write report.html into the folder of a run that is done; None, and a warning, where that cannot be.

    Arguments:
        model: as saved.
        splits: the images that trained, chose and judged.
        valid, test: how it did on them.
        catalog: where they come from.
    """
    try:
        contents = gather_contents(folder, model, splits, valid, test, catalog)
        write_atomically(folder.report, report_page(contents))
    except Exception as error:  # the model is saved, and no page is worth losing the end of a run
        observer.warn(
            f"the model is saved, but its report could not be written: {type(error).__name__}: {error}. "
            f"striate report {folder.path} tries again"
        )
        return None
    return folder.report


def gather_contents(
    folder: RunFolder, model: Classifier, splits: Splits[ImageSet], valid: Evaluation | None, test: Evaluation | None,
    catalog: Catalog | None = None, explained: bool = False,
) -> ReportContents:  # fmt: skip
    """Return what the folder of a run knows of it, beside the model and the images; what is not there is left out.

    Arguments:
        catalog: where the images come from, which knows their files and the columns of a table; None: nobody knows.
        explained: look among the training images for the causes of mistakes, whatever time the model takes for that;
            else only where it is quick.
    """
    known = ReportContents(
        model, splits, valid, test,
        run=kept_values(folder.path / "run.json"),
        history=_lines(folder.path / "metrics.jsonl"),
        health=kept_values(folder.path / "health.json"),
        ladder=kept_values(folder.path / "ladder.json"),
        recipe=_text(folder.recipe),
        promises=model.provenance.promises,
        robustness=kept_section(folder, model),
    )  # fmt: skip
    outcomes, images = known.judged and known.judged.outcomes, known.judged_images
    if known.judged is None or outcomes is None or not np.array_equal(outcomes.labels, images.labels):
        return known  # of folds, or of before a resume: nobody knows which image is which
    named = replace(known.judged, names=images.names)
    grounds = Grounds()
    if explained or is_quick(model, min(len(splits.train), MOST_TRAINING) + MOST_MISTAKES):
        grounds = gather_grounds(model, images, splits.train, mistake_positions(named, MOST_MISTAKES))
    mistakes = worst_mistakes(named, MOST_MISTAKES, grounds)
    return replace(known, mistakes=mistakes, slices=_slices(named, images, catalog))


def _slices(judged: Evaluation, images: ImageSet, catalog: Catalog | None) -> Slices:
    """Return where the model is worse, on as many of the judged images as can be looked at in a moment."""
    assert judged.outcomes is not None
    count = min(len(images), max(1, MOST_BYTES // math.prod(images.image_shape)))
    rows = np.linspace(0, len(images) - 1, count).astype(np.int64)
    groups = None if judged.group_ids is None else judged.group_ids[rows]
    some = replace(judged, outcomes=judged.outcomes.subset(rows), group_ids=groups)
    return find_slices(some, attributes_of(images.subset(rows), catalog))


def _text(path: Path) -> str:
    with suppress(OSError, ValueError):
        return path.read_text("utf-8")
    return ""


def kept_values(path: Path) -> dict[str, Any]:
    """Return the values of a JSON file of a run; none where it is missing or damaged."""
    with suppress(ValueError, RecursionError):
        return _mapping(json.loads(_text(path)))
    return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _lines(path: Path) -> Sequence[dict[str, Any]]:
    """Return the lines that can be read; of an epoch that was trained twice, the last."""
    found = {}
    for text in _text(path).splitlines():
        with suppress(ValueError, RecursionError):
            line = _mapping(json.loads(text))
            found[line.get("epoch")] = line
    return [line for epoch, line in found.items() if epoch is not None]
