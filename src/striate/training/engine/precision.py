"""Which number format a net trains in: the fastest by measurement, said and kept in the run.

float32         everything
bfloat16        torch's autocast: products in bfloat16, weights rounded for each, the rest as torch's lists say
bfloat16-pure   weights and values in bfloat16 throughout, batch norms' own numbers excepted

The weights that are updated, averaged, validated and kept are float32 in all three.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm


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
