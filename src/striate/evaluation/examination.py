"""What is behind the figures: the mistakes by name, with their likely causes, and the slices that are worse."""

from __future__ import annotations

from dataclasses import dataclass

from striate.classifier.classifier import Classifier
from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.evaluation.attributes import attributes_of
from striate.evaluation.grounds import Grounds, gather_grounds
from striate.evaluation.mistakes import Mistake, mistake_positions, worst_mistakes
from striate.evaluation.slices import Slices, find_slices
from striate.metrics.evaluation import Evaluation
from striate.observer import Progress, silent


@dataclass(frozen=True)
class Examination:
    """All mistakes, the worst first, and the slices that are worse than chance would have it."""

    mistakes: tuple[Mistake, ...]
    slices: Slices


def examine(
    evaluation: Evaluation,
    images: ImageSet,
    *,
    catalog: Catalog | None = None,
    model: Classifier | None = None,
    seen: ImageSet | None = None,
    progress: Progress = silent,
) -> Examination:
    """Return what is behind the figures of an evaluation.

    Arguments:
        evaluation: of these images, in their order.
        images: those that were judged.
        catalog: where they come from, which knows their files and columns; None: only names and pixels tell.
        model: the classifier, whose features tell what is alike; None: no cause is looked for.
        seen: the training images, prepared and grouped together with those judged; None: no cause is looked for.
    """
    grounds = Grounds()
    if model is not None and seen is not None and len(seen):
        grounds = gather_grounds(model, images, seen, mistake_positions(evaluation), progress)
    slices = find_slices(evaluation, attributes_of(images, catalog))
    return Examination(worst_mistakes(evaluation, grounds=grounds), slices)
