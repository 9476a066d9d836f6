"""The rungs that start from weights which have learned something else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import striate
from striate.metrics.evaluation import evaluate_probabilities
from striate.observer import Observer
from striate.selection.ladder.pretrained_rungs import FROZEN, TUNED, borrow, lend
from striate.selection.ladder.rungs import Ground


@pytest.fixture(scope="module")
def ground(digits_model, tmp_path_factory):
    """The digits, with a net that has learned them."""
    path = tmp_path_factory.mktemp("start") / "known.striate"
    digits_model.save(path)
    catalog = striate.read("digits").subset(np.arange(300))
    images = striate.prepare(catalog)
    device, observer = torch.device("cpu"), Observer()
    lent = lend(path, observer)
    assert lent is not None
    described = {"source": "digits", "format": "arrays", "images": len(images), "data": ""}
    ground = Ground(images, "crop", described, 0, device, observer, mirrors=False)
    borrowed = borrow(lent, catalog, ground, None)
    # Other names than those that it knows: so there must be a new head.
    images = replace(images, classes=tuple(f"digit {name}" for name in images.classes))
    known = replace(borrowed, images=lambda: images)
    return replace(ground, images=images, borrowed=known)


@pytest.mark.parametrize("rung", [FROZEN, TUNED])
def test_a_borrowed_net_is_of_use(ground, rung):
    train, valid = np.arange(200), np.arange(200, 300)
    assert rung.foresee(ground, train, valid) > 0
    model = rung.fit(ground, train, valid, 10.0)
    assert model.classes == ground.images.classes
    held = ground.images.subset(valid)
    assert evaluate_probabilities(model.predict_proba(held), held.labels, held.classes).accuracy > 0.7


def test_frozen_features_say_whose_they_are(ground):
    model = FROZEN.fit(ground, np.arange(60), np.arange(0), 5.0)
    assert str(model.net) == "svm on features of known.striate"
