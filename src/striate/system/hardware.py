"""What the hardware can do and how much of it is free, as far as the system tells."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from striate.system.devices import memory_bytes

# The instructions that decide how fast a net is on a CPU; other names are those of ARM.
_TELLING = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve", "bf16", "i8mm")
# Where a container's limit stands, in both versions of Linux's control groups.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """Return those of the CPU's instruction sets that matter here; none where the system (not Linux) does not tell."""
    with suppress(OSError):
        for line in cpuinfo.read_text("utf-8", "replace").splitlines():
            name, _, told = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return [feature for feature in _TELLING if feature in told.split()]
    return []


def memory_allowed_bytes() -> int:
    """Return the memory that this process may use: the machine's, or a container's share, in bytes."""
    allowed = memory_bytes()
    for path in _LIMITS:
        with suppress(OSError, ValueError):
            allowed = min(allowed, int(Path(path).read_text("ascii")))
    return allowed


def memory_free_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the memory that is free for programs, in bytes; None where the system (not Linux) does not tell."""
    with suppress(OSError, ValueError):
        for line in meminfo.read_text("ascii", "replace").splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) << 10, memory_allowed_bytes())
    return None


def busy_cpus() -> float | None:
    """Return how many CPUs were busy in the last minute, all programs together; None where no system tells."""
    with suppress(AttributeError, OSError):
        return os.getloadavg()[0]
    return None
