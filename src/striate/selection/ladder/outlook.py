"""What more time would bring, in one sentence at the end."""

from __future__ import annotations

from striate.metrics.by_class import Metric, metric_words
from striate.selection.ladder.climb import Climb, rung_of
from striate.selection.ladder.forecast import Probe
from striate.selection.ladder.pretrained_rungs import FROZEN, TUNED
from striate.selection.ladder.results import Result
from striate.selection.ladder.swift_rung import SWIFT

# Who asks what more time would bring is told of so many times as much; a smaller gain is not worth a word.
MORE, WORTH = 10, 0.003
_TIMES = f"{MORE} times the time"


def outlook(climbed: Climb, chosen: Result) -> str:
    """Return in one sentence what more time would bring: forecasts, scaled by how right that of the chosen was."""
    metric = climbed.ground.metric
    came = 1 - chosen.valid.score(metric)
    if not came:
        return f"{_TIMES} would bring nothing: all are right"
    rung = rung_of(chosen)
    tried = [one for one in (SWIFT, FROZEN, TUNED) if one.probe in climbed.probes and one.suits(climbed.ground)]
    if rung not in tried:
        if rung is not SWIFT:
            return f"{_TIMES}: what it would bring cannot be said, as {rung.name} had no short trial"
        train, valid = climbed.parts[0]
        came_to = Probe(rung.name, ((chosen.fit_s, came),), len(valid), chosen.fit_s)
        usual = rung.carry(came_to, climbed.ground, train, valid, MORE * chosen.fit_s)
        return _gain(came - usual, metric, f"{rung.name}, as learning curves usually go")
    told = climbed.foresee(rung, chosen.fit_s / climbed.turns)
    if told >= 1:
        return f"{_TIMES}: what it would bring cannot be said, as {rung.name} had less time than it needs"
    seconds = MORE * climbed.ground.clock.budget_s / climbed.turns
    errors = {one: climbed.foresee(one, seconds) * min(2.0, came / told) for one in tried}
    best = min(errors, key=lambda one: errors[one])
    return _gain(came - errors[best], metric, best.words(climbed.ground, len(climbed.parts[0][0]), seconds))


def _gain(gain: float, metric: Metric, by: str) -> str:
    if gain <= WORTH:
        return f"{_TIMES} would bring little"
    of = "" if metric == "accuracy" else f" of {metric_words(metric)}"
    return f"{_TIMES}: about {100 * gain:.1f} points{of} more, by {by}"
