"""Which number format a net trains in: the fastest by measurement, said and kept in the run.

float32         everything
bfloat16        torch's autocast: products in bfloat16, weights rounded for each, the rest as torch's lists say
bfloat16-pure   weights and values in bfloat16 throughout, batch norms' own numbers excepted

The weights that are updated, averaged, validated and kept are float32 in all three.
"""

from __future__ import annotations

import copy
import time
from itertools import chain

import torch
import torch.nn.functional as F  # noqa: N812
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from striate.nets.modules.own import AnyNet, build
from striate.system.measurements import measurement_key, recall, remember
from striate.training.engine.freezing import freeze
from striate.training.recipe import Recipe

# As many pixels as a moment allows: the ratio of the precisions hardly depends on the batch.
_MEASURED_PIXELS = 150_000

CANDIDATES = ("float32", "bfloat16", "bfloat16-pure")
# bfloat16 must win clearly: it costs some exactness, and a choice on the edge would flip from run to run.
MARGIN = 0.8


def in_precision(module: torch.nn.Module, precision: str) -> torch.nn.Module:
    """Return what computes `module` in `precision`; its parameters are the module's own, in float32."""
    return {"float32": lambda m: m, "bfloat16": Autocast, "bfloat16-pure": Rounded}[precision](module)


class Autocast(torch.nn.Module):
    """A module under torch's autocast to bfloat16."""

    def __init__(self, module: torch.nn.Module):
        super().__init__()
        self.module = module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits, (n, k)."""
        with torch.autocast(images.device.type, torch.bfloat16):
            return self.module(images)


class Rounded(torch.nn.Module):
    """A module whose weights are rounded to bfloat16 for each pass; the gradients reach the float32 weights.

    Batch norms keep their numbers, which torch takes beside bfloat16 images, and other buffers stay as they are.
    """

    def __init__(self, module: torch.nn.Module):
        super().__init__()
        self.module = module
        self._rounded = {
            f"{path}.{name}".lstrip(".")
            for path, part in module.named_modules()
            if not isinstance(part, _BatchNorm)
            for name, _ in chain(part.named_parameters(recurse=False), part.named_buffers(recurse=False))
            if name in part._parameters or name in ("weight", "bias")  # a buffer of that name is a fixed weight
        }

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits, bfloat16 (n, k)."""
        tensors = chain(self.module.named_parameters(), self.module.named_buffers())
        rounded = {name: value.to(torch.bfloat16) for name, value in tensors if name in self._rounded}
        return functional_call(self.module, rounded, (images.to(torch.bfloat16),))


def precision_seconds(
    net: AnyNet, batch_size: int, input_shape: tuple[int, int, int], device: torch.device, recipe: Recipe | None = None
) -> tuple[int, dict[str, float]]:
    """Return how many images were tried, at most a batch, and the seconds of a step on them in each precision.

    Measured once on a machine, then recalled. The recipe says what is frozen.
    """
    recipe = recipe or Recipe()
    count = min(batch_size, max(4, _MEASURED_PIXELS // (input_shape[1] * input_shape[2])))
    frozen = (recipe.freeze, recipe.norms) if recipe.freeze or recipe.norms == "kept" else ()
    key = measurement_key(device, CANDIDATES, str(net), input_shape, count, *frozen)
    seconds = recall(key)
    if seconds is None:
        seconds = measure_precisions(freeze(build(net, input_shape), recipe), count, input_shape, device)
        remember(key, seconds)
    return count, seconds


def measure_precisions(
    module: torch.nn.Module, count: int, input_shape: tuple[int, int, int], device: torch.device
) -> dict[str, float]:
    """Return the seconds of one training step on `count` images in each precision: the best of three, taken in turns.

    A precision in which a module of the user's own fails is left out. Works on copies and leaves the random state as it
    was.
    """
    module = module.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    batch = torch.zeros(count, *input_shape, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(count, dtype=torch.long, device=device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        trials: dict[str, torch.nn.Module] = {}
        for precision in CANDIDATES:
            trial = in_precision(copy.deepcopy(module).train(), precision)
            try:
                _step_s(trial, batch, labels)  # chooses kernels, so its time does not count
            except RuntimeError:
                if precision == "float32":
                    raise
                continue
            trials[precision] = trial
        # Turns spread a noisy moment over all of them.
        rounds = [{precision: _step_s(trial, batch, labels) for precision, trial in trials.items()} for _ in range(3)]
    return {precision: min(one[precision] for one in rounds) for precision in trials}


def faster(seconds: dict[str, float]) -> str:
    """Return the precision to train in.

    >>> faster({"float32": 1.0, "bfloat16": 0.5}), faster({"float32": 1.0, "bfloat16": 0.95})
    ('bfloat16', 'float32')
    """
    best = min(seconds, key=lambda precision: seconds[precision])
    return best if seconds[best] < MARGIN * seconds["float32"] else "float32"


def _step_s(module: torch.nn.Module, batch: torch.Tensor, labels: torch.Tensor) -> float:
    start = time.perf_counter()
    F.cross_entropy(module(batch).float(), labels).backward()
    if batch.device.type == "cuda":
        torch.cuda.synchronize(batch.device)
    return time.perf_counter() - start
