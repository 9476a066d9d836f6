"""One process at a time: a file that a process holds, and lets go of when it ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Lock:
    """A lock between processes; its folder is made when it is taken."""

    def __init__(self, path: Path):
        from filelock import FileLock

        self.path, self._lock = path, FileLock(path)

    def take(self, taken: Exception, failed: Callable[[OSError], Exception]) -> None:
        """Take it at once.

        Arguments:
            taken: raised where another process has it.
            failed: what to raise where the file system refuses.
        """
        from filelock import Timeout

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise taken from None
        except OSError as error:
            raise failed(error) from error

    def release(self, *, remove: bool) -> None:
        """Let go, and leave no file behind if it is to be removed."""
        if remove and os.name == "posix":  # while it is held: once released it may be another's
            self.path.unlink(missing_ok=True)
        self._lock.release()
        if remove and os.name != "posix":
            with suppress(OSError):  # another has it open
                self.path.unlink(missing_ok=True)


def is_taken(path: Path) -> bool:
    """Whether a process holds the lock of this file; none is made."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that cannot be written to: nobody works there
        return False
