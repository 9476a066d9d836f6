"""The names of the baselines, and reading one with its options as it is typed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from striate.baselines import discriminant, logistic, majority, neighbours, svm, trees
from striate.baselines.examples import Examples
from striate.calls import parse_calls
from striate.classifier.heads.head import Head
from striate.errors import ArgumentError, NotationError, unknown
from striate.observer import Observer


@dataclass(frozen=True)
class Baseline:
    """A way of classifying that is fitted rather than trained by steps, with options of its own.

    Arguments:
        fitter: fits it: from `Examples` and the options to a head.
        description: one line for people.
        scales: whether its features must be brought to one scale first.
        balances: whether it can count every class as much, however few its images.

    >>> print(read_baseline("neighbours(5, metric='l1')"))
    neighbours(k=5, metric="l1")
    """

    name: str
    fitter: Callable[..., Head]
    description: str
    scales: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    balances: bool = True

    def __str__(self) -> str:
        told = ", ".join(f'{key}="{v}"' if isinstance(v, str) else f"{key}={v}" for key, v in self.options.items())
        return f"{self.name}({told})" if told else self.name

    def fit(self, examples: Examples) -> Head:
        """Return the fitted head, for features as they are in the examples."""
        return self.fitter(examples, **self.options)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The options with their defaults, in the order in which they may be typed."""
        known = inspect.signature(self.fitter).parameters.values()
        return {one.name: one.default for one in known if one.kind is inspect.Parameter.KEYWORD_ONLY}

    def with_options(self, values: tuple[Any, ...], named: Mapping[str, Any]) -> Baseline:
        """Return the baseline with options by place and by name.

        Raises:
            ArgumentError: one that there is not, that is given twice, or of another type.
        """
        if len(values) > len(self.defaults):
            takes = ", ".join(self.defaults) or "no options"
            raise ArgumentError(f"{self.name} takes {takes}; got {len(values)} values")
        given = dict(zip(self.defaults, values, strict=False))
        for key, value in named.items():
            if key not in self.defaults:
                raise ArgumentError(
                    unknown(f"option of {self.name}", key, self.defaults)
                    if self.defaults
                    else f"{self.name} has no options; got {key}"
                )
            if key in given:
                raise ArgumentError(f"{self.name} got {key} twice. Say it once")
            given[key] = value
        return replace(self, options={key: self._checked(key, value) for key, value in given.items()})

    def _checked(self, key: str, value: Any) -> Any:
        kind = type(self.defaults[key])
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            told = {int: "a whole number", float: "a number", str: "a text in quotes"}[kind]
            raise ArgumentError(f"{key} of {self.name} must be {told}; got {value!r}")
        if kind is not str and not 0 < value < 1e6:
            raise ArgumentError(f"{key} of {self.name} must be above 0 and below a million; got {value}")
        return value


BASELINES: dict[str, Baseline] = {
    one.name: one
    for one in (
        Baseline("majority", majority.majority, "The most frequent class, whatever the image", balances=False),
        Baseline(
            "neighbours",
            neighbours.neighbours,
            "Vote of the nearest training images: k, metric (l1 or l2)",
            balances=False,
        ),
        Baseline("tree", trees.tree, "A decision tree: leaf (fewest images in a leaf)"),
        Baseline("forest", trees.forest, "A random forest: trees, leaf"),
        Baseline("boosted", trees.boosted, "Boosted trees on histograms: rounds, rate"),
        Baseline("logistic", logistic.logistic, "Logistic regression: c (weakness of the regularisation)", scales=True),
        Baseline("lda", discriminant.lda, "Linear discriminant analysis: shrinkage (of the covariance)", scales=True),
        Baseline("svm", svm.svm, "Support vectors with a Gaussian kernel: c (cost of a mistake)", scales=True),
    )
}


def is_baseline(text: Any) -> bool:
    """Return whether a text begins with the name of a baseline."""
    return isinstance(text, str) and _first_word(text) in BASELINES


def read_baseline(text: str) -> Baseline:
    """Return the baseline that a text such as 'neighbours(k=5, metric="l1")' means.

    Raises:
        NotationError: no such name, or the text cannot be read.
        ArgumentError: an option that there is not or that cannot be.
    """
    if not is_baseline(text):
        raise NotationError(unknown("baseline", _first_word(text), BASELINES))
    calls = parse_calls(text)
    if not calls:
        raise NotationError(f"a baseline must have a name; got {text!r}. Choices: {', '.join(BASELINES)}")
    if len(calls) > 1:
        raise NotationError(f"{calls[0].name} stands alone: nothing can follow it; got {text!r}")
    return BASELINES[calls[0].name].with_options(calls[0].args, calls[0].kwargs)


def _first_word(text: str) -> str:
    return next(iter(re.findall(r"\w+", text[:200])), "")


def fit_head(
    name: str | Baseline,
    features: np.ndarray,
    labels: np.ndarray,
    valid_features: np.ndarray,
    valid_labels: np.ndarray,
    classes: int,
    seed: int = 0,
    observer: Observer | None = None,
) -> Head:
    """Return a head fitted to plain matrices, as they are: `choose_features` picks and scales them first.

    Arguments:
        name: a baseline, perhaps with options.
        features, valid_features: float32 or uint8 (n, d) to fit to, and (m, d) to choose by; m may be 0.
        labels, valid_labels: int64 (n,), (m,), 0 … classes − 1; each class is among the labels to fit to.
        classes: how many there are.
        seed: the same seed gives the same head.
        observer: hears what is chosen and left out.
    """
    baseline = read_baseline(name) if isinstance(name, str) else name
    examples = Examples(features, labels, valid_features, valid_labels, classes, seed, observer or Observer())
    return baseline.fit(examples)
