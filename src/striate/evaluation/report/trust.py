"""How far to trust probabilities: the reliability diagram, and promises held against what the test images showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from striate.classifier.promises import CHANCE
from striate.evaluation.report.curves import Drawn
from striate.metrics.evaluation import Evaluation
from striate.metrics.reliability import Reliability
from striate.pages.plots import Plot, PlotAxis
from striate.units import percent


def draw_reliability(reliability: Reliability) -> Drawn:
    """Return the reliability diagram: how often what is said with some confidence is right.

    Source: DeGroot and Fienberg 1983; Wilson's intervals, counting groups, in place of bars without any.
    """
    bins = reliability.bins
    low = min([0.9, *(end for one in bins for end in (one.confidence, one.interval[0]))])
    start = next(start for start in (0.8, 0.5, 0.0) if low >= start or start == 0.0)
    step = {0.8: 5, 0.5: 10, 0.0: 20}[start]
    marks = tuple((mark / 100, f"{mark}") for mark in range(round(100 * start), 101, step))
    plot = Plot(PlotAxis(start, 1.0, "said probability, %", marks), PlotAxis(start, 1.0, "right, %", marks))
    parts = [plot.line([(start, start), (1.0, 1.0)], "faint")]
    for one in bins:
        said = f"{one.images:,} images: said {percent(one.confidence, 1)}, right {percent(one.accuracy, 1)}"
        parts.append(plot.whisker(one.confidence, *one.interval, "first"))
        parts.append(plot.dot(one.confidence, one.accuracy, "first", 3.5, said))
    worst = max(bins, key=lambda one: abs(one.confidence - one.accuracy))
    alt = (
        f"Reliability diagram of {len(bins)} bins. The furthest from the diagonal says "
        f"{percent(worst.confidence, 1)} and is right in {percent(worst.accuracy, 1)}."
    )
    caption = (
        "Each dot is an equal share of the images, with its 95 % interval; on the dotted diagonal what is said is as "
        "often right as it says, below it the model is too sure."
    )
    return Drawn(plot.svg(alt, *parts), caption)


def figure_rows(judged: Evaluation) -> list[tuple[str, str, str, str]]:
    """Return the figures of an evaluation: name, figure, 95 % interval, what is best."""
    rows = [
        ("accuracy", judged.accuracy, judged.interval),
        ("balanced accuracy", judged.balanced_accuracy, judged.balanced_interval),
        ("macro F1", judged.macro_f1, judged.macro_f1_interval),
    ]
    if top := judged.top_k:
        rows.append((f"top-{top.k} accuracy", top.share, top.interval))
    told = [(name, percent(share), _span(interval, share=True), "100 %") for name, share, interval in rows]
    for name, loss, interval in (
        ("log loss", judged.log_loss, judged.log_loss_interval),
        ("Brier score (0 to 2)", judged.brier, judged.brier_interval),
    ):
        if loss is not None:
            told.append((name, f"{loss:.4f}", _span(interval), "0"))
    if reliability := judged.reliability:
        told.append(("calibration error", percent(reliability.ece), _span(reliability.interval, share=True), "0 %"))
        told.append(("the same, 15 bins of equal width", percent(reliability.equal_width), "–", "0 %"))
    return told


def _span(interval: Sequence[float] | None, share: bool = False) -> str:
    if interval is None:
        return "–"
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f} %" if share else f"{low:.4f} to {high:.4f}"


@dataclass(frozen=True)
class Promise:
    """What was promised on the validation images, and what the test images showed.

    Arguments:
        what: was promised.
        shown: on the test images; empty where none judged it.
        kept: whether it held within noise; None where that cannot be said.
    """

    what: str
    shown: str
    kept: bool | None


def promises_of(told: Mapping[str, Any] | None) -> list[Promise]:
    """Return the promises that a model makes, as rows of a table; arguments as in result.json under `promises`."""
    if not told:
        return []
    rows = [*_sure(told.get("sure") or ()), *_sets(told.get("sets") or ()), *_known(told.get("known") or {})]
    return rows


def say_temperature(told: Mapping[str, Any] | None) -> str:
    """Return what was done about probabilities that are too high or too low; empty where nobody looked."""
    found = (told or {}).get("temperature")
    if not found:
        return ""
    kept = (
        f"are scaled by a temperature of {found['value']:.2f}" if found.get("kept") else "are as the model gives them"
    )
    return f"Probabilities {kept}: {found.get('why') or 'no other temperature is known to be better'}."


def _sure(rules: Sequence[Mapping[str, Any]]) -> Iterator[Promise]:
    for rule in rules:
        wanted = percent(rule["wanted"], 0)
        if rule.get("threshold") is None:
            needs, there = rule.get("needs"), rule["images"]
            why = "the model is not right so often, however sure it is"
            if needs is not None and needs > there:
                why = f"about {needs:,} validation images would be needed, there are {there:,}"
            yield Promise(f"not that {wanted} of what is answered is right: {why}", "", None)
            continue
        what = f"{wanted} of what is answered from a probability of {rule['threshold']:.3f} on is right"
        test = rule.get("test")
        if not test:
            yield Promise(what, "", None)
            continue
        low, high = test["interval"]
        shown = (
            f"{percent(test['precision'], 1)} ({100 * low:.1f} to {100 * high:.1f}) of the {test['images']:,} "
            f"images that were answered, {percent(test['answered'], 1)} of all"
        )
        yield Promise(what, shown, test.get("kept"))


def _sets(rules: Sequence[Mapping[str, Any]]) -> Iterator[Promise]:
    for rule in rules:
        wanted, own, test = percent(rule["wanted"], 0), rule.get("classes_of_their_own"), rule.get("test")
        if "why" in rule:
            yield Promise(f"no sets of classes that hold the true one in {wanted}: {rule['why']}", "", None)
            continue
        each = f", each of {own:,} classes by a threshold of its own" if own else ""
        what = f"sets of classes hold the true one in {wanted}{each}"
        if not test:
            yield Promise(what, "", None)
            continue
        low, high = test["interval"]
        shown = (
            f"{percent(test['coverage'], 1)} ({100 * low:.1f} to {100 * high:.1f}), "
            f"{test['mean_size']:.2f} classes a set on average"
        )
        shown += CHANCE if test.get("kept") and test["coverage"] < rule["wanted"] else ""
        if worst := test.get("worst_class"):
            shown += f"; the least of a class {percent(worst[1], 1)} ({worst[0]})"
        yield Promise(what, shown, test.get("kept"))


def _known(rule: Mapping[str, Any]) -> Iterator[Promise]:
    if not rule:
        return
    if not rule.get("score"):
        yield Promise(f"“none of these” is never said: {rule.get('why') or 'nothing tells it'}", "", None)
        return
    most = percent(rule["false_alarm"], 0)
    what = f"“none of these” is said of at most {most} of images like these ({rule['score']})"
    test = rule.get("test")
    if not test:
        yield Promise(what, "", None)
        return
    low, high = test["interval"]
    shown = f"{percent(test['refused'], 1)} ({100 * low:.1f} to {100 * high:.1f}) of the test images"
    shown += CHANCE if test.get("kept") and test["refused"] > rule["false_alarm"] else ""
    yield Promise(what, shown, test.get("kept"))
