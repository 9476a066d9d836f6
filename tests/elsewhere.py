"""The command line as on a system that is not POSIX: what only POSIX has is not there, what Windows refuses is refused.

    python -m tests.elsewhere train digits --net lenet --epochs 1 --out run , predict run/model.striate photos

No modules fcntl, resource, pwd …, no os.fork, os.geteuid, os.sched_getaffinity, os.O_NONBLOCK …, no SIGHUP, SIGKILL …,
no /proc, no handle on the C library, no links. A file that is open or mapped is neither renamed, replaced nor removed,
nor is a folder with such a file; a folder cannot be opened, what is open for reading alone is not synced, no file gets
a name that Windows forbids. Paths stay those of this system. Several commands are parted by commas that stand alone.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import re
import shutil
import signal
import sys
import threading
from typing import Any

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "curses", "readline", "_posixshmem")
# They choose their ways by the system's true name when they are imported, and may then need what is hidden.
LOADED = (
    "ctypes.util", "subprocess", "tempfile", "multiprocessing.util", "asyncio", "numpy", "torch", "scipy",
    "sklearn.svm", "sklearn.ensemble", "joblib.externals.loky", "PIL.Image",
    "platformdirs", "rich.console", "rich.live", "typer", "matplotlib.pyplot", "jinja2", "http.server", "uuid",
)  # fmt: skip
CALLS = """
fork forkpty geteuid getuid getgid getegid getgroups getpgid setsid setuid killpg wait wait3 wait4 sched_getaffinity
sched_setaffinity sched_yield sysconf confstr getloadavg getpriority setpriority nice uname fstatvfs chown fchown lchown
fchmod fchdir mkfifo mknod pread pwrite preadv pwritev posix_fadvise posix_fallocate sendfile splice copy_file_range
memfd_create getxattr setxattr listxattr ttyname openpty chroot sync fdatasync pathconf O_NONBLOCK O_NOFOLLOW O_CLOEXEC
O_DIRECTORY O_NOCTTY O_SYNC O_DSYNC O_DIRECT O_NOATIME O_PATH O_TMPFILE
"""
SIGNALS = """
SIGHUP SIGKILL SIGALRM SIGUSR1 SIGUSR2 SIGCHLD SIGPIPE SIGQUIT SIGTSTP SIGCONT SIGSTOP SIGTTIN SIGTTOU SIGWINCH SIGXCPU
SIGXFSZ setitimer getitimer alarm pause pthread_kill pthread_sigmask sigwait sigtimedwait siginterrupt
"""
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.I)
_looking = threading.local()


def hide() -> None:
    """Make this process one of another system, from here on."""
    flags_of = importlib.import_module("fcntl").fcntl
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in CALLS.split():
        if hasattr(os, name):
            delattr(os, name)
    for name in SIGNALS.split():
        if hasattr(signal, name):
            delattr(signal, name)
    os.name = "elsewhere"
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    synced = os.fsync

    def fsync(handle: Any) -> None:
        number = handle if isinstance(handle, int) else handle.fileno()
        if flags_of(number, 3) & 3 == os.O_RDONLY:  # F_GETFL, O_ACCMODE
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        synced(number)

    os.fsync = fsync
    sys.addaudithook(_refuse)


def _refuse(event: str, details: tuple[Any, ...]) -> None:
    """Refuse what Windows refuses, but for libraries, and not what this does itself."""
    if event not in _REFUSALS or getattr(_looking, "now", False) or _asked_by_a_library():
        return
    _looking.now = True
    try:
        _REFUSALS[event](*details)
    finally:
        _looking.now = False


def _open(path: Any, mode: str | None, flags: int) -> None:
    if not isinstance(path, (str, bytes)):
        return
    path = os.fsdecode(path)
    if path.startswith("/proc/"):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    if flags & os.O_CREAT:
        _named(path)


def _asked_by_a_library() -> bool:
    """Whether a library that knows the system's true name asks, and no code of ours."""
    frame = sys._getframe()
    while frame := frame.f_back:
        if "site-packages" in frame.f_code.co_filename:
            return True
        if f"{os.sep}striate{os.sep}" in frame.f_code.co_filename:
            return False
    return False


def _named(path: Any, *_: Any) -> None:
    if _FORBIDDEN.search(os.path.basename(os.fsdecode(path).rstrip("/"))):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)


def _removed(path: Any, *_: Any) -> None:
    """Refuse to touch what this process has open."""
    target = os.path.realpath(os.fsdecode(path))
    for held in _held():
        if held == target or held.startswith(target + os.sep):
            raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used", path)


def _renamed(source: Any, target: Any, *_: Any) -> None:
    _removed(source)
    _removed(target)
    _named(target)


def _held() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{name}"))
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        found |= {parts[5].rstrip("\n") for line in maps if len(parts := line.split(maxsplit=5)) == 6}
    return found


def _linked(*_: Any) -> None:
    raise OSError(errno.EPERM, "A required privilege is not held by the client")


def _loaded(name: Any, *_: Any) -> None:
    if name is None:
        raise TypeError("LoadLibrary() argument 1 must be str, not None")


_REFUSALS = {
    "open": _open, "os.mkdir": _named, "os.remove": _removed, "os.rename": _renamed, "os.symlink": _linked,
    "os.link": _linked, "ctypes.dlopen": _loaded,
}  # fmt: skip


def main() -> None:
    """Run commands there, one after the other, until one fails."""
    for name in LOADED:
        importlib.import_module(name)
    hide()
    from striate.cli import main as striate

    for command in "\0".join(sys.argv[1:]).split("\0,\0"):
        sys.argv = ["striate", *command.split("\0")]
        try:
            striate()
        except SystemExit as ended:
            if ended.code:
                raise


if __name__ == "__main__":
    main()
