"""From images to a fitted `Classifier`: one baseline, or the best of several on the same features."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from striate.baselines.examples import Examples
from striate.baselines.feature_selection import choose_features
from striate.baselines.registry import Baseline, read_baseline
from striate.classifier.classifier import Classifier
from striate.classifier.features import Features, pixel_features
from striate.classifier.heads.fitted import Fitted, FittedModule, Selection
from striate.classifier.provenance import Provenance
from striate.data.decoding.pixels import Fit
from striate.data.imageset import ImageSet
from striate.metrics.by_class import Metric
from striate.metrics.evaluation import Evaluation, evaluate_outcomes
from striate.metrics.outcomes import Outcomes
from striate.observer import Observer

_AT_ONCE = 1024
# Tried where the choice is left to us.
CHOICE = ("boosted", "forest", "tree", "logistic", "svm")


@dataclass(frozen=True, eq=False)
class Candidate:
    """One baseline, fitted.

    Arguments:
        valid: how it does on the validation images; None where there are none.
        loss: its mean log-loss there, which decides between equals.
        fit_s: seconds to fit it, without those for the features.
    """

    classifier: Classifier
    valid: Evaluation | None
    loss: float
    fit_s: float


def fit_baseline(
    name: str | Baseline,
    train: ImageSet,
    valid: ImageSet,
    *,
    features: Features | None = None,
    fit: Fit = "crop",
    seed: int = 0,
    observer: Observer | None = None,
    balanced: bool = False,
) -> Classifier:
    """Return the classifier of a baseline fitted to images.

    Arguments:
        name: a baseline, perhaps with options: 'neighbours(k=5, metric="l1")'.
        train: images to fit to.
        valid: images to choose options by, of the same size and classes; may be empty.
        features: what is made of the images, from `net_features`; None for their pixels.
        fit: how images of other sizes are fitted later, where the features are pixels.
        seed: the same seed gives the same classifier.
        observer: hears what is chosen and left out, and how far it is.
        balanced: whether every class counts as much, where the baseline can do that.

    Raises:
        NotationError, ArgumentError: no such baseline, or an option that cannot be.
    """
    return fit_candidates(
        [name], train, valid, features=features, fit=fit, seed=seed, observer=observer, balanced=balanced
    )[0].classifier


def fit_candidates(
    names: Sequence[str | Baseline],
    train: ImageSet,
    valid: ImageSet,
    *,
    features: Features | None = None,
    fit: Fit = "crop",
    seed: int = 0,
    observer: Observer | None = None,
    balanced: bool = False,
) -> list[Candidate]:
    """Return several baselines, each fitted to the same features of the same images; arguments as `fit_baseline`."""
    baselines = [read_baseline(name) if isinstance(name, str) else name for name in names]
    observer = observer or Observer()
    features = features or pixel_features(train.image_shape, fit)
    data = _Data(train, valid, features, seed, observer, balanced)
    return [data.fit(baseline) for baseline in baselines]


def best_candidate(candidates: Sequence[Candidate], metric: Metric = "accuracy") -> Candidate:
    """Return the candidate that does best on the validation images by a metric; of equals, that of the least loss."""
    return max(candidates, key=lambda one: (one.valid.score(metric) if one.valid else 0.0, -one.loss))


class _Data:
    """The matrices of a set of images, made once for several baselines."""

    def __init__(
        self, train: ImageSet, valid: ImageSet, features: Features, seed: int, observer: Observer, balanced: bool
    ):
        self.features, self.observer, self.classes = features, observer, train.classes
        learned = features.model.trained_on if features.model else train.hashes[:0]  # what made the features
        self.seen = np.unique(np.concatenate([train.hashes, valid.hashes, learned]))
        self.known_images = int(np.isin(train.hashes, learned).sum())
        # A class without a training image is never predicted; the heads do not know of it.
        self.present = np.unique(train.labels)
        known = np.isin(valid.labels, self.present)
        self.groups = None if valid.groups is None else valid.groups[np.argsort(~known, kind="stable")]
        self.raw = Examples(
            features.extract(train, observer),
            np.searchsorted(self.present, train.labels),
            features.extract(valid.subset(np.flatnonzero(known)), observer),
            np.searchsorted(self.present, valid.labels[known]),
            len(self.present),
            seed,
            observer,
            balanced,
        )
        self.unknown_labels = valid.labels[~known]
        self._scaled: tuple[Selection, Examples] | None = None

    def fit(self, baseline: Baseline) -> Candidate:
        """Return the baseline, fitted and judged on the validation images."""
        start = time.perf_counter()
        selection, examples = self._selected(baseline)
        head = baseline.fit(examples)
        module = FittedModule(self.features.body, selection, head, torch.from_numpy(self.present), len(self.classes))
        fit_s = time.perf_counter() - start
        name = f"{baseline} on features of {self.features.of}" if self.features.of else str(baseline)
        body = self.features.body
        classifier = Classifier(
            self.classes,
            self.features.preprocessing,
            Fitted(name, body.net if body else None),
            module.eval(),
            Provenance(
                fitted=str(baseline), features=self.features.of or "pixels", features_knew=self.known_images or None
            ),
            self.seen,
        )
        return Candidate(classifier, *self._judge(module, examples), fit_s)

    def _selected(self, baseline: Baseline) -> tuple[Selection, Examples]:
        """Return which features the baseline gets, and the examples with those."""
        raw = self.raw
        if not self.features.of and not baseline.scales:
            if baseline.name == "neighbours" and raw.features.dtype != np.uint8:  # shrunken pixels are pixels still
                raw = raw.changed(lambda features: np.rint(features).astype(np.uint8))
            return Selection.everything(raw.features.shape[1]), raw
        if self._scaled is None:
            selection = choose_features(raw.features, self.observer, raw.seed)
            self._scaled = selection, raw.changed(lambda rows: selection(_as_tensor(rows)).numpy())
        return self._scaled

    def _judge(self, module: FittedModule, examples: Examples) -> tuple[Evaluation | None, float]:
        """Return the evaluation and the log-loss on the validation images."""
        if not examples.can_choose:
            return None, 0.0
        # Block by block: of many classes a number for each and image would fill the memory.
        said: list[Outcomes] = []
        labels = self.present[examples.valid_labels]
        for start in range(0, len(labels), _AT_ONCE):
            rows = _as_tensor(examples.valid_features[start : start + _AT_ONCE])
            with torch.inference_mode():
                probabilities = module.classify(rows.float()).softmax(1).numpy()
            said.append(Outcomes.of(probabilities, labels[start : start + _AT_ONCE]))
        for start in range(0, len(self.unknown_labels), _AT_ONCE):
            unknown = self.unknown_labels[start : start + _AT_ONCE]
            never = np.full((len(unknown), len(self.classes)), 1 / len(self.classes), np.float32)
            never[:, self.present[0]] += 1e-6  # never right
            said.append(Outcomes.of(never, unknown))
        outcomes = Outcomes.joined(said)
        loss = float(-np.log(np.maximum(outcomes.true, 1e-9)).mean())
        return evaluate_outcomes(outcomes, self.classes, groups=self.groups), loss


def _as_tensor(features: np.ndarray) -> torch.Tensor:
    """Return features as a tensor; those of a file that is mapped are copied, for torch has no tensor to read only."""
    return torch.from_numpy(features if features.flags.writeable else features.copy())
