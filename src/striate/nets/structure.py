"""How layers are put together: chains, repeats, parts with a name, sums, joined branches, gates and auxiliary heads.

Each is a frozen value whose `str` is its sentence.
"""

# The base classes document the methods that each layer answers.
# ruff: noqa: D102

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import ClassVar, Protocol

from striate.errors import ShapeError
from striate.nets.arguments import whole
from striate.nets.layers import Layer, Relu, Shape, Sigmoid, Softmax, say, spell
from striate.nets.windows import Conv, Globalavg


@dataclass(frozen=True)
class Chain:
    """One item after another; empty, it hands on what it gets."""

    items: tuple[Item, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(item) for item in self.items)


class HasChain(Protocol):
    """Whatever has a chain: a `Net` to those who work below it."""

    @property
    def chain(self) -> Chain:
        """Return the layers, one item after another."""
        ...


@dataclass(frozen=True)
class Repeat:
    """`[ … ]*n`: n copies of a chain, each with weights of its own; `[ … ]` alone groups."""

    body: Chain
    times: int = 1

    def __str__(self) -> str:
        return f"[{self.body}]" + (f"*{self.times}" if self.times > 1 else "")


@dataclass(frozen=True)
class Part:
    """`name: item`: an item that can be pointed at."""

    name: str
    item: Item

    def __str__(self) -> str:
        return f"{self.name}: {self.item}"


@dataclass(frozen=True)
class Residual:
    """`residual(body ; shortcut)`: the sum of both; an empty shortcut is the input itself."""

    word: ClassVar[str] = "residual"
    body: Chain
    shortcut: Chain = Chain()

    def __str__(self) -> str:
        return f"residual({self.body}{f' ; {self.shortcut}' if self.shortcut.items else ''})"


@dataclass(frozen=True)
class Concat:
    """`concat(a | b | c)`: the branches' channels behind each other; an empty branch is the input itself."""

    word: ClassVar[str] = "concat"
    branches: tuple[Chain, ...]

    def __str__(self) -> str:
        return f"concat({' | '.join(str(branch) for branch in self.branches)})"


@dataclass(frozen=True)
class Gate:
    """`gate(body)`: the input times the body's output, which may be one number a channel."""

    word: ClassVar[str] = "gate"
    body: Chain

    def __str__(self) -> str:
        return f"gate({self.body})"


@dataclass(frozen=True)
class Aux:
    """`aux(body ; weight)`: a head that helps training with `weight` times its loss and changes nothing else."""

    word: ClassVar[str] = "aux"
    body: Chain
    weight: float = 0.3

    def __str__(self) -> str:
        return f"aux({self.body}{'' if self.weight == 0.3 else f' ; {spell(self.weight)}'})"


Item = Layer | Repeat | Part | Residual | Concat | Gate | Aux


@dataclass(frozen=True)
class Se(Layer):
    """Squeeze-and-excitation: a gate over the channel means, with c / `ratio` channels inside (Hu et al. 2018)."""

    word: ClassVar[str] = "se"
    ratio: int = whole(default=16, positional=True)

    def gate(self, channels: int) -> Gate:
        """Return the gate that this is for a number of channels."""
        inner = max(1, channels // self.ratio)
        return Gate(Chain((Globalavg(), Conv(inner, 1), Relu(), Conv(channels, 1), Sigmoid())))


@dataclass(frozen=True)
class Merge(Layer):
    """The base of what joins several values into one; not a word of the notation."""

    def merged_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        """Return the shape of the result, or raise `ShapeError`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Add(Merge):
    """The sum that ends a residual."""

    word: ClassVar[str] = "add"

    def merged_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        body, shortcut = shapes
        if body != shortcut:
            cure = "Make the body keep its shape"
            if len(body) == len(shortcut) == 3:
                stride = max(1, round(shortcut[1] / body[1]))
                fitting = f"conv({body[0]}, 1{f', stride={stride}' if stride > 1 else ''})"
                cure = f"Give it a shortcut that fits, such as residual(… ; {fitting})"
            raise ShapeError(f"residual cannot add its body, {say(body)}, and its shortcut, {say(shortcut)}. {cure}")
        return body


@dataclass(frozen=True)
class Join(Merge):
    """The joined channels that end a concat."""

    word: ClassVar[str] = "join"

    def merged_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        if len({shape[1:] for shape in shapes}) > 1 or len({len(shape) for shape in shapes}) > 1:
            sizes = ", ".join(say(shape) for shape in shapes)
            raise ShapeError(
                f"concat cannot join branches of {sizes}. "
                "Give every branch the same height and width, by padding or stride"
            )
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])


@dataclass(frozen=True)
class Multiply(Merge):
    """The product that ends a gate."""

    word: ClassVar[str] = "multiply"

    def merged_shape(self, shapes: tuple[Shape, ...]) -> Shape:
        value, gate = shapes
        if gate not in (value, (value[0], *(1 for _ in value[1:]))):
            raise ShapeError(
                f"gate cannot multiply {say(value)} by {say(gate)}. "
                f"Let its body give {value[0]} channels of 1×1 or the input's shape"
            )
        return value


@singledispatch
def inside(item: object) -> tuple[Chain, ...]:
    """Return the chains that an item holds; none for a layer."""
    return ()


@inside.register(Repeat)
@inside.register(Gate)
@inside.register(Aux)
def _(item: Repeat | Gate | Aux) -> tuple[Chain, ...]:
    return (item.body,)


@inside.register
def _(item: Part) -> tuple[Chain, ...]:
    return (Chain((item.item,)),)


@inside.register
def _(item: Residual) -> tuple[Chain, ...]:
    return (item.body, item.shortcut)


@inside.register
def _(item: Concat) -> tuple[Chain, ...]:
    return item.branches


def count(chain: Chain) -> int:
    """Return how many layers a chain unrolls to, sums and joins included."""
    total = 0
    for item in chain.items:
        inner = sum(count(each) for each in inside(item))
        total += inner * item.times if isinstance(item, Repeat) else inner + (not isinstance(item, Part))
    return total


def layers(chain: Chain) -> Iterator[Layer]:
    """Yield every layer as it is written, repeats once."""
    for item in chain.items:
        if isinstance(item, Layer):
            yield item
        for each in inside(item):
            yield from layers(each)


def without_softmax(chain: Chain) -> Chain:
    """Return the chain less a softmax at its very end.

    >>> from striate.nets import parse
    >>> print(without_softmax(parse("fc(10) softmax").chain))
    fc(10)
    """
    if not chain.items:
        return chain
    *before, last = chain.items
    match last:
        case Softmax():
            return Chain(tuple(before))
        case Repeat(body, 1):
            rest: Item = Repeat(without_softmax(body))
        case Part(name, Repeat(body, 1)):
            rest = Part(name, Repeat(without_softmax(body)))
        case Part(_, Softmax()):
            return Chain(tuple(before))
        case _:
            return chain
    return Chain((*before, rest))
