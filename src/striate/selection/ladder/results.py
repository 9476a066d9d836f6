"""What the rungs came to, which of them is chosen, and what may be said of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.imageset import ImageSet
from striate.metrics.by_class import Metric, metric_words
from striate.metrics.comparison import Comparison, compare_paired
from striate.metrics.evaluation import Evaluation
from striate.metrics.intervals import difference_interval
from striate.selection.ladder.ground import spread
from striate.units import percent, say_duration

# How many images tell how long one takes; what is through with them sooner than that is asked twice.
MEASURED_IMAGES, QUICK_S = 32, 0.3
# Of the width of a 95 % interval, how far off is as good: about a quarter of a standard error. At a whole one surer
# but worse models won.
NEAR_SHARE = 1 / 16
# Of so many probabilities the loss is computed at most: of thousands of classes those of a part of the images will do.
LOSS_NUMBERS = 4_000_000


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
        log_loss: on the images that choose, at the best temperature: how sure it is where it is right.
        groups: int (n,), which of those images belong together; None where each stands alone.
        classifier: None where it was climbed before a resume.
    """

    name: str
    valid: Evaluation
    right: np.ndarray
    fit_s: float
    size_bytes: int
    image_ms: float
    is_net: bool
    log_loss: float = float("inf")
    groups: np.ndarray | None = None
    classifier: Classifier | None = None


@dataclass(frozen=True)
class Skipped:
    """A rung that was not climbed, and why."""

    name: str
    reason: str


def best_result(results: Sequence[Result], metric: Metric = "accuracy") -> Result:
    """Return the result that does best by a metric; where others are within noise of it, that of the least log loss.

    Within noise is what a paired comparison by groups cannot tell apart, and no further off than a small part of the
    interval of the best; of equals the first, which is the simplest.
    """
    top = max(results, key=lambda one: one.valid.score(metric))
    if top.log_loss == float("inf"):
        return top
    low, high = _interval(top, metric)

    def is_near(one: Result) -> bool:
        behind = top.valid.score(metric) - one.valid.score(metric)
        return behind <= NEAR_SHARE * (high - low) and not (metric == "accuracy" and _worse(one, top))

    return min((one for one in results if one is top or is_near(one)), key=lambda one: one.log_loss)


def _interval(one: Result, metric: Metric) -> tuple[float, float]:
    """Return the 95 % interval of a result's figure, counting groups."""
    names = {"balanced-accuracy": "balanced_interval", "macro-f1": "macro_f1_interval"}
    return getattr(one.valid, names.get(metric, "interval"))


def _worse(one: Result, other: Result) -> bool:
    comparison = compare_paired(other.right, one.right, groups=other.groups)
    return comparison.beyond_noise and comparison.difference > 0


def verdict(results: Sequence[Result], metric: Metric = "accuracy") -> str:
    """Return in one sentence whether a net beats the simple methods here, by how much, and whether beyond noise.

    Accuracies are compared image by image; of other metrics the intervals of the two are, which sees less.
    """
    simple, nets = ([one for one in results if one.is_net == kind] for kind in (False, True))
    if not results:
        return "Nothing was tried."
    if not nets:
        return f"There was time for no net: {best_result(simple, metric).name} is the best of the simple methods."
    if not simple:
        return f"No simple method was tried: {best_result(nets, metric).name} is the best of the nets."
    plain, net = best_result(simple, metric), best_result(nets, metric)
    gain, beyond, told = _difference(net, plain, metric)
    of, by = ("", "") if metric == "accuracy" else (f" of {metric_words(metric)}", f" by {metric_words(metric)}")
    sides = (f"{one.name} {percent(one.valid.score(metric))}" for one in (net, plain))
    told = f"{' against '.join(sides)} ({told})"
    if beyond and gain > 0:
        return f"A net beats the simple methods here by {100 * gain:.1f} points{of}, {told}."
    if beyond:
        return f"The simple methods win here{by}: {told}."
    return f"No net beats the simple methods here{by} beyond noise: {told}."


def _difference(net: Result, plain: Result, metric: Metric) -> tuple[float, bool, str]:
    """Return by how much a net does better, whether that is beyond noise, and the interval in words."""
    if metric == "accuracy":
        one = compare_paired(net.right, plain.right, groups=net.groups)
        (low, high), gain, beyond, p = one.interval, one.difference, one.beyond_noise, f", p {_p(one)}"
    else:
        own, other = net.valid.score(metric), plain.valid.score(metric)
        low, high = difference_interval(own, other, _interval(net, metric), _interval(plain, metric))
        gain, beyond, p = own - other, not low <= 0 <= high, ""
    return gain, beyond, f"{100 * low:+.1f} to {100 * high:+.1f} points{p}"


def lost(results: Sequence[Result], chosen: Result, most_s: float, metric: Metric = "accuracy") -> list[str]:
    """Return a line for each rung that took more than `most_s` seconds and was not chosen."""
    return [
        f"{one.name} took {say_duration(one.fit_s)} and {_against(one, chosen, metric)}"
        for one in results
        if one is not chosen and one.fit_s > most_s
    ]


def _against(one: Result, chosen: Result, metric: Metric) -> str:
    """Return why a result was not chosen: it does worse, or is within noise and less sure where it is right."""
    own, other = one.valid.score(metric), chosen.valid.score(metric)
    words = "" if metric == "accuracy" else f" in {metric_words(metric)}"
    sides = f"{percent(own)} against {percent(other)} of {chosen.name}{words}"
    if own < other:
        return f"lost: {sides}"
    if chosen.log_loss < one.log_loss:
        return f"was not chosen: {sides}, which is surer (log loss {chosen.log_loss:.3f} against {one.log_loss:.3f})"
    return f"was not chosen: {sides}, which came first"


def loss_rows(images: int, classes: int) -> np.ndarray:
    """Return which of so many images the log loss is measured on, int64 (m,): of many classes a part."""
    return spread(np.arange(images), min(1.0, LOSS_NUMBERS / max(1, images * classes)))


def calibrated_log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean log loss at the temperature that makes it least.

    A net that was taught with smoothed labels is too modest, and one that has learned its images by heart too sure:
    both can be mended afterwards, and neither is a reason to choose another.

    Arguments:
        probabilities: float (n, k).
        labels: int64 (n,).

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    if not len(labels):
        return float("inf")
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-9))
    own = logits[np.arange(len(labels)), labels]

    def loss(log_scale: float) -> float:
        scale = np.exp(log_scale)
        return float((logsumexp(scale * logits, axis=1) - scale * own).mean())

    return float(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").fun)  # pyright: ignore[reportAttributeAccessIssue]


def measure_model(model: Classifier, images: ImageSet) -> tuple[int, float]:
    """Return the bytes of the model's file and the milliseconds that it takes for an image."""
    some = images.subset(np.arange(min(len(images), MEASURED_IMAGES)))
    seconds = []
    while not seconds or (len(seconds) < 2 and seconds[0] < QUICK_S):  # the first of a quick one is mostly its start
        start = time.perf_counter()
        model.predict_proba(some)
        seconds.append(time.perf_counter() - start)
    image_ms = 1000 * min(seconds) / max(1, len(some))
    with suppress(OSError), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.striate"
        model.save(path)
        return path.stat().st_size, image_ms
    return sum(value.nbytes for value in model.module.state_dict().values()), image_ms  # no room for so much elsewhere


def _p(one: Comparison) -> str:
    return "< 0.001" if one.p_value < 0.001 else f"= {one.p_value:.3f}"
