"""The ladder: from the majority to nets, each rung within its part of the budget, all judged on the same images."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.imageset import ImageSet
from striate.errors import StriateError
from striate.metrics.by_class import Metric
from striate.metrics.comparison import Comparison, compare_paired
from striate.metrics.evaluation import Evaluation, evaluate_probabilities
from striate.observer import Observers
from striate.selection.ladder.rungs import Ground, Rung, spread
from striate.training.engine.state import Interrupted

MEASURED_IMAGES = 64
# What no budget grudges a simple method.
MOMENT_S = 2.0
# A mirrored image is taken to keep its class if a simple classifier keeps this share of what it knows, by channels:
# digits leave it a quarter. Photographs leave it more, but not all, as places of pixels are what it knows; in colour
# they rarely mean something else in a mirror.
MIRRORS_KEEP = {1: 0.5, 3: 1 / 3}


@dataclass(frozen=True, eq=False)
class Result:
    """A rung that was climbed.

    Arguments:
        valid: how it did on the images that choose.
        right: bool (n,), which of them it got right.
        fit_s: seconds to fit it, judging included.
        size_bytes: of its file.
        image_ms: milliseconds to predict one image, in batches.
        is_net: whether it is a net that looks at neighbourhoods rather than a simple method.
        classifier: None where it was climbed before a resume.
    """

    name: str
    valid: Evaluation
    right: np.ndarray
    fit_s: float
    size_bytes: int
    image_ms: float
    is_net: bool
    classifier: Classifier | None = None


@dataclass(frozen=True)
class Skipped:
    """A rung that was not climbed, and why."""

    name: str
    reason: str


Parts = Sequence[tuple[np.ndarray, np.ndarray]]


def climb(
    rungs: Sequence[Rung],
    ground: Ground,
    parts: Parts,
    budget_s: float,
    done: Sequence[Result] = (),
    tell: Callable[[Result | Skipped], None] = lambda result: None,
) -> list[Result]:
    """Climb the rungs in their order and return what each came to.

    Arguments:
        rungs: the simplest first.
        ground: the images and what else they share.
        parts: (train, valid) positions in the ground's images: one pair, or one for each fold of a cross-validation.
        budget_s: seconds for all rungs together.
        done: results from before an interruption; their rungs are not climbed again.
        tell: hears of each result, and of each rung that the time does not carry, at once.

    Raises:
        Interrupted: the user wants to end; what was told of is done.
    """
    results, ends = list(done), time.perf_counter() + budget_s - sum(one.fit_s for one in done)
    for place, rung in enumerate(rungs):
        if rung.name in {one.name for one in results}:
            continue
        if rung.weight and ground.mirrors is None:
            ground = replace(ground, mirrors=mirrors_keep_classes(results, ground, parts))
        if ground.stop():
            raise Interrupted
        left = ends - time.perf_counter()
        seconds = allowance(rung, rungs[place + 1 :], left, budget_s)
        try:
            needed = rung.foresee(ground, *parts[0]) * (len(parts) + (len(parts) > 1))
            share = min(1.0, seconds / max(needed, 1e-9))
            if share < 1 and not (rung.divisible and seconds > 0):
                tell(Skipped(rung.name, f"would need about {needed:.0f} s; {max(0.0, seconds):.0f} s are left for it"))
                continue
            if share < 1:
                ground.observer.note(f"{rung.name}: on {share:.0%} of the images, as many as the budget allows")
            result = _climb_one(rung, ground, [(spread(train, share), valid) for train, valid in parts], seconds)
        except StriateError as error:
            tell(Skipped(rung.name, str(error)))
            continue
        results.append(result)
        tell(result)
    return results


def allowance(rung: Rung, later: Sequence[Rung], left: float, budget_s: float) -> float:
    """Return how many seconds a rung may take: its share of the budget, or its part of what others leave over."""
    if rung.share:
        return min(left, max(MOMENT_S, rung.share * budget_s))
    reserved = sum(one.share for one in later) * budget_s
    return (left - reserved) * rung.weight / (rung.weight + sum(one.weight for one in later))


def best_result(results: Sequence[Result], metric: Metric = "accuracy") -> Result:
    """Return the result that does best by a metric; of equals the first, which is the simplest."""
    return max(results, key=lambda one: one.valid.score(metric))


def mirrors_keep_classes(results: Sequence[Result], ground: Ground, parts: Parts) -> bool:
    """Return whether the best simple classifier so far knows mirrored images nearly as well.

    What it knows is its accuracy above that of the majority; where it knows nothing, mirrors are not risked.
    """
    kept = [one for one in results if one.classifier is not None]
    if len(results) < 2 or not kept:
        return False
    known, base = best_result(kept), min(one.valid.accuracy for one in results)
    held = ground.images.subset(np.concatenate([valid for _, valid in parts]))
    assert known.classifier is not None
    mirrored = known.classifier.predict_proba(np.ascontiguousarray(held.images[:, :, ::-1]))
    after = float((mirrored.argmax(1) == held.labels).mean())
    share = MIRRORS_KEEP[ground.images.image_shape[2]]
    keeps = after - base > share * (known.valid.accuracy - base) > 0.02
    verb = "are taken to keep their class" if keeps else "are not used"
    ground.observer.note(
        f"mirror images {verb}: {known.name} is right on {known.valid.accuracy:.1%}, mirrored on {after:.1%}"
    )
    return keeps


def verdict(results: Sequence[Result]) -> str:
    """Return in one sentence whether a net beats the simple methods here, by how much, and whether beyond noise."""
    simple, nets = ([one for one in results if one.is_net == kind] for kind in (False, True))
    if not simple or not nets:
        return f"{best_result(results).name} is the only kind of method tried." if results else "Nothing was tried."
    plain, net = best_result(simple), best_result(nets)
    one = compare_paired(net.right, plain.right)
    told = f"{100 * one.interval[0]:+.1f} to {100 * one.interval[1]:+.1f} points, p {_p(one)}"
    sides = f"{net.name} {net.valid.accuracy:.1%} against {plain.name} {plain.valid.accuracy:.1%}"
    if one.beyond_noise and one.difference > 0:
        return f"A net beats the simple methods here by {100 * one.difference:.1f} points, {sides} ({told})."
    if one.beyond_noise:
        return f"The simple methods win here: {sides} ({told})."
    return f"No net beats the simple methods here beyond noise: {sides} ({told})."


def _climb_one(rung: Rung, ground: Ground, parts: Parts, seconds: float) -> Result:
    """Fit a rung and judge it; of several parts each is judged by what the others taught, and all teach the last."""
    start, images = time.perf_counter(), ground.images
    if len(parts) == 1:
        train, valid = parts[0]
        model = rung.fit(ground, train, valid, seconds)
        probabilities, positions = model.predict_proba(images.subset(valid)), valid
    else:
        each = seconds / (len(parts) + 1)
        aside = replace(ground, folder=None, observer=Observers([ground.observer], only=("prepare", "step")))
        rows = []
        for train, valid in parts:
            model = rung.fit(aside, train, valid[:0], each)
            rows.append(model.predict_proba(images.subset(valid)))
            aside = replace(aside, like=model if aside.like is None else aside.like)
        probabilities, positions = np.concatenate(rows), np.concatenate([valid for _, valid in parts])
        model = rung.fit(replace(ground, like=aside.like), np.sort(positions), positions[:0], each)
    fit_s = time.perf_counter() - start
    labels = images.labels[positions]
    evaluation = evaluate_probabilities(probabilities, labels, images.classes)
    size_bytes, image_ms = _measure(model, images)
    right = probabilities.argmax(1) == labels
    return Result(rung.name, evaluation, right, fit_s, size_bytes, image_ms, rung.is_net, model)


def _measure(model: Classifier, images: ImageSet) -> tuple[int, float]:
    """Return the bytes of the model's file and the milliseconds that it takes for an image."""
    some = images.subset(np.arange(min(len(images), MEASURED_IMAGES)))
    start = time.perf_counter()
    model.predict_proba(some)
    image_ms = 1000 * (time.perf_counter() - start) / max(1, len(some))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.striate"
        model.save(path)
        return path.stat().st_size, image_ms


def _p(one: Comparison) -> str:
    return "< 0.001" if one.p_value < 0.001 else f"= {one.p_value:.3f}"
