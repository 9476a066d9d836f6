"""What a report is made from: values alone, of which any but the model and the images may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits
from striate.evaluation.mistakes import Mistake
from striate.evaluation.slices import Slices
from striate.metrics.evaluation import Evaluation


@dataclass(frozen=True, eq=False)
class ReportContents:
    """What is known of a run when its model is saved.

    Arguments:
        model: as saved, with its provenance.
        splits: the images that trained, chose and judged.
        valid, test: how it did on them; None where there are none.
        run: what was asked and on which machine, the contents of run.json.
        history: one mapping an epoch, the lines of metrics.jsonl.
        health: how the net's layers did when they were last looked at, the contents of health.json.
        ladder: `rungs`, `skipped` and `probes`, the contents of ladder.json.
        recipe: the contents of recipe.toml.
        mistakes: of the judged images, the worst first.
        slices: where it is worse than elsewhere; None where nobody looked.
        promises: what the model promises and what the test showed, as its provenance has it.
        robustness: the card as a fragment of HTML; empty where none was measured.
    """

    model: Classifier
    splits: Splits[ImageSet]
    valid: Evaluation | None
    test: Evaluation | None
    run: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    health: Mapping[str, Any] = field(default_factory=dict)
    ladder: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    mistakes: Sequence[Mistake] = ()
    slices: Slices | None = None
    promises: Mapping[str, Any] | None = None
    robustness: str = ""

    @property
    def judged(self) -> Evaluation | None:
        """The figures to speak of: on the test images, else on the validation images."""
        return self.test or self.valid

    @property
    def judged_by(self) -> str:
        """Which images those are."""
        return "test" if self.test else "validation"

    @property
    def judged_images(self) -> ImageSet:
        """The images of `judged`, in its order."""
        return self.splits.test if self.test else self.splits.valid

    @property
    def source(self) -> str:
        """What it was trained on, as far as anybody knows."""
        asked = self.run.get("asked")
        told = (asked.get("source") if isinstance(asked, Mapping) else None) or self.run.get("source")
        return str(told or (self.model.provenance.data or {}).get("source") or "images in memory")

    @property
    def parts(self) -> dict[str, ImageSet]:
        """The images of each split."""
        return {"train": self.splits.train, "validation": self.splits.valid, "test": self.splits.test}

    def class_counts(self) -> dict[str, np.ndarray]:
        """Return {split: images of each class, int64 (k,)}."""
        k = len(self.splits.train.classes)
        return {name: np.bincount(part.labels[part.labels >= 0], minlength=k) for name, part in self.parts.items()}
