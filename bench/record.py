"""Records of measurements: what was run, where, with what, as JSON beside the scripts."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.measured import bench_of, command, digest
from bench.table import RECORDS, write_page


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, its fast number formats, cores, versions, commit."""
    import torch

    flags = _cpu_line("flags").split()
    fast = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return {
        "cpu": _cpu_line("model name") or platform.processor(),
        "fast": fast,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "src") else ""),
    }


def peak_bytes() -> int:
    """Return the peak of this process's memory so far; not `ru_maxrss`, which on Linux begins with the parent's."""
    with contextlib.suppress(OSError, IndexError):
        return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return median, mean, standard error, extremes and count."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
    return {
        "median": statistics.median(values),
        "mean": statistics.fmean(values),
        "standard_error": error,
        "min": min(values),
        "max": max(values),
        "runs": len(values),
    }


def write(name: str, result: dict[str, Any], clock: str) -> None:
    """Write a record as bench/records/NAME.json and into docs/speed.md, and print it.

    Arguments:
        clock: what the times include.
    """
    RECORDS.mkdir(exist_ok=True)
    bench = bench_of(name)
    source = {"again": command(sys.argv), "source_digest": digest(bench)} if bench else {}
    record = {"name": name, **result, "clock": clock, **source, "machine": machine()}
    text = json.dumps(record, indent=1, ensure_ascii=False)
    (RECORDS / f"{name}.json").write_text(text + "\n", "utf-8")
    print(text)
    write_page()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=RECORDS.parent)
    return done.stdout.strip()


def _cpu_line(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), "")
