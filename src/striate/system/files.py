"""Writing files so that a crash, a full disk or a second process never leaves half of one.

Links are followed: what they lead to is replaced, and they stay. What is no regular file, such as a pipe or
/dev/stdout, cannot be replaced, and is written straight into.
"""

from __future__ import annotations

import difflib
import errno
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from striate.errors import StorageError

# Where systems keep the descriptors that a process has open, by number.
_DESCRIPTORS = ("/dev/fd", "/proc/self/fd", "/proc/thread-self/fd")
_MOST_LINKS = 40


def nearest_path(path: Path) -> Path | None:
    """Return the path beside a missing one whose name is most like its own; None where no name is like it."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, names, 1)
    return path.parent / near[0] if near else None


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Write `content` beside `path`, sync it to the disk, then rename: readers see the old file or the new one.

    Raises:
        StorageError: the disk is full or the folder not writable; what was at `path` is untouched.
    """
    path = Path(path)
    payload = content.encode() if isinstance(content, str) else content
    replace_atomically(path, lambda temporary: temporary.write_bytes(payload))


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(temporary)` make a file in the folder of `path`, sync it and rename it to `path`.

    Where `path` is a link, the file that it leads to is replaced; a pipe or device gets what was written.

    Raises:
        StorageError: the disk is full or the folder not writable; what was at `path` is untouched.
    """
    try:
        if (descriptor := open_descriptor(path)) is not None:
            _send(descriptor, write)
        elif path.exists() and not path.is_file() and not path.is_dir():
            _send(path, write)
        else:
            _replace(followed(path), write)
    except StorageError:
        raise
    except Exception as error:
        if (cause := system_error(error)) is None:
            raise
        raise StorageError(write_failure(cause, path)) from error


def put_in_place(made: Path, path: Path) -> None:
    """Sync a file that was written beside `path`, and rename it to that; it gets the permissions of what was there.

    Arguments:
        made: in the folder of what `path` leads to, see `followed`.

    Raises:
        StorageError: the folder cannot be written to; what was at `path` is untouched.
    """
    try:
        target = followed(path)
        _sync(made)
        made.chmod(_mode(target))
        os.replace(made, target)
        if os.name == "posix":
            _sync(target.parent)
    except OSError as error:
        raise StorageError(write_failure(error, path)) from error


def is_plain_file(path: Path) -> bool:
    """Whether a path is, or can become, a regular file: no pipe, device, open descriptor or folder."""
    return open_descriptor(path) is None and (path.is_file() or not path.exists())


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:200]}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        _sync(temporary)
        temporary.chmod(_mode(path))
        os.replace(temporary, path)
        if os.name == "posix":
            _sync(path.parent)
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise


def _send(target: Path | int, write: Callable[[Path], object]) -> None:
    """Write aside, as some writers go back in their file, then send it all to an open descriptor, pipe or device."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "content"
        write(temporary)
        for stream in (sys.stdout, sys.stderr):  # what was printed before comes before
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        handle = os.dup(target) if isinstance(target, int) else os.open(target, os.O_WRONLY)
        with temporary.open("rb") as made, open(handle, "wb", buffering=0) as sink:
            shutil.copyfileobj(made, _Whole(sink))


class _Whole:
    """An unbuffered file to which all of a block is written, however little it takes at a time."""

    def __init__(self, sink: io.FileIO):
        self._sink = sink

    def write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            rest = rest[self._sink.write(rest) or 0 :]


def open_descriptor(path: str | Path) -> int | None:
    """Return the number of the open descriptor that a path names, such as 1 for /dev/stdout; None for others.

    Opened by its path instead, a file that the shell appends to would be emptied.

    >>> open_descriptor("out.csv") is None
    True
    """
    path = os.path.abspath(path)
    folders = {os.path.realpath(folder) for folder in _DESCRIPTORS if os.path.isdir(folder)} | set(_DESCRIPTORS)
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        if name.isdecimal() and (folder in folders or os.path.realpath(folder) in folders):
            return int(name)
        if not os.path.islink(path):
            return None
        path = os.path.normpath(os.path.join(os.path.realpath(folder), os.readlink(path)))
    return None


def followed(path: Path) -> Path:
    """Return where a path leads through its links; what it leads to need not be there."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():  # a circle
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target if target != path.absolute() else path


def _mode(path: Path) -> int:
    """Return the permissions of a file that is there, so that what was private stays so; else the usual ones."""
    return path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()


def system_error(error: Exception) -> OSError | None:
    """Return what the system said was wrong: the error itself, or that which a library in Rust tells in words.

    >>> system_error(RuntimeError("I/O error: No space left on device (os error 28)")).errno == errno.ENOSPC
    True
    """
    if isinstance(error, OSError):
        return error
    told = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(told[1]), os.strerror(int(told[1]))) if told else None


def write_failure(error: OSError, path: Path) -> str:
    """Return what to tell the user when writing `path` failed with `error`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"cannot write {path}: the disk is full. Free some space or write elsewhere; what was there is kept"
    return f"cannot write {path}: {error.strerror or error}. Choose a folder that can be written to"


def _sync(path: Path) -> None:
    # Windows syncs what is open for writing; nowhere can a folder be
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
