"""What an argument of a layer may be: each function returns a dataclass field that checks what it is given.

A message begins with the argument's name, by which the notation finds the place to point at.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from striate.errors import ArgumentError
from striate.nets.rules import read_rule

LARGEST = 10**7


def whole(least: int = 1, default: Any = dataclasses.MISSING, positional: bool = False) -> Any:
    """Return a dataclass field for a whole number from `least` up."""

    def read(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST:
            raise ArgumentError(f"{name} must be a whole number from {least} to {LARGEST:,}; got {value!r}")
        return value

    return _field(read, default, positional)


def pair(least: int = 1, default: Any = dataclasses.MISSING, positional: bool = False, same: bool = False) -> Any:
    """Return a field for one whole number or an (h, w) pair of them; with `same`, also the word "same"."""

    def read(name: str, value: Any) -> int | tuple[int, int] | str:
        if same and value == "same":
            return "same"
        sides = value if isinstance(value, tuple) else (value, value)
        if len(sides) != 2 or any(isinstance(s, bool) or not isinstance(s, int) for s in sides):
            word = ' or "same"' if same else ""
            raise ArgumentError(f"{name} must be a whole number, an (h, w) pair{word}; got {value!r}")
        if not all(least <= side <= LARGEST for side in sides):
            raise ArgumentError(f"{name} must be from {least} to {LARGEST:,}; got {value!r}")
        return sides[0] if sides[0] == sides[1] else (sides[0], sides[1])

    return _field(read, default, positional)


def real(low: float, high: float, default: Any = dataclasses.MISSING, positional: bool = False) -> Any:
    """Return a field for a finite number in [low, high]."""

    def read(name: str, value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not low <= value <= high:
            raise ArgumentError(f"{name} must be a number from {low:g} to {high:g}; got {value!r}")
        return float(value)

    return _field(read, default, positional)


def flag(default: bool) -> Any:
    """Return a field for true or false."""

    def read(name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ArgumentError(f"{name} must be true or false; got {value!r}")
        return value

    return _field(read, default, False)


def rule() -> Any:
    """Return a field for the name of an initialisation, such as "he" or "gaussian(0.01)"."""

    def read(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise ArgumentError(f'{name} must be the name of an initialisation, such as "he"; got {value!r}')
        try:
            read_rule(value)
        except ArgumentError as error:
            raise ArgumentError(f"{name}: {error}") from None
        return value

    return _field(read, None, False)


def _field(read: Callable[[str, Any], Any], default: Any, positional: bool) -> Any:
    return dataclasses.field(default=default, metadata={"read": read, "positional": positional})
