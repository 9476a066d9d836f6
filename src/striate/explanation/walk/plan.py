"""What a page carries of a net: all of its weights where they fit; else those of the first layers, and numbers kept.

A step is *computed* by the page, for any picture, where its weights are in the page. Of a step whose weights are too
many the page has torch's values for the one picture that it was written for (*kept*), and the weights of a few chosen
channels or units, so that their sums can be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from striate.errors import ArgumentError
from striate.explanation.walk.numbers import EXACT_BITS
from striate.explanation.walk.steps import Step

# So many channels or units of a kept step have their weights in the page.
MOST_UNITS = 12
# Bits behind the point, tried one after another, for nets that fit as a whole; and for those that do not.
_WHOLE_BITS, LEAST_BITS = (EXACT_BITS, 22, 21, 20, 19, 18, 17, 16), 14
# Sign and exponent of trained weights take so many bits once they are deflated.
_OTHER_BITS = 4.4
# Values of all layers that a browser can hold: 400 MB.
MOST_VALUES = 100_000_000
# Steps of many weights, each of whose units has a row of them.
SUMS = {"conv", "fc"}
# Tensors by which numbers are looked up: never rounded.
INDICES = {"columns", "present"}


@dataclass(frozen=True)
class Plan:
    """Which steps are kept, and how finely numbers are stored.

    Arguments:
        bits: behind the point.
        units: by the number of each kept step, int (u,): the channels or units whose weights are in the page.
    """

    bits: int
    units: dict[int, np.ndarray] = field(default_factory=dict)


def bytes_of(numbers: float, bits: int) -> float:
    """Return about how many bytes of a page so many numbers take: deflated, in base64.

    >>> round(bytes_of(1_000_000, 23))
    4566667
    """
    return numbers * (bits + _OTHER_BITS) / 8 * 4 / 3


def make_plan(
    steps: Sequence[Step], values: Sequence[np.ndarray], room: float, limit: float, least_bits: int = LEAST_BITS
) -> Plan:
    """Return what a page carries of these steps.

    Arguments:
        values: what torch gives at each step, for the choice of units.
        room: for all numbers, in bytes.
        limit: of the page, in bytes, for the message.
        least_bits: how finely numbers must be stored at least.

    Raises:
        ArgumentError: it does not fit, however little is carried, or no browser could hold the values.
    """
    total = sum(step.values for step in steps)
    if total > MOST_VALUES:
        raise ArgumentError(
            f"a walkthrough needs a net of at most {MOST_VALUES:,} values, which a browser can hold; this one has "
            f"{total:,} for one picture. Walk a smaller net, or use a smaller --size if its weights fit one"
        )
    weights = sum(step.weights for step in steps)
    for bits in _WHOLE_BITS:
        if bits >= least_bits and bytes_of(weights, bits) <= room:
            return Plan(bits)
    kept = [i for i, step in enumerate(steps) if step.kind in SUMS and _kept_numbers(step) < step.weights]
    needed = sum(_kept_numbers(step) if i in kept else step.weights for i, step in enumerate(steps))
    if bytes_of(needed, least_bits) > room:
        raise ArgumentError(
            f"a walkthrough must fit in {limit / 1e6:.0f} MB; this net needs about "
            f"{bytes_of(needed, least_bits) / 1e6:.0f} MB even with its large layers kept as numbers of this picture. "
            "Walk a smaller net, or use a smaller --size if its weights fit one"
        )
    for i in list(kept):  # the first layers first: another picture is followed as far as possible
        more = steps[i].weights - _kept_numbers(steps[i])
        if bytes_of(needed + more, least_bits) <= room:
            kept.remove(i)
            needed += more
    return Plan(least_bits, {i: _chosen(i, steps, values) for i in kept})


def _kept_numbers(step: Step) -> int:
    """Return how many numbers a step takes that is kept."""
    channels = step.shape[0]
    units = min(MOST_UNITS, channels)
    return step.values + units * (step.weights // channels) + channels


def _chosen(number: int, steps: Sequence[Step], values: Sequence[np.ndarray]) -> np.ndarray:
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
