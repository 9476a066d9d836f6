"""The check with random weights: does the model answer to this image as no copy of it does that has learned nothing?

In each copy the weights of every layer are shuffled among themselves. A model that has learned nothing is as good as
any of its copies, whatever its weights were drawn from, so that it stands out by chance alone: once in so many copies.

Source: Adebayo et al. 2018, "Sanity Checks for Saliency Maps", there with new weights.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import binom
from torch import Tensor, nn

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.heads.neighbours import Neighbours
from striate.classifier.heads.trees import Trees
from striate.explanation.subject import Subject, answers_of, hidden_ways, log_odds
from striate.explanation.trial import random_maps

# So many copies of models of small images, and of large ones.
_COPIES, _COPIES_OF_LARGE, _SMALL_PX = 39, 19, 64
# By chance a model that has learned nothing is ahead of all 39 copies once in 40 times. It is ahead by half of the way
# from their median to the furthest once in 190 (measured: 3,276 copies of 42 nets at first weights, each against the
# other 38), which trained nets nearly always are.
_AHEAD = 1.5
# Larger weights are shuffled along their axes, which is as good and far quicker.
_MOST_SHUFFLED = 1_000_000


@dataclass(frozen=True)
class Learned:
    """How an image's evidence compares with that for copies of the model with shuffled weights.

    Arguments:
        evidence: what the class's log-odds lose when parts of the image, and all of it, are hidden, on average.
        shuffled: the same of each copy, for the class of the same rank in its answer.
        guessing: the chance that guessing the commonest class would tell the kept validation images as well as the
            model does; None where it keeps none.
    """

    evidence: float
    shuffled: tuple[float, ...]
    guessing: float | None = None

    @property
    def p_value(self) -> float:
        """How often a model that has learned nothing would answer as much to this image by chance."""
        return (1 + sum(one >= self.evidence for one in self.shuffled)) / (1 + len(self.shuffled))

    @property
    def stands_out(self) -> bool:
        """Whether it is so far ahead of all copies that chance hardly ever is."""
        if not self.shuffled:
            return True
        middle, most = float(np.median(self.shuffled)), max(self.shuffled)
        return self.evidence > middle + _AHEAD * (most - middle)


def compare_with_shuffled(subject: Subject) -> Learned:
    """Return how much a model's answer rests on the image, beside copies of it that know nothing."""
    (half,) = random_maps(subject.size, 1, seed=1) > 0
    # Each way to hide has its turn, whichever suits this model better: to choose would favour it over its copies.
    blurred, mean = hidden_ways(subject.pixels)
    images = np.stack([subject.pixels, *(np.where(half[..., None], *pair) for pair in (
        (blurred, subject.pixels), (subject.pixels, mean))), blurred, mean])  # fmt: skip
    rank = int((subject.logits > subject.logits[subject.target]).sum())
    evidence = _evidence(subject.model, images, rank)
    copies = _COPIES if max(subject.size) <= _SMALL_PX else _COPIES_OF_LARGE
    values = [_evidence(shuffled(subject.model, seed), images, rank) for seed in range(copies)]
    return Learned(evidence, tuple(values), guessing_chance(subject.model))


def guessing_chance(model: Classifier) -> float | None:
    """Return the chance of telling as many of the kept validation images by guessing; None where none are kept."""
    golden = model.samples.golden
    if golden is None or not len(golden.labels):
        return None
    right = int((answers_of(model, golden.images).argmax(1) == golden.labels).sum())
    common = np.bincount(golden.labels).max() / len(golden.labels)
    return float(binom.sf(right - 1, len(golden.labels), common))


def stands_on_pixels(model: Classifier) -> bool:
    """Return whether a model is a head that was fitted to pixels, so that it has no weights to start from."""
    module = model.module
    return isinstance(module, FittedModule) and (module.body is None or not any(True for _ in module.body.parameters()))


def _evidence(model: Classifier, images: np.ndarray, rank: int) -> float:
    """Return the log-odds of the class of this rank for the first image, less the mean of those for the others."""
    logits = answers_of(model, images)
    scores = log_odds(logits, int(np.argsort(-logits[0], kind="stable")[rank]))
    return float(scores[0] - scores[1:].mean())


def shuffled(model: Classifier, seed: int) -> Classifier:
    """Return a copy of a model whose weights are shuffled layer by layer, and what its head stores with them."""
    module, generator = copy.deepcopy(model.module), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, Neighbours):
                part.labels = part.labels[torch.randperm(len(part.labels), generator=generator)]
            elif isinstance(part, Trees):
                _shuffle_leaves(part, generator)
            else:
                _shuffle_own(part, generator)
    return replace(model, module=module.eval())


def _shuffle_own(part: nn.Module, generator: torch.Generator) -> None:
    for own in (part._parameters, part._buffers):
        for value in own.values():
            if value is not None and value.ndim >= 2 and value.is_floating_point():
                value.copy_(_shuffled(value, generator))


def _shuffled(value: Tensor, generator: torch.Generator) -> Tensor:
    if value.numel() <= _MOST_SHUFFLED:
        order = torch.randperm(value.numel(), generator=generator).to(value.device)
        return value.flatten()[order].reshape(value.shape)
    for axis, length in enumerate(value.shape):
        value = value.index_select(axis, torch.randperm(length, generator=generator).to(value.device))
    return value


def _shuffle_leaves(trees: Trees, generator: torch.Generator) -> None:
    own = torch.arange(len(trees.left), device=trees.left.device)
    leaves = torch.nonzero(trees.left == own)[:, 0]
    order = leaves[torch.randperm(len(leaves), generator=generator).to(leaves.device)]
    trees.value = trees.value.index_copy(0, leaves, trees.value[order])
