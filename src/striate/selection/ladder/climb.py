"""The climb: the simple methods, a probe of everything else, then the time goes where it promises most."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from striate.metrics.evaluation import evaluate_outcomes
from striate.runs.calibrating import LOOK_MS, calibration_size
from striate.selection.ladder.balance_advice import balance_advice
from striate.selection.ladder.borrowing import borrow_first, worth_borrowing
from striate.selection.ladder.clock import closing_seconds
from striate.selection.ladder.failures import skipped
from striate.selection.ladder.forecast import Move, Probe
from striate.selection.ladder.ground import Ground, Parts, as_time_allows, spread
from striate.selection.ladder.judging import heard, in_turns
from striate.selection.ladder.pretrained_rungs import FROZEN, TUNED, borrow_best
from striate.selection.ladder.results import Result, Skipped, best_result, calibrated_log_loss, loss_rows, measure_model
from striate.selection.ladder.rungs import SIMPLE, Rung
from striate.selection.ladder.swift_rung import SWIFT, TIGHT_S
from striate.selection.ladder.symmetry import averaging_that_helps, mirrors_keep_classes
from striate.training.engine.state import Interrupted
from striate.units import percent, say_duration

# What no budget grudges a simple method, and with what left nothing is begun any more.
MOMENT_S = 0.5
# Where time is tight, of the simple methods those alone are tried that end in a moment.
QUICKEST = ("majority", "linear")
# A probe's share of the time that is left, and the least that tells anything.
PROBE_SHARE, LEAST_PROBE_S = 0.06, 1.0
# With less time than this nothing is tried: what suits such images gets it all.
PROBES_FROM_S = 20.0
# Frozen features are worth their time where they are the start of something better, nearly as good, or cheap.
NEARLY, CHEAP_SHARE, AT_MOST_SHARE = 1.3, 0.1, 0.3
# With less of the budget left a rung that was not climbed would only lose.
LEAST_SHARE = 0.08
# A rung that is foreseen to make so many times the errors of what is there is not begun where fitting that to the
# images that choose as well uses so much of the time; to be safe, that is taken to need so many times what it took.
BEHIND, REFIT_USES, REFIT_SLACK = 1.3, 0.4, 1.2
# So many times what that takes is kept from the next rung, which ends a little late and may make judging take longer.
REFIT_KEPT = 2.0
RUNGS: Sequence[Rung] = (*SIMPLE, SWIFT, FROZEN, TUNED)


@dataclass(eq=False)
class Climb:
    """A climb under way.

    Arguments:
        ground: the images and what else the rungs share.
        parts: (train, valid) positions in the ground's images: one pair, or one for each fold of a cross-validation.
        results: of the rungs that were climbed, those from before an interruption among them.
        tell: hears of each result, probe, move and rung left out, at once.
        foreseen: {rung: error}, what the last choice was made by.
    """

    ground: Ground
    parts: Parts
    results: list[Result]
    tell: Callable[[Result | Skipped | Probe | Move], None] = lambda news: None
    foreseen: dict[str, float] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    @property
    def turns(self) -> int:
        """How many fits a rung is: one, or one a fold and the last."""
        return len(self.parts) + (len(self.parts) > 1)

    @property
    def left_s(self) -> float:
        """Seconds for one fit of a rung that gets all that is left."""
        return max(0.0, self.ground.clock.left_s - MOMENT_S) / self.turns

    def is_done(self, rung: Rung) -> bool:
        """Whether nothing is to be had from a rung any more."""
        return rung.name in self.failed or rung.name in {one.name for one in self.results}

    @contextmanager
    def going_on(self, *names: str, aside: str = "") -> Iterator[None]:
        """Tell of what goes wrong in a `with` block, whatever it is, and go on without the rungs of these names.

        Arguments:
            aside: what is done without where it is no rung that goes wrong.
        """
        try:
            yield
        except Exception as error:
            checkpoints = self.ground.folder
            news = skipped(names[0] if names else aside, error, checkpoints and checkpoints.parent)
            self.failed |= set(names)
            self.reasons.append(f"{news.name}: {news.reason}")
            if names:
                self.tell(news)
            else:
                self.ground.observer.note(f"going on without {news.name}: {news.reason}")

    def simple(self, rungs: Sequence[Rung] = SIMPLE) -> None:
        """Climb the simple methods, each within its share of the budget, on fewer images if need be."""
        if self.ground.clock.left_s < TIGHT_S * len(self.ground.images):
            rungs = [one for one in rungs if one.name in QUICKEST]
        for rung in rungs:
            if self.is_done(rung) or (self.results and not self.ground.clock.left_s):
                continue
            seconds = min(self.ground.clock.left_s, max(MOMENT_S, rung.share * self.ground.clock.budget_s))
            self.attempt(rung, seconds)

    def attempt(self, rung: Rung, seconds: float) -> None:
        """Climb a rung within so many seconds; what fails is told and does not end the climb.

        Raises:
            Interrupted: the user wants to end; what was told of is done.
        """
        ground, whole = self.ground, self.parts[0][0]
        if ground.stop():
            raise Interrupted
        result = None
        with self.going_on(rung.name):
            share = 1.0
            if not rung.is_net:
                needed = rung.foresee(ground, *self.parts[0]) * self.turns
                share = min(1.0, seconds / needed) if needed > 0 else 1.0
            if share < 1:
                ground.observer.note(f"{rung.name}: {as_time_allows(len(spread(whole, share)), len(whole))}")
            parts = [(spread(train, share), valid) for train, valid in self.parts]
            result = climb_one(rung, ground, parts, seconds)
        if result is None:
            return
        self.results.append(result)
        self.tell(result)
        self.keep_time_for(best_result(self.results, ground.metric), *[result] * rung.is_net)

    def keep_time_for(self, *results: Result) -> None:
        """Let the clock keep the time in which the slowest of these would judge the test images and be calibrated."""
        ground = self.ground
        judging = max((one.image_ms + LOOK_MS) / 1000 * ground.judged + self._calibrating_s(one) for one in results)
        closing = closing_seconds(ground.folder is not None, ground.judged) + 1.2 * judging
        self.ground = replace(ground, clock=replace(ground.clock, closing_s=closing))

    def _calibrating_s(self, result: Result) -> float:
        """Return what calibrating a model will take; of a cross-validation nothing is left to calibrate by."""
        if len(self.parts) > 1 or result.classifier is None:
            return 0.0
        train, valid = (len(part) for part in self.parts[0])
        return calibration_size(result.classifier, train, valid).seconds(result.image_ms)

    def _ahead_s(self, rung: Rung) -> float:
        """Return what calibrating a net of the rung will take; the clock knows that of what is done."""
        known = len(self.parts) > 1 or rung.probe in {rung_of(one).probe for one in self.results}
        return 0.0 if known else rung.calibrating_s(self.ground, len(self.parts[0][1]))

    def try_out(self, rung: Rung) -> None:
        """Give a rung a little time, and foresee what it would do with the rest."""
        seconds = max(LEAST_PROBE_S, PROBE_SHARE * self.left_s)
        with self.going_on(rung.name):
            self.keep(rung, rung.try_out(self.ground, *self.parts[0], seconds))

    def borrow(self) -> None:
        """Try the nets that are lent, and take the best; the climb goes on without where none can be tried."""
        with self.going_on(FROZEN.name, TUNED.name):
            borrowed, probe = borrow_best(self.ground, *self.parts[0], PROBE_SHARE)
            self.ground = replace(self.ground, borrowed=borrowed)
            self.keep(FROZEN, probe)

    def borrow_first(self) -> None:
        """Take the preferred net that is lent, where there is no time to compare."""
        with self.going_on(FROZEN.name, TUNED.name):
            self.ground = replace(self.ground, borrowed=borrow_first(self.ground))

    def look_at_symmetry(self) -> None:
        """Find out whether mirror images keep their class and features over views tell more; use neither unasked."""
        mirrors = False
        with self.going_on(aside="mirrors"):
            mirrors = mirrors_keep_classes(self.results, self.ground, self.parts)
        self.ground = replace(self.ground, mirrors=mirrors)
        with self.going_on(aside="features over views"):
            borrowed = averaging_that_helps(self.ground, self.parts)
            self.ground = replace(self.ground, borrowed=borrowed or self.ground.borrowed)

    def look_at_balance(self) -> None:
        """Say where balancing uneven classes measures better."""
        with self.going_on(aside="a look at balance"):
            if advice := balance_advice(self.results, self.ground, self.parts):
                self.ground.observer.note(advice)

    def keep(self, rung: Rung, probe: Probe) -> None:
        """Keep a probe with what it lets expect."""
        left, self.probes[rung.name] = self.left_s, probe
        probe = replace(probe, foreseen=self.foresee(rung, left), within_s=left)
        self.probes[rung.name] = probe
        self.tell(probe)

    def foresee(self, rung: Rung, seconds: float) -> float:
        """Return the error to expect of a rung in so many seconds; 1 where they are too few."""
        if seconds <= 0 or not rung.fits(self.ground, *self.parts[0], seconds):
            return 1.0
        probe = self.probes.get(rung.probe)
        return rung.carry(probe, self.ground, *self.parts[0], seconds) if probe else rung.prior(self.ground)

    def next_rung(self) -> tuple[Rung, float] | None:
        """Return which rung to climb next and its seconds; None where the time is over or all is done."""
        left = self.ground.clock.left_s
        if left < max(MOMENT_S, LEAST_SHARE * self.ground.clock.budget_s):
            return None
        rungs = [one for one in (SWIFT, FROZEN, TUNED) if not self.is_done(one) and one.suits(self.ground)]
        if not rungs:
            return None
        errors, ahead = {}, {}
        for one in rungs:
            with self.going_on(one.name):
                ahead[one] = self._ahead_s(one)
                errors[one] = self.foresee(one, (left - ahead[one]) / self.turns)
        self._tell_of_calibrating(errors, ahead, left)
        if min(errors.values(), default=1.0) >= 1.0:  # there is time for none
            return None
        best = min(errors, key=lambda one: errors[one])
        self.foreseen = {one.name: error for one, error in errors.items()}
        if self._better_refitted(errors[best]):
            return None
        if FROZEN in errors and best is not FROZEN:
            with self.going_on(FROZEN.name):
                needed = FROZEN.foresee(self.ground, *self.parts[0])
                own = FROZEN.foresee(replace(self.ground, judged=0), *self.parts[0])  # whatever is chosen has to judge
                worth = best is TUNED or errors[FROZEN] < NEARLY * errors[best] or own < CHEAP_SHARE * left
                if worth and own < AT_MOST_SHARE * left:
                    # It ends when all are done, however busy the machine.
                    return FROZEN, min(max(0.0, left - ahead[FROZEN]), 3 * needed * min(2, self.turns))
        left, kept = max(0.0, left - ahead[best]), REFIT_KEPT * self._refit_s()
        # Where that is little it is left, or what there is loses it.
        return best, left - (kept if kept < REFIT_USES * left else 0.0)

    def _tell_of_calibrating(self, errors: dict[Rung, float], ahead: dict[Rung, float], left_s: float) -> None:
        """Say once which rung would do better, were there time to calibrate what it makes."""
        for one in errors:
            if one.name in self.told or not ahead[one] or errors[one] < 1:
                continue
            expected = self.foresee(one, left_s / self.turns)
            if expected < min(errors.values()):
                self.told.add(one.name)
                self.ground.observer.note(
                    f"{one.name} is left out, though {percent(1 - expected, 1)} are expected of it: "
                    f"calibrating it would take {say_duration(ahead[one])}, and {say_duration(left_s)} are left. "
                    "Give a longer budget"
                )

    def _better_refitted(self, foreseen: float) -> bool:
        """Whether what is there is so far ahead of an error that the time is better used to fit it to more images."""
        needed, left = self._refit_s(), self.ground.clock.left_s
        if not needed:
            return False
        chosen = best_result([one for one in self.results if one.is_net], self.ground.metric)
        return foreseen > BEHIND * (1 - chosen.valid.score(self.ground.metric)) and REFIT_USES * left <= needed <= left

    def _refit_s(self) -> float:
        """Return the seconds to fit the best net so far to the images that choose as well; 0 where that is not done."""
        nets = [one for one in self.results if one.is_net]
        if not nets or len(self.parts) > 1:
            return 0.0
        chosen = best_result(nets, self.ground.metric)
        return REFIT_SLACK * rung_of(chosen).refit_s(chosen.fit_s)


def rung_of(result: Result) -> Rung:
    """Return the rung that a result is of."""
    return next(one for one in RUNGS if one.name == result.name)


def climb(
    ground: Ground,
    parts: Parts,
    done: Sequence[Result] = (),
    tell: Callable[[Result | Skipped | Probe | Move], None] = lambda news: None,
) -> Climb:
    """Climb as high as the clock of the ground allows; return the climb, which has what each rung came to.

    Arguments:
        done: results from before an interruption; their rungs are not climbed again.

    Raises:
        Interrupted: the user wants to end; what was told of is done.
    """
    climb = Climb(ground, parts, list(done), tell)
    if done:
        climb.keep_time_for(best_result(done, ground.metric))
    climb.simple()
    timely, lent = ground.clock.left_s >= PROBES_FROM_S, worth_borrowing(ground)
    if lent and timely:
        climb.borrow()
    elif lent and FROZEN.prior(ground) < SWIFT.prior(ground):
        climb.borrow_first()
    climb.look_at_symmetry()
    climb.look_at_balance()
    if lent and timely and not climb.is_done(SWIFT):  # else nothing competes with it
        climb.try_out(SWIFT)
    while following := climb.next_rung():
        rung, seconds = following
        climb.tell(Move(rung.name, seconds, climb.ground.clock.left_s, climb.foreseen, ground.metric))
        climb.attempt(rung, seconds)
    return climb


def climb_one(rung: Rung, ground: Ground, parts: Parts, seconds: float) -> Result:
    """Fit a rung and judge it; of several parts each is judged by what the others taught, and all teach the last."""
    start, images = time.perf_counter(), ground.images
    positions = np.concatenate([valid for _, valid in parts])
    kept = loss_rows(len(positions), len(images.classes))
    if len(parts) == 1:
        model = rung.fit(ground, *parts[0], seconds)
        said, some = heard(rung, ground, model, positions, kept)
    else:
        model, said, some = in_turns(rung, ground, parts, kept, seconds)
    fit_s = time.perf_counter() - start
    groups = None if images.groups is None else images.groups[positions]
    evaluation = evaluate_outcomes(said, images.classes, groups=groups)
    # What chooses is seen too, also by a run that was too short to look at it on the way.
    model = replace(model, trained_on=np.unique(np.concatenate([model.trained_on, images.hashes])))
    size_bytes, image_ms = measure_model(model, ground.seen_by(model))
    return Result(
        rung.name, evaluation, said.right, fit_s, size_bytes, image_ms, rung.is_net,
        calibrated_log_loss(some, images.labels[positions[kept]]), groups, model,
    )  # fmt: skip
