"""How long work tells how far it is: a plain function that the command line turns into a bar."""

from __future__ import annotations

from collections.abc import Callable

# progress(what, done, total): called often and cheaply; `total` is 0 while it is not known.
Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Say nothing: the default of every library function."""
