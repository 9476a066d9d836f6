"""The verdict: how good the model is, whether a net is worth it, and what to be careful of; a sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from striate.evaluation.report.contents import ReportContents
from striate.evaluation.report.trust import promises_of
from striate.metrics.evaluation import Evaluation
from striate.units import percent

# An interval wider than this leaves open how good the model is; fewer test images of a class say nothing of it.
WIDE, FEW_OF_CLASS = 0.10, 10
# A calibration error that is surely above this is worth a word.
UNCALIBRATED = 0.01
# Of what there is to be careful of, so much stands in the verdict.
MOST_CARES = 5


def verdict_sentences(contents: ReportContents) -> tuple[str, str, str]:
    """Return the three sentences that stand at the top of a report."""
    cares = list(cares_of(contents))
    careful = "; ".join(cares[:MOST_CARES])
    more = f"; and {len(cares) - MOST_CARES} more below" if len(cares) > MOST_CARES else ""
    return (
        _how_good(contents),
        _worth(contents),
        f"Be careful: {careful}{more}." if cares else "Nothing stood out that calls for special care.",
    )


def _how_good(contents: ReportContents) -> str:
    judged = contents.judged
    if judged is None or not judged.total:
        return "Nobody knows how good the model is: no images were held back to judge it."
    low, high = judged.interval
    told = (
        f"Of {judged.total:,} {contents.judged_by} image{'s' * (judged.total != 1)} of {len(judged.classes):,} classes "
        f"it names {percent(judged.accuracy)} right (95 % interval {100 * low:.1f} to {percent(high, 1)}"
    )
    grouped = (
        f", counting {judged.groups:,} groups of images that belong together" if judged.groups < judged.total else ""
    )
    return f"{told}{grouped})."


def _worth(contents: ReportContents) -> str:
    """Say whether a net beats the simple methods, and what the simplest of all would come to."""
    told = contents.model.provenance
    share, name = most_frequent(contents.judged)
    always = f"always saying “{name}” would be right in {percent(share, 1)}" if name else ""
    if told.verdict:
        return told.verdict + (f" {always[0].upper()}{always[1:]}." if always else "")
    if told.tuning:
        many = told.tuning.get("trials", "several")
        best = f"It is the best of {many} trials, which tuning.html beside this page compares"
        return f"{best}; {always}." if always else f"{best}."
    what = "fitted" if told.fitted else "trained"
    alone = f"The model was {what} alone, so nobody knows whether a simpler or a better one would do as well"
    return f"{alone}; {always}." if always else f"{alone}."


def most_frequent(judged: Evaluation | None) -> tuple[float, str]:
    """Return the share of the most frequent class among judged images, and its name; none is (0, "")."""
    if judged is None or not judged.total:
        return 0.0, ""
    actual = judged.counts.actual
    return float(actual.max()) / judged.total, judged.classes[int(actual.argmax())]


def cares_of(contents: ReportContents) -> Iterator[str]:
    """Yield what to be careful of, the worst first."""
    judged, test = contents.judged, contents.test
    if test is None or not test.total:
        yield "no test images were held back, and figures on the images that chose the model flatter it"
    yield from _of_health(contents)
    if judged is None or not judged.total:
        return
    share, _ = most_frequent(judged)
    if judged.interval[0] <= share:
        yield "it is not surely better than always saying the most frequent class"
    if test and test.near_copies:
        without = f", without them {percent(test.without.accuracy)} are right" if test.without else ""
        yield (
            f"{test.near_copies:,} of the {test.total:,} test images are near copies of images that it was trained on "
            f"or chosen by{without}"
        )
    elif test and (seen := _known_before(contents)):
        yield (
            f"{seen:,} of the {test.total:,} test images had taught the net whose features or weights it began with, "
            "and flatter it"
        )
    yield from _of_confidence(judged)
    broken = [one.what for one in promises_of(contents.promises) if one.kept is False]
    yield from (f"the test images did not bear out that {what}" for what in broken)
    yield from _of_size(judged)
    yield from _of_classes(judged)
    ledger = contents.splits.train.ledger
    if ledger.skipped_share > 0.1:
        yield f"{percent(ledger.skipped_share, 0)} of the files could not be used"


def _known_before(contents: ReportContents) -> int:
    """Return how many test images the model knew before it was given its own training and validation images."""
    splits = contents.splits
    own = np.concatenate([splits.train.hashes, splits.valid.hashes])
    return int(np.isin(splits.test.hashes, np.setdiff1d(contents.model.trained_on, own)).sum())


def _of_health(contents: ReportContents) -> Iterator[str]:
    """Say what was wrong with the net's layers when they were last looked at; what to do about it stands below."""
    ills = [text for text in contents.health.get("health") or () if isinstance(text, str)]
    if ills:
        more = f", and {len(ills) - 1} more of its health" if len(ills) > 1 else ""
        yield f"{ills[0].split('. ')[0].removesuffix('.')}{more}"


def _of_confidence(judged: Evaluation) -> Iterator[str]:
    """Say where probabilities are too high or too low on average, beyond noise."""
    told = judged.reliability
    if told is None or told.interval[0] < UNCALIBRATED or abs(told.confidence - told.accuracy) < told.ece / 2:
        return
    side = "too sure" if told.confidence > told.accuracy else "not sure enough"
    yield f"it is {side}: {percent(told.confidence, 1)} said on average, {percent(told.accuracy, 1)} right"


def _of_size(judged: Evaluation) -> Iterator[str]:
    low, high = judged.interval
    if high - low > WIDE:
        of = f"{judged.groups:,} groups of images" if judged.groups < judged.total else f"{judged.total:,} images"
        yield f"{of} are few to judge by, the interval is {100 * (high - low):.0f} points wide"
    actual = judged.counts.actual
    if absent := int((actual == 0).sum()):
        yield f"{absent:,} {'class has' if absent == 1 else 'classes have'} no image that judges"
    elif few := int((actual < FEW_OF_CLASS).sum()):
        yield f"{few:,} {'class has' if few == 1 else 'classes have'} fewer than {FEW_OF_CLASS} images that judge"


def _of_classes(judged: Evaluation) -> Iterator[str]:
    if judged.uneven:
        yield (
            f"classes are uneven, each having the same say {percent(judged.balanced_accuracy)} are right "
            "(balanced accuracy)"
        )
    rows = [row for row in judged.per_class() if row["total"]]
    weak = [row for row in rows if row["interval"][1] < judged.interval[0]]
    if weak:
        worst = min(weak, key=lambda row: (row["accuracy"], row["class"]))
        others = f" and {len(weak) - 1:,} more" if len(weak) > 1 else ""
        yield f"it is weaker on “{worst['class']}” ({percent(worst['accuracy'], 0)} right){others}"


def title_of(contents: ReportContents) -> str:
    """Return what the page is called: what was trained on, and what was chosen."""
    told = contents.model.provenance
    name = Path(contents.source).name or contents.source
    return f"{name}: {told.chosen or told.fitted or _short(str(contents.model.net))}"


def _short(net: str) -> str:
    return net if len(net) <= 40 else "a net"
