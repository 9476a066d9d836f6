"""Sentences: text → net.

sentence = item…          item = layer | layer(arguments) | [ sentence ] | [ sentence ]*n | name: item
                               | residual(body ; shortcut) | concat(a | b | …) | gate(body) | aux(body ; weight)
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from striate.calls import Call, Reader
from striate.errors import ArgumentError, unknown
from striate.nets import layers, structure, windows
from striate.nets.layers import Layer
from striate.nets.net import Net
from striate.nets.structure import Aux, Chain, Concat, Gate, Item, Part, Repeat, Residual

DEEPEST = 32
MOST_LAYERS = 10_000
CLOSING = ("", "]", ")", ";", "|")

_COUNT = re.compile(r"\d+|[^\W\d]\w*")
_WEIGHT = re.compile(r"[0-9.eE+-]+")
STRUCTURES = ("residual", "concat", "gate", "aux")


def _words() -> dict[str, type[Layer]]:
    found: dict[str, type[Layer]] = {}
    for module in (layers, windows, structure):
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, Layer)
                and not issubclass(value, structure.Merge)
                and value.word
            ):
                found[value.word] = value
    return found


WORDS: dict[str, type[Layer]] = _words()


def parse(text: str, **names: Any) -> Net:
    """Return the net that a sentence says.

    Arguments:
        text: the sentence.
        names: values for names used as arguments, such as `classes=10` for `fc(classes)`.

    Raises:
        NotationError: the sentence cannot be read; the message gives the column, with a caret below it.

    >>> print(parse("[conv(8, 3, pad=1) relu maxpool(2)]*2 fc(classes)", classes=10))
    [conv(8, 3, pad=1) relu maxpool(2)]*2 fc(10)
    """
    reader = SentenceReader(text, names)
    chain = reader.chain(depth=0)
    reader.expect("")
    if not chain.items:
        reader.complain(
            0, 'a net needs at least one layer; got an empty sentence. For example: "conv(32, 3) relu fc(10)"'
        )
    return Net(chain)


class SentenceReader(Reader):
    """Reads items and chains of them."""

    def chain(self, depth: int) -> Chain:
        """Read items until something closes the chain."""
        if depth > DEEPEST:
            self.complain(self.position, f"brackets are nested more than {DEEPEST} deep")
        items: list[Item] = []
        seen: set[str] = set()
        begin = self.position
        while self.peek() not in CLOSING:
            start = self.position
            item = self.item(depth)
            if isinstance(item, Part):
                if item.name in seen:
                    self.complain(start, f"two parts are called {item.name!r}. Give each its own name")
                seen.add(item.name)
            items.append(item)
        chain = Chain(tuple(items))
        if structure.count(chain) > MOST_LAYERS:
            self.complain(
                begin,
                f"a net must have at most {MOST_LAYERS:,} layers; got {structure.count(chain):.3g}. Use fewer repeats",
            )
        return chain

    def item(self, depth: int) -> Item:
        """Read one item."""
        start = self.position
        if self.take("["):
            return self.repeat(start, depth)
        word = self.word()
        self.position += len(word)
        after_word = self.position
        self.skip()
        if self.take(":"):
            if self.peek() in CLOSING or depth > DEEPEST:
                self.complain(start, f"the part {word!r} names nothing. Write {word}: layer, or {word}: [ … ]")
            inner = self.item(depth + 1)
            if isinstance(inner, Part):
                self.complain(start, f"the part {word!r} holds only the part {inner.name!r}. Use one name")
            return Part(word, inner)
        if word in STRUCTURES:
            return self.structure(word, start, depth)
        self.position = start
        if word not in WORDS:
            self.position = after_word
            self.complain(start, unknown("layer", word[:40], sorted([*WORDS, *STRUCTURES])))
        call, where = self.call(word)
        return self.layer(call, start, where)

    def repeat(self, start: int, depth: int) -> Repeat:
        """Read what follows a '['."""
        body = self.chain(depth + 1)
        self.expect("]", start)
        if not body.items:
            self.complain(start, "there is nothing between these brackets")
        if not self.take("*"):
            return Repeat(body)
        at = self.position
        found = _COUNT.match(self.text, at)
        if not found:
            self.complain(at, "expected how often to repeat, as in [ … ]*3")
        self.position = found.end()
        self.skip()
        digits = found.group()
        if not digits.isdecimal() and not digits.isidentifier():  # such as a 2 with a ², which is no numeral
            self.complain(at, "expected how often to repeat, as in [ … ]*3")
        times = int(digits[:9]) if digits.isdecimal() else self.bound(digits, at)
        if not isinstance(times, int) or not 1 <= times <= MOST_LAYERS:
            got = digits if digits.isdecimal() else str(times)
            self.complain(at, f"repeats must be a whole number from 1 to {MOST_LAYERS:,}; got {got[:20]}")
        return Repeat(body, times)

    def structure(self, word: str, start: int, depth: int) -> Item:
        """Read residual( … ), concat( … ), gate( … ) or aux( … ), the word already read."""
        opened = self.position
        if not self.take("("):
            self.complain(start, f"{word} needs its body in parentheses: {word}( … )")
        if word == "concat":
            branches = [self.chain(depth + 1)]
            while self.take("|"):
                branches.append(self.chain(depth + 1))
            self.expect(")", opened)
            if len(branches) < 2:
                self.complain(start, "concat needs at least two branches, parted by '|'")
            return Concat(tuple(branches))
        body = self.chain(depth + 1)
        if not body.items:
            self.complain(start, f"{word} needs a body: {word}( … )")
        made: Item
        if word == "residual":
            made = Residual(body, self.chain(depth + 1) if self.take(";") else Chain())
        elif word == "gate":
            made = Gate(body)
        else:
            made = Aux(body, self.weight()) if self.take(";") else Aux(body)
        self.expect(")", opened)
        return made

    def weight(self) -> float:
        """Read the weight of an auxiliary head."""
        found = _WEIGHT.match(self.text, self.position)
        try:
            value = float(found.group()) if found else -1.0
        except ValueError:
            value = -1.0
        if found is None or not 0 <= value <= 1000:
            self.complain(self.position, "expected the weight of this head's loss, as in aux( … ; 0.3)")
        self.position = found.end()
        self.skip()
        return value

    def layer(self, call: Call, start: int, where: list[int]) -> Layer:
        """Return the layer that a call makes."""
        kind = WORDS[call.name]
        given = self.arguments(call, {each.name: each for each in dataclasses.fields(kind)}, start, where)
        try:
            return kind(**given)
        except ArgumentError as error:
            wrong = next(
                (
                    at
                    for name, at in zip(given, where, strict=True)
                    if str(error).startswith((f"{call.name}: {name} ", f"{call.name}: {name}:"))
                ),
                start,
            )
            self.complain(wrong, str(error))

    def arguments(self, call: Call, fields: dict[str, Any], start: int, where: list[int]) -> dict[str, Any]:
        """Return the arguments of a call by name, checked against the fields of its layer."""
        needed = [name for name, each in fields.items() if each.default is dataclasses.MISSING]
        usage = f"{call.name}({', '.join(name if name in needed else f'{name}=' for name in fields)})"
        if len(call.args) > len(fields):
            most = f"at most {len(fields)} arguments" if fields else "no arguments"
            self.complain(where[len(fields)], f"{call.name} takes {most}; got {len(call.args)}. Usage: {usage}")
        given = dict(zip(fields, call.args, strict=False))
        for (name, value), position in zip(call.kwargs.items(), where[len(call.args) :], strict=True):
            if not fields:
                self.complain(position, f"{call.name} takes no arguments; got {name!r}")
            if name not in fields:
                self.complain(position, unknown(f"argument of {call.name}", name, fields))
            if name in given:
                self.complain(position, f"{call.name} got {name!r} twice. Usage: {usage}")
            given[name] = value
        missing = [name for name in needed if name not in given]
        if missing:
            self.complain(start, f"{call.name} needs {' and '.join(missing)}. Usage: {usage}")
        return given
