"""What may stand where a Net is expected: a user's own `torch.nn.Module`, or a model of timm's."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch

from striate.errors import ArgumentError, ShapeError
from striate.nets.modules.module import make_module
from striate.nets.modules.timm_models import TimmNet, make_timm, read_timm
from striate.nets.net import Net
from striate.nets.zoo import is_timm, resolve


@dataclass(frozen=True, eq=False)
class OwnModule:
    """A module that maps float (n, c, h, w) to logits (n, k), with a reference to the class that it was built from.

    The reference is only written down: nothing is imported from it, so loading a saved model asks for the module.

    >>> net = OwnModule(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2)))
    >>> str(net), net.output_shape((3, 2, 2))
    ('torch.nn.modules.container:Sequential', (2,))
    """

    module: torch.nn.Module

    def __str__(self) -> str:
        return f"{type(self.module).__module__}:{type(self.module).__qualname__}"

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the output for one input (c, h, w), found by trying two.

        Raises:
            ShapeError: the module fails on such images, or gives something else than a tensor for each.
        """
        trial = copy.deepcopy(self.module).cpu().eval()
        try:
            with torch.inference_mode():
                output: Any = trial(torch.zeros(2, *input_shape))
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            c, h, w = input_shape
            raise ShapeError(f"{self} fails on images {c}×{h}×{w}: {error}") from error
        if not isinstance(output, torch.Tensor) or output.ndim != 2 or len(output) != 2:
            got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
            raise ShapeError(f"{self} must map (n, c, h, w) to logits (n, k); for two images it gave {got}")
        return tuple(output.shape[1:])


AnyNet = Net | OwnModule | TimmNet


def as_net(net: AnyNet | torch.nn.Module) -> AnyNet:
    """Return `net`, a plain module wrapped; anything else is an ArgumentError."""
    if isinstance(net, AnyNet):
        return net
    if isinstance(net, torch.nn.Module):
        return OwnModule(net)
    raise ArgumentError(f"net must be a name, a sentence, a Net or a torch.nn.Module; got {type(net).__name__}")


def find_net(text: str, classes: int, channels: int, side: int | None = None) -> Net | TimmNet:
    """Return the net that a name, a sentence or `timm/NAME` means; see `resolve` and `read_timm`."""
    return read_timm(text, classes) if is_timm(text) else resolve(text, classes=classes, channels=channels, side=side)


def build(net: AnyNet, input_shape: tuple[int, int, int], seed: int = 0, init: str | None = None) -> torch.nn.Module:
    """Return a fresh module of `net`: initialised from `seed`, or a copy of the user's own as it was given.

    Raises:
        ArgumentError: an initialisation that there is not, or one for a module that is not Striate's.
    """
    if isinstance(net, Net):
        return make_module(net, input_shape, seed, init)
    if init is not None:
        owner = "of timm's" if isinstance(net, TimmNet) else f"of your own; initialise {net} itself"
        raise ArgumentError(f"init can be chosen for a net, not for a module {owner}")
    return make_timm(net, input_shape, seed) if isinstance(net, TimmNet) else copy.deepcopy(net.module)
