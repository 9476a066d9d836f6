"""Whose a file is: what a process makes for itself bears the names of its machine and of itself."""

from __future__ import annotations

import os
import platform
import re


def host_name() -> str:
    """Return this machine's name in letters and digits."""
    return re.sub(r"[^A-Za-z0-9]", "", platform.node())


def is_alive(pid: int) -> bool:
    """Return whether a process of this machine may still run."""
    if os.name != "posix":  # there, signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
