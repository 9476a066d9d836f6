"""Pickles from strangers: arrays are understood, and nothing is ever called but what is written here.

A pickle is a program that can call any function it names. Here the five names that a pickled array needs lead
to stand-ins of our own, which check what they are given; every other name ends the reading.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from striate.errors import DataError, brief

# CIFAR-100 has 400,000 in one file.
_MOST_STEPS = 2_000_000


class _RefusedError(Exception):
    """What the pickle asks for is not done."""


class _StandIn:
    """A callable that a pickle may name; it has no state that a pickle could set."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]):
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise _RefusedError("sets the state of a function")


class _Type:
    """What stands for a pickled `numpy.dtype`: one of unsigned bytes, or nothing."""

    __slots__ = ()

    def __init__(self, name: object, align: object = False, copy: object = True):
        text = name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)
        if text not in ("u1", "|u1", "uint8"):
            raise _RefusedError(f"holds an array of type {text}, not of unsigned bytes")

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment mean nothing for single bytes."""


class _Array:
    """What stands for a pickled `numpy.ndarray`; its state becomes `values`, a read-only view of the pickled bytes."""

    __slots__ = ("values",)

    def __init__(self, kind: object, shape: object, code: object):
        self.values: np.ndarray | None = None

    def __setstate__(self, state: object) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            raise _RefusedError("holds an array in an unknown form")
        _, shape, kind, fortran, data = state
        if not (isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)):
            raise _RefusedError("holds an array without a shape")
        if not isinstance(kind, _Type) or not isinstance(data, bytes):
            raise _RefusedError("holds an array whose values are not bytes")
        if math.prod(shape) != len(data):
            raise _RefusedError(f"declares an array of shape {shape} and holds {len(data):,} bytes for it")
        self.values = np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")


def _encode(text: object, encoding: object = "latin1") -> bytes:
    """Do what protocol 2 calls `_codecs.encode` for: bytes were written as Latin-1 text."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", b"latin1"):
        raise _RefusedError("encodes something that is not text in Latin-1")
    return text.encode("latin-1")


_ALLOWED: dict[tuple[str, str], _StandIn] = {
    ("numpy.core.multiarray", "_reconstruct"): _StandIn(_Array),
    ("numpy._core.multiarray", "_reconstruct"): _StandIn(_Array),
    ("numpy", "ndarray"): _StandIn(_Array),
    ("numpy", "dtype"): _StandIn(_Type),
    ("_codecs", "encode"): _StandIn(_encode),
}


def _refuse_keys(keys: Sequence[object]) -> None:
    # Hashing tuples of tuples of one tuple takes as long as there are grains of sand, and nobody can interrupt it.
    if not all(type(key) in (bytes, str, int) for key in keys):
        raise _RefusedError("has keys that are neither text nor numbers")


def _guarded(step: Callable[[Any], None], keys_of: Callable[[Any], Sequence[object]]) -> Callable[[Any], None]:
    """Return a step that puts items into a dict, which looks at the keys before it does."""

    def guarded(unpickler: Any) -> None:
        _refuse_keys(keys_of(unpickler))
        step(unpickler)

    return guarded


def _never(what: str) -> Callable[[Any], None]:
    def refuse(_: Any) -> None:
        raise _RefusedError(what)

    return refuse


class _Steps(dict[int, Callable[[Any], None]]):
    """What Python's unpickler does at each opcode, so many times and no more: each can make 64 bytes of one."""

    def __init__(self) -> None:
        steps = pickle._Unpickler.dispatch  # pyright: ignore[reportAttributeAccessIssue]
        super().__init__(steps)
        self._left = _MOST_STEPS
        for code, keys_of in (
            (pickle.SETITEM, lambda unpickler: unpickler.stack[-2:-1]),
            (pickle.SETITEMS, lambda unpickler: unpickler.stack[::2]),
            (pickle.DICT, lambda unpickler: unpickler.stack[::2]),
        ):
            self[code[0]] = _guarded(steps[code[0]], keys_of)
        for code in (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.BYTEARRAY8, pickle.NEXT_BUFFER):
            self[code[0]] = _never("holds sets, or bytes that can be written to")  # these are allocated as declared

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self._left -= 1
        if self._left < 0:
            raise _RefusedError(f"has more than {_MOST_STEPS:,} parts")
        return super().__getitem__(code)


# Python's own unpickler, not the one in C: at the cost of 5 ms a CIFAR batch, its memo is a dict, where the
# one in C lets twenty bytes of pickle ask for tens of gigabytes at once, and its steps can be counted.
class _Unpickler(pickle._Unpickler):  # pyright: ignore[reportAttributeAccessIssue]
    def __init__(self, raw: bytes):
        super().__init__(io.BytesIO(raw), encoding="bytes")
        self.dispatch = _Steps()  # pyright: ignore[reportAttributeAccessIssue]

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _RefusedError(f"asks for {module[:80]}.{name[:80]}") from None

    def persistent_load(self, pid: object) -> Any:
        raise _RefusedError("asks for an object outside of itself")


def load_pickle(raw: bytes, where: str) -> Any:
    """Return the plain values and uint8 arrays of a pickle; text of Python 2 stays bytes.

    Arguments:
        raw: the whole pickle.
        where: its file, for messages.

    Raises:
        DataError: it asks for anything but byte arrays (then nothing of it was run), or it is damaged.
    """
    try:
        return _plain(_Unpickler(raw).load())
    except _RefusedError as refusal:
        raise DataError(
            f"{where} must be a pickle of plain values and byte arrays; it {refusal}. "
            "Nothing of it was run. Get the file from its publisher"
        ) from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise DataError(f"{where} is a damaged pickle ({type(error).__name__}: {brief(error)}). Get it again") from None


def _plain(value: Any) -> Any:
    """Put arrays in the place of their stand-ins, in a dict of them or alone."""
    if isinstance(value, dict):
        return {key: _values(item) for key, item in value.items()}
    return _values(value)


def _values(value: Any) -> Any:
    return value.values if isinstance(value, _Array) else value
