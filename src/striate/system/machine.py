"""Which machine this is and which code runs on it, for records that others should be able to repeat."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import striate.version as here


def describe_machine(device: str = "cpu", threads: int | None = None) -> dict[str, str | int]:
    """Return the machine in plain values: system, processor, cpus, and what is computed on.

    Arguments:
        device: where a run computes, as torch names it.
        threads: how many it uses.
    """
    told: dict[str, str | int] = {
        "system": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count() or 1,
        "device": device,
    }
    return told | ({"threads": threads} if threads else {}) | ({"commit": commit} if (commit := code_commit()) else {})


def _processor() -> str:
    """Return the processor's name as the system has it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def code_commit() -> str:
    """Return the commit of the code that runs, "" where it was not installed from a repository.

    The package's own repository is asked, not one that only has an environment with the package below it; a "+" tells
    of changes that are not committed.
    """
    folder = Path(here.__file__).parent
    with suppress(OSError, subprocess.SubprocessError):
        if _git(folder, "ls-files", "version.py"):
            changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
            return _git(folder, "rev-parse", "--short=12", "HEAD") + "+" * bool(changed)
    with suppress(PackageNotFoundError, ValueError, KeyError, TypeError):
        told = distribution("striate").read_text("direct_url.json")
        return str(json.loads(told or "{}")["vcs_info"]["commit_id"])[:12]
    return ""


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=2)  # noqa: S603
    return done.stdout.strip()
