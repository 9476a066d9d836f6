"""Which number format a net trains in: the faster one by measurement, said and kept in the run."""

from __future__ import annotations

import copy
import time

import torch
import torch.nn.functional as F  # noqa: N812

from striate.training.measurements import measurement_key, recall, remember
from striate.training.own_module import AnyNet, build

# As many pixels as a moment allows: the ratio of the precisions hardly depends on the batch.
_MEASURED_PIXELS = 150_000

CANDIDATES = ("float32", "bfloat16")
# bfloat16 must win clearly: it costs some exactness, and a choice on the edge would flip from run to run.
MARGIN = 0.8


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which a forward pass runs in `precision`; float32 leaves everything as it is."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def precision_seconds(
    net: AnyNet, batch_size: int, input_shape: tuple[int, int, int], device: torch.device
) -> tuple[int, dict[str, float]]:
    """Return how many images were tried, at most a batch, and the seconds of a step on them in each precision.

    Measured once on a machine, then recalled.
    """
    count = min(batch_size, max(4, _MEASURED_PIXELS // (input_shape[1] * input_shape[2])))
    key = measurement_key(device, "precision", str(net), input_shape, count)
    seconds = recall(key)
    if seconds is None or set(seconds) != set(CANDIDATES):
        seconds = measure_precisions(build(net, input_shape), count, input_shape, device)
        remember(key, seconds)
    return count, seconds


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


def _step_s(module: torch.nn.Module, batch: torch.Tensor, labels: torch.Tensor, precision: str) -> float:
    start = time.perf_counter()
    with autocast(precision, batch.device):
        logits = module(batch)
    F.cross_entropy(logits.float(), labels).backward()
    if batch.device.type == "cuda":
        torch.cuda.synchronize(batch.device)
    return time.perf_counter() - start
