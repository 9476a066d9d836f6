"""The robustness card of a run: measured when somebody asks, kept in its folder for every report of the same model."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

from striate.classifier.bulk.answers import model_digest
from striate.classifier.classifier import Classifier
from striate.classifier.provenance import Provenance
from striate.data.imageset import ImageSet
from striate.observer import Progress
from striate.runs.folder import RunFolder
from striate.system.files import write_atomically

CARD = "robustness.json"


def keep_card(folder: RunFolder, model: Classifier, images: ImageSet, progress: Progress) -> None:
    """Measure the card of a run's model on the images that judge it, and keep it; without images there is none."""
    from striate.evaluation.robustness.judging import card_of

    if not len(images):
        return
    card = card_of(model, images, images.labels, progress)
    kept = {"model": answers_digest(model), "card": card.to_json()}
    write_atomically(folder.path / CARD, json.dumps(kept, indent=1) + "\n")


def kept_section(folder: RunFolder, model: Classifier) -> str:
    """Return the card that was kept, as a fragment of HTML; empty where there is none or it is of another model."""
    path = folder.path / CARD
    if not path.exists():
        return ""
    from striate.evaluation.robustness.card import RobustnessCard
    from striate.evaluation.robustness.section import card_section

    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        kept = json.loads(path.read_text("utf-8"))
        if kept["model"] == answers_digest(model):
            return card_section(RobustnessCard.from_json(kept["card"]))
    return ""


def answers_digest(model: Classifier) -> str:
    """Return a digest of what makes a model's answers; how it came about, seconds among it, is not asked."""
    return model_digest(replace(model, provenance=Provenance()))
