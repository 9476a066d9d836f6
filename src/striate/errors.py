"""The errors of Striate: each derives from `StriateError` and from the built-in that fits.

A message reads `<what> must be <constraint>; got <value>. <what to do>` and names the file, if there is one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_LONGEST_NAME, _LONGEST_REASON = 80, 200
# Control characters but line breaks and tabs, ends of lines of Unicode's own, and what turns the direction of writing.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class StriateError(Exception):
    """Anything that Striate refuses, with a message for its user."""


class ArgumentError(StriateError, ValueError):
    """An argument, option or recipe entry has a value that cannot be used."""


class NotationError(StriateError, ValueError):
    """A sentence cannot be read; the message points at the column."""


class ShapeError(StriateError, ValueError):
    """A layer, batch or array has a shape that does not fit; the message names both sides."""


class DataError(StriateError, ValueError):
    """A source of images or labels is not usable as it is."""


class SourceNotFoundError(StriateError, FileNotFoundError):
    """A path or built-in name leads nowhere."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DecodingError(DataError):
    """One image cannot be decoded; the message is the reason written to the ledger."""


class ModelFileError(StriateError, ValueError):
    """A `.striate` file, checkpoint or weights file is damaged, foreign or of an unknown version."""


class TrainingError(StriateError, RuntimeError):
    """Training cannot go on: a loss that is not finite, a resume that does not match."""


class ExportError(StriateError, RuntimeError):
    """A copy of a model does not answer as the model does, and is not handed out."""


class MissingExtraError(StriateError, ImportError):
    """A feature needs an optional dependency; the message says which extra to install."""


class StorageError(StriateError, OSError):
    """A file cannot be written: disk full, no permission. Nothing that was there is lost."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was too small; torch raises a plain RuntimeError on a CPU.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory")), is_out_of_memory(ValueError("x"))
    (True, False)
    """
    return isinstance(error, MemoryError) or re.search("out of memory|allocate memory", str(error)) is not None


def visible(text: str) -> str:
    r"""Return `text` with what a terminal or page obeys, and does not show, written as escapes; line breaks stay.

    >>> visible("a\x1b[2Jb\u202egnp.exe"), visible("naïve 猫\n")
    ('a\\x1b[2Jb\\u202egnp.exe', 'naïve 猫\n')
    """
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def on_one_line(text: str) -> str:
    r"""Return `text` as `visible` does, line breaks too: the name of a file or class, which may hold anything.

    >>> on_one_line("a\nerror: b")
    'a\\nerror: b'
    """
    return visible(text).replace("\n", "\\n")


def brief(error: BaseException | str) -> str:
    """Return what another library says of a damaged file, cut where it recites the file.

    >>> brief(ValueError("bad magic")), len(brief("x" * 20_000))
    ('bad magic', 200)
    """
    text = on_one_line(str(error))
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"


def some(names: Iterable[str], most: int = 10) -> str:
    """Return at most so many names as a list for a message, long ones cut, and how many there are besides.

    >>> some(["a", "b", "c"]), some(map(str, range(785)), 3)
    ('a, b, c', '0, 1, 2 and 782 more')
    """
    listed = [on_one_line(str(name)) for name in names]
    shown = ", ".join(name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…" for name in listed[:most])
    return shown + (f" and {len(listed) - most:,} more" if len(listed) > most else "")


def unknown(kind: str, name: str, choices: Iterable[str]) -> str:
    """Return the sentence for an unknown name: the choices, and the nearest one if it is near.

    >>> unknown("optimiser", "adm", ["sgd", "adam"])
    "unknown optimiser 'adm'; did you mean 'adam'? Choices: sgd, adam"
    """
    names = list(choices)
    folded = {choice.casefold(): choice for choice in names}
    near = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, 1)]
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {kind} {name!r}{hint} Choices: {', '.join(names)}"
