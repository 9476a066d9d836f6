"""Calls: text → words with their arguments, the grammar that nets and augmentations share.

Python's own parser reads the arguments; nothing is evaluated. `#` starts a comment, line breaks are white space.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any, NamedTuple, NoReturn

from striate.errors import NotationError

LONGEST = 200_000
LONGEST_CALL = 2_000

_SPACE = re.compile(r"(?:\s+|#[^\n]*)*")
_WORD = re.compile(r"[^\W\d]\w*")
_MARKS = {"[": "a '['", "]": "a ']'", ";": "a ';'", "|": "a '|'", ")": "a ')'", "": "the end"}


class Call(NamedTuple):
    """A word with its arguments: `translate(2, fill="edge")`."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def parse_calls(text: str, **names: Any) -> list[Call]:
    """Return the calls of a plain list of words, such as augmentations.

    Raises:
        NotationError: the text cannot be read.

    >>> parse_calls("flip translate(2)")
    [Call(name='flip', args=(), kwargs={}), Call(name='translate', args=(2,), kwargs={})]
    """
    reader = Reader(text, names)
    calls = []
    while not reader.at(""):
        calls.append(reader.call(reader.word())[0])
    return calls


class Reader:
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
        if opened is not None and self.peek() not in (";", "|"):
            self.complain(opened, f"this {self.text[opened]!r} is never closed; a {mark!r} is missing")
        found = _MARKS.get(self.peek(), repr(self.peek()))
        self.complain(self.position, f"expected {_MARKS.get(mark, repr(mark))}, found {found}")

    def word(self) -> str:
        """Read a word."""
        found = _WORD.match(self.text, self.position)
        if not found:
            self.complain(self.position, f"expected a layer, found {_MARKS.get(self.peek(), repr(self.peek()))}")
        return found.group()

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
            if keyword.arg in kwargs:
                self.complain(self.place(keyword, start), f"{word} got {keyword.arg!r} twice. Say it once")
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
        source = self.text[start:end].replace("\r", " ")  # else Python counts lines that are none here
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
        return self.offset(
            start, node.lineno, len(row.encode(errors="surrogatepass")[: node.col_offset].decode(errors="ignore"))
        )

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
                f"the name {name!r} has no value.{known} Write a number, or give one: parse(…, {name}=10); "
                "a text needs quotes",
            )
        return self.names[name]
