"""What goes wrong on the way: it is told in one line, its traceback is kept, and the climb goes on."""

from __future__ import annotations

import traceback
from contextlib import suppress
from pathlib import Path

from striate.errors import StorageError, StriateError, is_out_of_memory
from striate.selection.ladder.results import Skipped
from striate.system.files import write_atomically

# In the run's folder: tracebacks of what nobody foresaw, the last one at the end.
FAILURES = "failures.log"


def skipped(name: str, error: Exception, folder: Path | None) -> Skipped:
    """Return what is told of a rung in which `error` was raised.

    What Striate refuses says itself why. Anything else is a fault of ours, or of the machine: its traceback is written
    to `failures.log`.

    Arguments:
        folder: of the run; None keeps no traceback.
    """
    if isinstance(error, StriateError):
        return Skipped(name, str(error))
    kept = _keep(name, error, folder)
    if is_out_of_memory(error):
        return Skipped(name, f"there was not enough memory for it{kept}")
    return Skipped(name, f"an unexpected error: {in_one_line(error)}{kept}")


def in_one_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of what it says, at most 200 letters of it.

    >>> in_one_line(KeyError("x")), in_one_line(ValueError())
    ("KeyError: 'x'", 'ValueError')
    """
    lines = str(error).strip().splitlines()
    return type(error).__name__ + (f": {lines[0][:200]}" if lines else "")


def _keep(name: str, error: Exception, folder: Path | None) -> str:
    """Add the traceback to those that are kept, and return where it is found."""
    if folder is None:
        return ""
    path, before = folder / FAILURES, ""
    with suppress(OSError, UnicodeDecodeError):
        before = path.read_text("utf-8")
    told = "".join(traceback.format_exception(error))
    with suppress(StorageError):
        write_atomically(path, f"{before}{name}\n{told}\n".encode(errors="replace"))
        return f" (the traceback is in {path})"
    return ""
