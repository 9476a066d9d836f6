"""What a user asks to be fitted: one baseline or a choice among several, on pixels or on the features of a net."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from striate.baselines.candidates import CHOICE, Candidate, best_candidate, fit_candidates
from striate.baselines.registry import BASELINES, Baseline, is_baseline, read_baseline
from striate.classifier.classifier import Classifier
from striate.classifier.features import Features
from striate.data.decoding.pixels import Fit
from striate.data.imageset import ImageSet
from striate.errors import ArgumentError, unknown
from striate.observer import Observer


@dataclass(frozen=True, eq=False)
class Task:
    """Stands where a net would in a plan, for what is fitted and not trained by steps.

    Arguments:
        baselines: one, or several of which the best is kept.
        features: what they are fitted to; None for pixels.
    """

    baselines: tuple[Baseline, ...]
    features: Features | None = None

    def __str__(self) -> str:
        named = str(self.baselines[0]) if len(self.baselines) == 1 else "auto"
        return f"{named} on features of {self.features.of}" if self.features else named

    def fit(
        self, train: ImageSet, valid: ImageSet, fit: Fit, seed: int, observer: Observer
    ) -> tuple[Classifier, float]:
        """Return the classifier that does best on the validation images, and the seconds that it took to find.

        Of several, the figures of each are told, and kept in the provenance as `candidates`.
        """
        start = time.perf_counter()
        candidates = fit_candidates(
            self.baselines, train, valid, features=self.features, fit=fit, seed=seed, observer=observer
        )
        chosen = best_candidate(candidates)
        best = chosen.classifier
        if chosen.valid:
            best = replace(best, provenance=best.provenance | {"valid_accuracy": chosen.valid.accuracy})
        if len(candidates) > 1:
            figures = [_figures(one) for one in candidates]
            best = replace(best, provenance=best.provenance | {"candidates": figures})
        return best, time.perf_counter() - start


def _figures(one: Candidate) -> dict[str, Any]:
    """Return what is told of a candidate, as plain values."""
    return {
        "net": one.classifier.provenance["fitted"],
        "valid_accuracy": one.valid and one.valid.accuracy,
        "valid_interval": one.valid and list(one.valid.interval),
        "fit_s": round(one.fit_s, 2),
    }


def read_task(net: Any, features: Features | None, recipe: Any, settings: Mapping[str, Any]) -> Task | None:
    """Return the task that `net` and `features` mean, None where a net is to be trained.

    Arguments:
        net: among features "auto", and the default, mean a choice of all that can be fitted to them.
        recipe, settings: what was asked of training by steps; only a seed fits.

    Raises:
        ArgumentError, NotationError: an option that cannot be, a net on features, settings that decide nothing here.
    """
    if not is_baseline(net) and features is None:
        return None
    if net in ("auto", "swift"):
        baselines = [BASELINES[name] for name in CHOICE]
    elif is_baseline(net):
        baselines = [read_baseline(net)]
    else:
        raise ArgumentError(unknown("baseline to fit to features", str(net)[:60], ["auto", *BASELINES]))
    given = {"recipe": None if recipe == "auto" else recipe, **settings}
    if spare := [name for name, value in given.items() if value is not None and name != "seed"]:
        named = "auto" if len(baselines) > 1 else baselines[0].name
        takes = f"It takes a seed, and options as in {_example(baselines[0])}" if baselines[0].defaults else ""
        raise ArgumentError(
            f"{', '.join(spare)} must be left out with {named}, which is fitted at once, not trained by steps. {takes}"
        )
    return Task(tuple(baselines), features)


def _example(baseline: Baseline) -> str:
    values = {int: 5, float: 0.1, str: "l1"}
    return str(replace(baseline, options={key: values[type(value)] for key, value in baseline.defaults.items()}))
