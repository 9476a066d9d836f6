"""Models made in a moment, of every kind that is exported."""

from dataclasses import replace

import numpy as np

import striate
from striate.classifier.samples import Golden, Samples


def with_golden(model, images, labels):
    """The model with some images kept in it."""
    golden = Golden(images, labels.astype(np.int64), model.predict_proba(images))
    return replace(model, samples=Samples(golden, model.samples.memory))


def small_model(source="digits", net="conv(6, 3) bn relu maxpool(2) fc(16) relu fc(classes)", **options):
    """A trained model, quickly."""
    return striate.train(source, net=net, seed=0, **options)
