"""Whether what judges is like what is learned from: shares of classes, brightness, contrast, sizes, and all at once.

Every difference is tested on independent images (one of each group of copies), the tests are corrected for their
number (Holm 1979), and a difference must also be large enough to matter: with many images, hairs are significant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from striate.checks.examined import Examined
from striate.checks.finding import Finding, Severity
from striate.units import percent

# Fewer independent images than these in a split say nothing.
FEWEST = 20
SIGNIFICANT = 0.001
# What matters: shares of classes that differ by so much in sum; a figure that is larger in so much more than half of
# the pairs of images; splits that can be told apart for so many pairs.
LEAST_SHARES, LEAST_HALF, LEAST_AREA, SERIOUS_AREA = 0.05, 0.06, 0.6, 0.75
# A domain classifier learns from at most so many images a split, and looks at images this small.
MOST, SIDE = 1500, 8
FOLDS = 5


@dataclass(frozen=True)
class Difference:
    """One way in which two splits differ.

    Arguments:
        what: in words.
        p: the probability of as much by chance, before it is corrected.
        matters: whether it is large enough.
        size: how large, by a name and a number.
    """

    what: str
    p: float
    matters: bool
    size: tuple[str, float]


def find_shifts(examined: Examined) -> list[Finding]:
    """Return how the source's own validation and test images differ from those it trains on."""
    alone, splits = examined.alone, examined.images.splits
    train = alone[splits[alone] == "train"]
    found, looked_at = [], []
    for judged in ("test", "valid"):
        rows = alone[splits[alone] == judged]
        if min(len(train), len(rows)) >= FEWEST:
            looked_at += [(judged, rows, one) for one in _differences(examined, train, rows)]
    kept = _holm(np.array([one.p for _, _, one in looked_at]))
    for judged in ("test", "valid"):
        own = [one for (split, _, one), sure in zip(looked_at, kept, strict=True) if split == judged and sure]
        if own := [one for one in own if one.matters]:
            found.append(_finding(judged, own, len(looked_at)))
    return found


def _finding(judged: str, differences: list[Difference], looked_at: int) -> Finding:
    sizes = {name: round(value, 4) for name, value in (one.size for one in differences)}
    area = sizes.get("domain_auc", 0.5)
    severity: Severity = "serious" if area >= SERIOUS_AREA else "warning"
    what = "test" if judged == "test" else "validation"
    return Finding(
        "shift", severity,
        f"the {what} images differ from the training images: {'; '.join(one.what for one in differences)}",
        f"{what} figures hold for images like the {what} images, and training teaches others",
        "find out how they came about: another camera, place, day or choice of images. If use is like the "
        f"{what} images, train on some of that kind; if not, judge by others",
        weight=200 * abs(area - 0.5),
        figures={"split": judged, "differences": sizes, "looked_at": looked_at},
    )  # fmt: skip


def _holm(p: np.ndarray) -> np.ndarray:
    """Return bool (m,): what stays significant among so many tests (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    passed = p[order] * (len(p) - np.arange(len(p))) < SIGNIFICANT
    kept = np.zeros(len(p), bool)
    kept[order] = np.logical_and.accumulate(passed)
    return kept


def _differences(examined: Examined, train: np.ndarray, judged: np.ndarray) -> Iterator[Difference]:
    looks = examined.appearance
    yield from _class_shares(examined, train, judged)
    sizes = np.sqrt(looks.heights * looks.widths.astype(np.float64))
    figures = {
        "brightness": ("brighter", "darker", looks["mean"]),
        "contrast": ("of more contrast", "of less contrast", looks["spread"]),
        "size": ("larger", "smaller", sizes),
        "aspect": ("wider", "narrower", looks.widths / looks.heights),
    }
    for name, (more, less, values) in figures.items():
        if len(np.unique(values[train])) > 1 or len(np.unique(values[judged])) > 1:
            yield _rank_test(name, more, less, values[train], values[judged])
    yield _told_apart(examined, train, judged)


def _class_shares(examined: Examined, train: np.ndarray, judged: np.ndarray) -> Iterator[Difference]:
    """Compare shares of the classes by chi-square."""
    from scipy.stats import chi2_contingency

    count = len(examined.images.classes)
    labels = [examined.labels[rows] for rows in (train, judged)]
    table = np.stack([np.bincount(own[own >= 0], minlength=count) for own in labels])
    table = table[:, table.sum(0) > 0]
    if table.shape[1] < 2 or not table.sum(1).all():
        return
    shares = table / table.sum(1, keepdims=True)
    apart = float(np.abs(shares[0] - shares[1]).sum() / 2)
    what = f"shares of classes differ by {percent(apart, 0)} in sum"
    p = float(chi2_contingency(table)[1])  # pyright: ignore[reportArgumentType]
    yield Difference(what, p, apart >= LEAST_SHARES, ("class_shares", apart))


def _rank_test(name: str, more: str, less: str, train: np.ndarray, judged: np.ndarray) -> Difference:
    """Compare a figure by ranks (Mann and Whitney 1947): how often is it larger in one than in the other?"""
    from scipy.stats import mannwhitneyu

    test = mannwhitneyu(judged, train)
    larger = float(test.statistic) / (len(judged) * len(train))
    what = f"they are {more if larger > 0.5 else less} in {percent(max(larger, 1 - larger), 0)} of pairs"
    return Difference(what, float(test.pvalue), abs(larger - 0.5) >= LEAST_HALF, (name, larger))


def _told_apart(examined: Examined, train: np.ndarray, judged: np.ndarray) -> Difference:
    """Say how well a logistic regression on small pictures tells the splits apart, on images that it has not seen.

    Source: the classifier two-sample test (Lopez-Paz and Oquab 2017); the variance of the area under the curve is that
    of DeLong et al. (1988).
    """
    from scipy.stats import norm
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    rows = [np.sort(rng.permutation(own)[:MOST]) for own in (train, judged)]
    side = np.repeat([0, 1], [len(own) for own in rows])
    seen = _small_pictures(examined, np.concatenate(rows))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=200))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    scores = np.asarray(cross_val_predict(model, seen, side, cv=folds, method="decision_function"))
    area, error = _area_under_curve(scores[side == 1], scores[side == 0])
    low, high = max(0.0, area - 1.96 * error), min(1.0, area + 1.96 * error)
    p = float(norm.sf((area - 0.5) / max(error, 1e-9)))
    span = f"{100 * low:.0f} to {percent(high, 0)}"
    what = f"told apart by their looks for {percent(area, 0)} of pairs ({span}; 50 % is chance)"
    return Difference(what, p, area >= LEAST_AREA, ("domain_auc", area))


def _small_pictures(examined: Examined, rows: np.ndarray) -> np.ndarray:
    """Return float32 (m, d): images at 8 × 8 pixels, and how they look."""
    images = examined.images
    height, width, channels = images.image_shape
    tall, wide = min(SIDE, height), min(SIDE, width)
    top, left = np.arange(tall + 1) * height // tall, np.arange(wide + 1) * width // wide
    small = np.empty((len(rows), tall, wide, channels), np.float32)
    for i, row in enumerate(images.rows[rows]):
        sums = np.add.reduceat(np.add.reduceat(images.pixels[row].astype(np.float32), top[:-1], 0), left[:-1], 1)
        small[i] = sums / (np.diff(top)[:, None, None] * np.diff(left)[None, :, None])
    return np.concatenate([small.reshape(len(rows), -1), examined.appearance.figures[rows]], 1)


def _area_under_curve(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float]:
    """Return the share of pairs in which the positive has the higher score, and its standard error (DeLong 1988)."""
    from scipy.stats import rankdata

    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - rankdata(positive)) / n
    below = 1 - (ranks[m:] - rankdata(negative)) / m
    return float(above.mean()), float(np.sqrt(above.var(ddof=1) / m + below.var(ddof=1) / n))
