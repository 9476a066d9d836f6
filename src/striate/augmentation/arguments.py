"""The arguments of augmentations: their ranges stand in the signature and are checked when a word is read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from striate.errors import ArgumentError, unknown


@dataclass(frozen=True)
class Between:
    """The range of a number, or of both numbers of a pair.

    Arguments:
        low, high: the range; both ends belong to it.
        above: whether `low` itself is out of it.
        text: what the number means, for the list of words.
    """

    low: float
    high: float
    text: str = ""
    above: bool = False

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the range; NaN does not."""
        return self.low <= value <= self.high and not (self.above and value == self.low)

    def __str__(self) -> str:
        return f"above {self.low:g} and at most {self.high:g}" if self.above else f"from {self.low:g} to {self.high:g}"


def bind(name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `name(*args, **kwargs)` by name, checked against the signature of `function`.

    Raises:
        ArgumentError: an argument that the word does not take, or a value out of range.
    """
    own = {entry.name: entry for entry in _own(function)}
    signature = inspect.Signature(list(own.values()))
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        raise ArgumentError(f"{name} takes {describe_arguments(function)}; got {_call(args, kwargs)}") from None
    hints = get_type_hints(function, include_extras=True)
    return {argument: _checked(f"{argument} of {name}", value, hints[argument]) for argument, value in given.items()}


def describe_arguments(function: Callable[..., Any]) -> str:
    """Return the arguments as they are written, with their defaults: (by=0.1, fill="reflect")."""
    return "(" + ", ".join(f"{p.name}={_written(p.default)}" for p in _own(function)) + ")"


def describe_ranges(function: Callable[..., Any]) -> Iterator[str]:
    """Yield for each argument what it may be: "by from 0 to 180: degrees"."""
    hints = get_type_hints(function, include_extras=True)
    for parameter in _own(function):
        hint = hints[parameter.name]
        if get_origin(hint) is Literal:
            yield f"{parameter.name}: {', '.join(get_args(hint))}"
        else:
            kind, limits = get_args(hint)
            pair = " (lowest, highest)" if get_origin(kind) is tuple else ""
            yield f"{parameter.name}{pair} {limits}" + (f": {limits.text}" if limits.text else "")


def _own(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters that a word may be given: neither batch and generator, nor what the pipeline gives."""
    parameters = list(inspect.signature(function).parameters.values())[2:]
    return [parameter for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY]


def _checked(what: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ArgumentError(unknown(what, str(value), get_args(hint)))
        return value
    assert get_origin(hint) is Annotated
    kind, limits = get_args(hint)
    if get_origin(kind) is tuple:
        if not isinstance(value, tuple) or len(value) != 2:
            raise ArgumentError(f"{what} must be a pair, (lowest, highest); got {value!r}")
        pair = tuple(_number(what, part, float, limits) for part in value)
        if pair[0] > pair[1]:
            raise ArgumentError(f"{what} must be (lowest, highest); got {value!r}. Turn them around")
        return pair
    return _number(what, value, kind, limits)


def _number(what: str, value: Any, kind: type, limits: Between) -> float:
    whole = kind is int
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ArgumentError(f"{what} must be a {'whole ' if whole else ''}number {limits}; got {value!r}")
    if not limits.holds(value):
        raise ArgumentError(f"{what} must be {limits}; got {value!r}")
    return value


def _call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    parts = [_written(value) for value in args] + [f"{name}={_written(value)}" for name, value in kwargs.items()]
    return f"({', '.join(parts)})"


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_written, value))})"
    return f'"{value}"' if isinstance(value, str) else f"{value:.3g}" if isinstance(value, float) else repr(value)
