"""Sentences: text → value. `parse` reads nets, `parse_calls` any list of calls in the same grammar.

    sentence = item…          item = layer | layer(arguments) | [ sentence ] | [ sentence ]*n | name: item
                                   | residual(body ; shortcut) | concat(a | b | …) | gate(body) | aux(body ; weight)

Python's own parser reads a layer's arguments; nothing is evaluated. `#` starts a comment, line breaks are white space.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import warnings
from typing import Any, NamedTuple, NoReturn

from striate.errors import ArgumentError, NotationError, unknown
from striate.nets import layers, structure, windows
from striate.nets.layers import Layer
from striate.nets.net import Net
from striate.nets.structure import Aux, Chain, Concat, Gate, Node, Part, Repeat, Residual

LONGEST = 200_000
LONGEST_CALL = 2_000
DEEPEST = 32
MOST_LAYERS = 10_000

_SPACE = re.compile(r"(?:\s+|#[^\n]*)*")
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"\d+")
_MARKS = {"[": "a '['", "]": "a ']'", ";": "a ';'", "|": "a '|'", ")": "a ')'", "": "the end"}


class Call(NamedTuple):
    """A word with its arguments: `translate(2, fill="edge")`."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


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
STRUCTURES = ("residual", "concat", "gate", "aux")


def parse(text: str, **names: Any) -> Net:
    """Return the net that a sentence says.

    Args:
        text: the sentence.
        names: values for names used as arguments, such as `classes=10` for `fc(classes)`.

    Raises:
        NotationError: the sentence cannot be read; the message gives the column, with a caret below it.

    >>> print(parse("[conv(8, 3, pad=1) relu maxpool(2)]*2 fc(classes)", classes=10))
    [conv(8, 3, pad=1) relu maxpool(2)]*2 fc(10)
    """
    reader = _Reader(text, names)
    chain = reader.chain(depth=0)
    reader.expect("")
    if not chain.items:
        reader.complain(
            0, 'a net needs at least one layer; got an empty sentence. For example: "conv(32, 3) relu fc(10)"'
        )
    return Net(chain)


def parse_calls(text: str, **names: Any) -> list[Call]:
    """Return the calls of a plain list of words, such as augmentations.

    Raises:
        NotationError: the text cannot be read.

    >>> parse_calls("flip translate(2)")
    [Call(name='flip', args=(), kwargs={}), Call(name='translate', args=(2,), kwargs={})]
    """
    reader = _Reader(text, names)
    calls = []
    while not reader.at(""):
        calls.append(reader.call(reader.word())[0])
    return calls


class _Reader:
    """A position in a text, and what can be read from there."""

    def __init__(self, text: str, names: dict[str, Any]) -> None:
        if not isinstance(text, str):
            raise NotationError(f"a sentence must be text; got {type(text).__name__}")
        if len(text) > LONGEST:
            raise NotationError(
                f"a sentence must have at most {LONGEST:,} characters; got {len(text):,}. Use repeats: [ … ]*n"
            )
        self.text, self.names, self.position = text, names, 0
        self.skip()

    def complain(self, position: int, message: str) -> NoReturn:
        """Raise `NotationError` with the place, the line and a caret."""
        start = self.text.rfind("\n", 0, position) + 1
        line = self.text[start:].split("\n", 1)[0].replace("\t", " ")
        column, number = position - start, self.text.count("\n", 0, position) + 1
        where = f"column {column + 1}" if number == 1 else f"line {number}, column {column + 1}"
        left = max(0, column - 60)
        shown = ("…" if left else "") + line[left : column + 40] + ("…" if len(line) > column + 40 else "")
        caret = " " * (column - left + bool(left)) + "^"
        raise NotationError(f"{where}: {message}\n  {shown}\n  {caret}")

    def skip(self) -> None:
        """Go past white space and comments."""
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position

    def peek(self) -> str:
        """Return the next character; nothing at the end."""
        return self.text[self.position : self.position + 1]

    def at(self, mark: str) -> bool:
        """Return whether `mark` comes next."""
        return self.peek() == mark

    def take(self, mark: str) -> bool:
        """Go past `mark` if it comes next, and return whether it did."""
        if not mark or not self.at(mark):
            return False
        self.position += 1
        self.skip()
        return True

    def expect(self, mark: str, opened: int | None = None) -> None:
        """Go past `mark`, or complain; `opened` is where the bracket began that it closes."""
        if self.at(mark):
            self.take(mark)
            return
        if opened is not None:
            self.complain(opened, f"this {self.text[opened]!r} is never closed; a {mark!r} is missing")
        found = _MARKS.get(self.peek(), repr(self.peek()))
        self.complain(self.position, f"expected {_MARKS.get(mark, repr(mark))}, found {found}")

    def word(self) -> str:
        """Read a word."""
        found = _WORD.match(self.text, self.position)
        if not found:
            self.complain(self.position, f"expected a layer, found {_MARKS.get(self.peek(), repr(self.peek()))}")
        return found.group()

    def chain(self, depth: int) -> Chain:
        """Read items until something closes the chain."""
        if depth > DEEPEST:
            self.complain(self.position, f"brackets are nested more than {DEEPEST} deep")
        items: list[Node] = []
        seen: set[str] = set()
        begin = self.position
        while self.peek() not in ("", "]", ")", ";", "|"):
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

    def item(self, depth: int) -> Node:
        """Read one item."""
        start = self.position
        if self.take("["):
            return self.repeat(start, depth)
        word = self.word()
        self.position += len(word)
        after_word = self.position
        self.skip()
        if self.take(":"):
            if self.peek() in ("", "]", ")", ";", "|") or depth > DEEPEST:
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
            self.complain(start, unknown("layer", word, sorted([*WORDS, *STRUCTURES])))
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
        found = _NUMBER.match(self.text, at) or _WORD.match(self.text, at)
        if not found:
            self.complain(at, "expected how often to repeat, as in [ … ]*3")
        self.position = found.end()
        self.skip()
        digits = found.group()
        times = self.bound(digits, at) if not digits[0].isdigit() else int(digits[:9])
        if not isinstance(times, int) or not 1 <= times <= MOST_LAYERS:
            self.complain(at, f"repeats must be a whole number from 1 to {MOST_LAYERS:,}; got {str(times)[:20]}")
        return Repeat(body, times)

    def structure(self, word: str, start: int, depth: int) -> Node:
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
        made: Node
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
        found = re.compile(r"[0-9.eE+-]+").match(self.text, self.position)
        try:
            value = float(found.group()) if found else -1.0
        except ValueError:
            value = -1.0
        if found is None or not 0 <= value <= 1000:
            self.complain(self.position, "expected the weight of this head's loss, as in aux( … ; 0.3)")
        self.position = found.end()
        self.skip()
        return value

    def call(self, word: str) -> tuple[Call, list[int]]:
        """Read a word with its arguments, and where each argument stands."""
        start = self.position
        self.position += len(word)
        end = self.position
        self.skip()
        if not self.at("("):
            return Call(word, (), {}), []
        end = self.closing(self.position) + 1
        if end - start > LONGEST_CALL:
            self.complain(start, f"the arguments of {word!r} are longer than {LONGEST_CALL:,} characters")
        tree = self.python(start, end)
        args, kwargs, where = [], {}, []
        for value in tree.args:
            args.append(self.value(value, start))
            where.append(self.place(value, start))
        for keyword in tree.keywords:
            if keyword.arg is None:
                self.complain(self.place(keyword.value, start), "arguments are written out one by one; ** is not read")
            kwargs[keyword.arg] = self.value(keyword.value, start)
            where.append(self.place(keyword, start))
        self.position = end
        self.skip()
        return Call(word, tuple(args), kwargs), where

    def closing(self, opened: int) -> int:
        """Return where the parenthesis is that closes the one at `opened`."""
        depth, quote, i = 0, "", opened
        while i < len(self.text):
            letter = self.text[i]
            if quote:
                quote = "" if letter in (quote, "\n") else quote
            elif letter in "\"'":
                quote = letter
            elif letter == "#":
                i = self.text.find("\n", i) if "\n" in self.text[i:] else len(self.text)
            elif letter in "()":
                depth += 1 if letter == "(" else -1
                if depth == 0:
                    return i
            i += 1
        self.complain(opened, "this '(' is never closed; a ')' is missing")

    def python(self, start: int, end: int) -> ast.Call:
        """Let Python's parser read a call."""
        source = self.text[start:end]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source, mode="eval").body
        except SyntaxError as error:
            self.complain(
                self.offset(start, error.lineno or 1, (error.offset or 1) - 1),
                f"these arguments cannot be read: {error.msg}",
            )
        except (ValueError, RecursionError, MemoryError):
            self.complain(start, "these arguments cannot be read")
        if not isinstance(tree, ast.Call):
            self.complain(start, "expected a layer with its arguments")
        return tree

    def offset(self, start: int, line: int, column: int) -> int:
        """Return the position in the text of a line and column of the call at `start`."""
        rows = self.text[start:].split("\n")[: line - 1]
        return min(start + sum(len(row) + 1 for row in rows) + max(column, 0), len(self.text))

    def place(self, node: ast.expr | ast.keyword, start: int) -> int:
        """Return the position of something that Python's parser found, whose columns count bytes."""
        row = self.text[start:].split("\n")[node.lineno - 1]
        return self.offset(start, node.lineno, len(row.encode()[: node.col_offset].decode(errors="ignore")))

    def value(self, node: ast.expr, start: int) -> Any:
        """Return the value of an argument: a number, a text, true, false, a pair of those, or a bound name."""
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)) if not isinstance(
                value, bool
            ):
                return -value
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return tuple(self.value(part, start) for part in parts)
            case ast.Name(id=name):
                return self.bound(name, self.place(node, start))
        self.complain(
            self.place(node, start), "an argument must be a number, a text in quotes, true, false, a pair or a name"
        )

    def bound(self, name: str, position: int) -> Any:
        """Return the value of a name."""
        if name in ("true", "false"):
            return name == "true"
        if name not in self.names:
            known = f" Known here: {', '.join(sorted(self.names))}." if self.names else ""
            self.complain(
                position,
                f"the name {name!r} has no value.{known} Write a number, or give it: parse(…, {name}=10); a text needs quotes",
            )
        return self.names[name]

    def layer(self, call: Call, start: int, where: list[int]) -> Layer:
        """Return the layer that a call makes."""
        kind = WORDS[call.name]
        fields = {each.name: each for each in dataclasses.fields(kind)}
        usage = (
            f"{call.name}({', '.join(n if f.default is dataclasses.MISSING else f'{n}=' for n, f in fields.items())})"
        )
        if len(call.args) > len(fields):
            self.complain(
                where[len(fields)],
                f"{call.name} takes at most {len(fields)} arguments; got {len(call.args)}. Usage: {usage}",
            )
        given = dict(zip(fields, call.args, strict=False))
        for (name, value), position in zip(call.kwargs.items(), where[len(call.args) :], strict=True):
            if name not in fields:
                self.complain(
                    position,
                    unknown(f"argument of {call.name}", name, fields)
                    if fields
                    else f"{call.name} takes no arguments; got {name!r}",
                )
            if name in given:
                self.complain(position, f"{call.name} got {name!r} twice. Usage: {usage}")
            given[name] = value
        missing = [name for name, each in fields.items() if each.default is dataclasses.MISSING and name not in given]
        if missing:
            self.complain(start, f"{call.name} needs {' and '.join(missing)}. Usage: {usage}")
        try:
            return kind(**given)
        except ArgumentError as error:
            wrong = next((at for name, at in zip(given, where, strict=True) if f": {name} " in str(error)), start)
            self.complain(wrong, str(error))
