"""What a page carries of a net: all of its weights where they fit; else those of the first layers, and numbers kept.

A step is *computed* by the page, for any picture, where its weights are in the page. Of a step whose weights are too
many the page has torch's values for the one picture that it was written for (*kept*), and the weights of a few chosen
channels or units, so that their sums can be shown. Of the largest nets the layers in the middle are *absent*: the page
has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from striate.errors import ArgumentError
from striate.explanation.walk.numbers import EXACT_BITS
from striate.explanation.walk.steps import WalkStep
from striate.units import say_bytes

# So many channels or units of a kept step have their weights in the page.
MOST_UNITS = 12
# Bits behind the point, tried one after another, for nets that fit as a whole; and for those that do not.
_WHOLE_BITS, LEAST_BITS = (EXACT_BITS, 22, 21, 20, 19, 18, 17, 16), 14
# Sign and exponent of trained weights take so many bits once they are deflated.
_OTHER_BITS = 4.4
# Values of all layers that a browser can hold, 400 MB, and multiply-adds that it does in about five seconds.
MOST_VALUES, MOST_WORK = 100_000_000, 3_500_000_000
# Of a net that cannot be shown as a whole, the last layers get this share of the page, the first ones the rest.
_LAST_SHARE = 0.5
# Steps of many weights, each of whose units has a row of them.
SUMS = {"conv", "fc"}
# Tensors by which numbers are looked up: never rounded.
INDICES = {"columns", "present"}


@dataclass(frozen=True)
class Carried:
    """Which steps are kept or absent, and how finely numbers are stored.

    Arguments:
        bits: behind the point.
        units: by the number of each kept step, int (u,): the channels or units whose weights are in the page.
        absent: the numbers of the steps of which the page has nothing.
    """

    bits: int
    units: dict[int, np.ndarray] = field(default_factory=dict)
    absent: frozenset[int] = frozenset()


def bytes_of(numbers: float, bits: int) -> float:
    """Return about how many bytes of a page so many numbers take: deflated, in base64.

    >>> round(bytes_of(1_000_000, 23))
    4566667
    """
    return numbers * (bits + _OTHER_BITS) / 8 * 4 / 3


def choose_carried(
    steps: Sequence[WalkStep], values: Sequence[np.ndarray], room: float, limit: float, least_bits: int = LEAST_BITS
) -> Carried:
    """Return what a page carries of these steps.

    Arguments:
        values: what torch gives at each step, for the choice of units.
        room: for all numbers, in bytes.
        limit: of the page, in bytes, for the message.
        least_bits: how finely numbers must be stored at least.

    Raises:
        ArgumentError: not even the last layer fits.
    """
    computable = sum(step.values for step in steps) <= MOST_VALUES and sum(step.work for step in steps) <= MOST_WORK
    weights = sum(step.weights for step in steps)
    for bits in _WHOLE_BITS:
        if computable and bits >= least_bits and bytes_of(weights, bits) <= room:
            return Carried(bits)
    numbers = room / bytes_of(1, least_bits)
    if not computable or sum(map(_fewest_numbers, steps)) > numbers:
        kept, absent = _ends(steps, numbers, limit)
    else:
        kept, absent = _kept(steps, numbers), frozenset()
    units = {i: _chosen(i, steps, values) if _is_dear(steps[i]) else np.zeros(0, int) for i in sorted(kept)}
    return Carried(least_bits, units, absent)


def _kept(steps: Sequence[WalkStep], numbers: float) -> set[int]:
    """Return which steps are kept of a net that can be shown as a whole."""
    kept = [i for i, step in enumerate(steps) if _is_dear(step)]
    spare = numbers - sum(map(_fewest_numbers, steps))
    for i in list(kept):  # the first layers first: another picture is followed as far as possible
        more = steps[i].weights - _kept_numbers(steps[i])
        if more <= spare:
            kept.remove(i)
            spare -= more
    return set(kept)


def _ends(steps: Sequence[WalkStep], numbers: float, limit: float) -> tuple[set[int], frozenset[int]]:
    """Return which steps are kept and which are absent of a net of which only both ends can be shown."""
    first_last, held, spent = len(steps), frozenset[int](), 0.0
    tail = 0
    for i in reversed(range(len(steps))):
        tail += _fewest_numbers(steps[i])
        read = frozenset(source for step in steps[i:] for source in step.inputs if 0 <= source < i)
        needed = tail + sum(steps[source].values for source in read)
        if needed <= _LAST_SHARE * numbers:
            first_last, held, spent = i, read, needed
        if tail > _LAST_SHARE * numbers:
            break
    if first_last == len(steps):
        raise ArgumentError(
            f"a walkthrough must fit in {say_bytes(limit)}; this net's last layer, {steps[-1].layer}, does not. "
            "Walk a smaller net"
        )
    after, values, work = 0, 0, 0
    for i, step in enumerate(steps[:first_last]):
        spent, values, work = spent + step.weights, values + step.values, work + step.work
        if spent > numbers or values > MOST_VALUES or work > MOST_WORK:
            break
        after = i + 1
    kept = {i for i in range(first_last, len(steps)) if _is_dear(steps[i])} | {i for i in held if i >= after}
    return kept, frozenset(range(after, first_last)) - held


def _is_dear(step: WalkStep) -> bool:
    return step.kind in SUMS and _kept_numbers(step) < step.weights


def _kept_numbers(step: WalkStep) -> int:
    """Return how many numbers a step takes that is kept."""
    channels = step.shape[0]
    return step.values + min(MOST_UNITS, channels) * (step.weights // channels) + channels


def _fewest_numbers(step: WalkStep) -> int:
    return _kept_numbers(step) if _is_dear(step) else step.weights


def _chosen(number: int, steps: Sequence[WalkStep], values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the units with the strongest say: in the most probable class where that is known, else by their values."""
    own = np.abs(values[number].reshape(steps[number].shape[0], -1)).mean(1)
    following = next((i for i in range(number + 1, len(steps)) if "weight" in steps[i].tensors), None)
    if number == len(steps) - 1 or following is None:
        own = values[number].reshape(steps[number].shape[0], -1).mean(1)  # the last layer: the highest logits
    elif steps[following].kind == "fc" and steps[following].in_shapes[0] == steps[number].shape:
        rows = steps[following].tensors["weight"].reshape(steps[following].shape[0], -1)
        source = steps[following].inputs[0]
        own = np.abs(values[source].ravel() * rows[values[following].argmax()])
    return np.sort(np.argsort(-own, kind="stable")[:MOST_UNITS])
