"""How far to trust probabilities: the reliability diagram, and promises held against what the test images showed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from striate.evaluation.report.curves import Drawn
from striate.pages.page import percent_of
from striate.pages.plots import Axis, Plot


def draw_reliability(bins: Sequence[Mapping[str, Any]]) -> Drawn:
    """Return the reliability diagram: how often what is said with some confidence is right.

    Arguments:
        bins: of equal numbers of images, each with `confidence`, `accuracy`, `interval` and `images`.

    Source: DeGroot and Fienberg 1983; Wilson's intervals, counting groups, in place of bars without any.
    """
    low = min([0.9, *(end for one in bins for end in (one["confidence"], one["interval"][0]))])
    start = next(start for start in (0.8, 0.5, 0.0) if low >= start or start == 0.0)
    step = {0.8: 5, 0.5: 10, 0.0: 20}[start]
    marks = tuple((mark / 100, f"{mark}") for mark in range(round(100 * start), 101, step))
    plot = Plot(Axis(start, 1.0, "said probability, %", marks), Axis(start, 1.0, "right, %", marks))
    parts = [plot.line([(start, start), (1.0, 1.0)], "faint")]
    for one in bins:
        confidence, accuracy, (low, high) = one["confidence"], one["accuracy"], one["interval"]
        said = f"{one['images']:,} images: said {percent_of(confidence, 1)}, right {percent_of(accuracy, 1)}"
        parts += [plot.whisker(confidence, low, high, "first"), plot.dot(confidence, accuracy, "first", 3.5, said)]
    worst = max(bins, key=lambda one: abs(one["confidence"] - one["accuracy"]))
    alt = (
        f"Reliability diagram of {len(bins)} bins. The furthest from the diagonal says "
        f"{percent_of(worst['confidence'], 1)} and is right in {percent_of(worst['accuracy'], 1)}."
    )
    caption = (
        "Each dot is an equal share of the images, with its 95 % interval; on the dotted diagonal what is said is as "
        "often right as it says, below it the model is too sure."
    )
    return Drawn(plot.svg(alt, *parts), caption)


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


def _sure(rules: Sequence[Mapping[str, Any]]) -> Iterator[Promise]:
    for rule in rules:
        wanted = percent_of(rule["wanted"], 0)
        if rule.get("threshold") is None:
            needs = rule.get("needs")
            why = f": about {needs:,} validation images would be needed, there are {rule['images']:,}" if needs else ""
            yield Promise(f"{wanted} of what is answered is right: no threshold can promise that{why}", "", None)
            continue
        what = f"{wanted} of what is answered from a probability of {rule['threshold']:.3f} on is right"
        test = rule.get("test")
        if not test:
            yield Promise(what, "", None)
            continue
        low, high = test["interval"]
        shown = (
            f"{percent_of(test['precision'], 1)} ({100 * low:.1f} to {100 * high:.1f}) of the {test['images']:,} images "
            f"that were answered, {percent_of(test['answered'], 1)} of all"
        )
        yield Promise(what, shown, test.get("kept"))


def _sets(rules: Sequence[Mapping[str, Any]]) -> Iterator[Promise]:
    for rule in rules:
        each = ", of each class" if rule.get("per_class") else ""
        what, test = f"sets of classes hold the true one in {percent_of(rule['wanted'], 0)}{each}", rule.get("test")
        if not test:
            yield Promise(what, "", None)
            continue
        low, high = test["interval"]
        shown = (
            f"{percent_of(test['coverage'], 1)} ({100 * low:.1f} to {100 * high:.1f}), "
            f"{test['mean_size']:.2f} classes a set on average"
        )
        if worst := test.get("worst_class"):
            shown += f"; the least of a class {percent_of(worst[1], 1)} ({worst[0]})"
        yield Promise(what, shown, test.get("kept"))


def _known(rule: Mapping[str, Any]) -> Iterator[Promise]:
    if not rule:
        return
    if not rule.get("score"):
        yield Promise(f"“none of these” cannot be told: {rule.get('why', 'nothing to tell it by')}", "", None)
        return
    what = f"“none of these” is said of at most {percent_of(rule['false_alarm'], 0)} of images like these ({rule['score']})"
    test = rule.get("test")
    if not test:
        yield Promise(what, "", None)
        return
    low, high = test["interval"]
    shown = f"{percent_of(test['refused'], 1)} ({100 * low:.1f} to {100 * high:.1f}) of the test images"
    yield Promise(what, shown, low <= rule["false_alarm"])


def health_rows(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the health of the net's layers in the last epoch in which it was measured; none where it never was."""
    told = next((line["health"] for line in reversed(history) if line.get("health")), None)
    if not told:
        return []
    parts = {name: told.get(name) or {} for name in ("dead", "activation", "gradient", "update")}
    paths = dict.fromkeys(path for part in parts.values() for path in part)
    return [
        {
            "path": path, "dead": parts["dead"].get(path), "activation": (parts["activation"].get(path) or [None] * 2)[1],
            "gradient": parts["gradient"].get(path), "update": parts["update"].get(path),
        }
        for path in paths
    ]  # fmt: skip


def health_warnings(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what was warned of in the last epoch in which the net's health was measured."""
    told = next((line["health"] for line in reversed(history) if line.get("health")), {})
    return list(told.get("warnings") or [])
