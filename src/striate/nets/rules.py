"""Initialisations by name, and how far each spreads the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

from striate.calls import parse_calls
from striate.errors import ArgumentError, NotationError, unknown

RULES = {
    "zeros": "every weight 0: all units of a layer stay equal, so that nothing is learned",
    "gaussian": "normal with the standard deviation given, as in gaussian(0.01)",
    "xavier": "normal with standard deviation √(1/n_in)",
    "he": "normal with standard deviation √(2/n_in)",
    "orthogonal": "rows or columns of length 1 at right angles",
    "dirac": "convolutions hand on their input's channels; what is left over is as torch's, uniform to √(1/n_in)",
}


@dataclass(frozen=True)
class Rule:
    """An initialisation: its name and, for gaussian, its standard deviation."""

    name: str
    std: float | None = None

    def spread(self, fan_in: int) -> float:
        """Return the standard deviation for units with `fan_in` inputs."""
        match self.name:
            case "zeros":
                return 0.0
            case "gaussian":
                assert self.std is not None
                return self.std
            case "he":
                return math.sqrt(2 / fan_in)
            case _:
                return math.sqrt(1 / fan_in)


def read_rule(text: str) -> Rule:
    """Return the initialisation that a text names.

    Raises:
        ArgumentError: the name is unknown, or gaussian comes without its standard deviation.

    >>> read_rule("gaussian(0.01)")
    Rule(name='gaussian', std=0.01)
    """
    try:
        calls = parse_calls(text)
    except NotationError as error:
        raise ArgumentError(f"init must be the name of an initialisation; got {text!r}: {error}") from None
    if len(calls) != 1:
        raise ArgumentError(f"init must be one initialisation; got {text!r}")
    name, args, kwargs = calls[0]
    if name not in RULES:
        raise ArgumentError(unknown("initialisation", name, RULES))
    given = [*args, *([kwargs["std"]] if "std" in kwargs else [])]
    if len(given) != (name == "gaussian") or set(kwargs) - {"std"}:
        raise ArgumentError(
            f"init must be {name}{'(std), as in gaussian(0.01)' if name == 'gaussian' else ' alone'}; got {text!r}"
        )
    if not given:
        return Rule(name)
    if not isinstance(given[0], int | float) or isinstance(given[0], bool) or not 0 <= given[0] < math.inf:
        raise ArgumentError(f"init: gaussian's standard deviation must be a number from 0; got {given[0]!r}")
    return Rule(name, float(given[0]))
