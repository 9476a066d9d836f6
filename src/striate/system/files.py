"""Writing files so that a crash, a full disk or a second process never leaves half of one."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from striate.errors import StorageError


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write `content` beside `path`, sync it to the disk, then rename: readers see the old file or the new one.

    Raises:
        StorageError: the disk is full or the folder not writable; what was at `path` is untouched.
    """
    path = Path(path)
    payload = content.encode() if isinstance(content, str) else content
    replace_atomically(path, lambda temporary: temporary.write_bytes(payload))


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(temporary)` make a file in the folder of `path`, sync it and rename it to `path`."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        temporary.chmod(0o666 & ~_umask())
        write(temporary)
        _sync(temporary)
        os.replace(temporary, path)
        if os.name == "posix":
            _sync(path.parent)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageError(write_failure(error, path)) from error
        raise


def write_failure(error: OSError, path: Path) -> str:
    """Return what to tell the user when writing `path` failed with `error`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot write {path}: the disk is full. Free some space or write elsewhere; what was there is kept"
    return f"cannot write {path}: {error.strerror or error}. Choose a folder that can be written to"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
