"""Which number format a net trains in: the faster one by measurement, said and kept in the run.

A measurement is kept for the machine, too: else a noisy moment could make the same command end in other bits.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import platform
import time
from pathlib import Path

import platformdirs
import torch
import torch.nn.functional as F  # noqa: N812

from striate.errors import StorageError
from striate.storage import write_atomically

CANDIDATES = ("float32", "bfloat16")
# bfloat16 must win clearly: it costs some exactness, and a choice on the edge would flip from run to run.
MARGIN = 0.8


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which a forward pass runs in `precision`; float32 leaves everything as it is."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def measure_precisions(
    module: torch.nn.Module, count: int, input_shape: tuple[int, int, int], device: torch.device
) -> dict[str, float]:
    """Return the seconds of one training step on `count` images in each precision: the best of three, taken in turns.

    Works on copies and leaves the random state as it was.
    """
    module = module.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    batch = torch.zeros(count, *input_shape, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(count, dtype=torch.long, device=device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        trials = {precision: copy.deepcopy(module).train() for precision in CANDIDATES}
        # The first round chooses kernels and is thrown away; turns spread a noisy moment over both.
        rounds = [{p: _step_s(trial, batch, labels, p) for p, trial in trials.items()} for _ in range(4)][1:]
    return {precision: min(one[precision] for one in rounds) for precision in CANDIDATES}


def faster(seconds: dict[str, float]) -> str:
    """Return the precision to train in.

    >>> faster({"float32": 1.0, "bfloat16": 0.5}), faster({"float32": 1.0, "bfloat16": 0.95})
    ('bfloat16', 'float32')
    """
    return "bfloat16" if seconds["bfloat16"] < MARGIN * seconds["float32"] else "float32"


def recalled_precisions(key: str) -> dict[str, float] | None:
    """Return what was measured on this machine under `key`, None if nothing was."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_memory().read_text("utf-8"))[key]
        return {precision: float(kept[precision]) for precision in CANDIDATES}
    return None


def remember_precisions(key: str, seconds: dict[str, float]) -> None:
    """Keep a measurement for this machine; where nothing can be written, nothing is kept."""
    kept = {}
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(_memory().read_text("utf-8"))
    with contextlib.suppress(StorageError):
        write_atomically(_memory(), json.dumps({**dict(kept), key: seconds}, indent=0))


def measurement_key(net: str, input_shape: tuple[int, int, int], count: int, device: torch.device) -> str:
    """Return the name of a measurement: what is trained, with what, on which machine and how many threads."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.node()} {platform.processor()}"
    told = [net, input_shape, count, device.type, where, torch.get_num_threads(), torch.__version__]
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _memory() -> Path:
    folder = os.environ.get("STRIATE_CACHE") or platformdirs.user_cache_dir("striate")
    return Path(folder) / "precisions.json"


def _step_s(module: torch.nn.Module, batch: torch.Tensor, labels: torch.Tensor, precision: str) -> float:
    start = time.perf_counter()
    with autocast(precision, batch.device):
        logits = module(batch)
    F.cross_entropy(logits.float(), labels).backward()
    if batch.device.type == "cuda":
        torch.cuda.synchronize(batch.device)
    return time.perf_counter() - start
