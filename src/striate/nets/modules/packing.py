"""Convolutions as a CPU predicts fastest: weights laid out once, norm and activation computed in the same pass.

oneDNN reorders the weights of a convolution at every call, and an activation behind it goes through all of its output
once more: of nets whose convolutions are light, such as MobileNets, that is most of the time (`python -m bench
nets_predicting`). These are the operators that `torch.compile` puts into the nets that it compiles for CPUs.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from striate.nets.modules.folding import FoldedConv, folded, folded_layers
from striate.nets.modules.module import NetModule
from striate.nets.modules.windows import SameConv

# What oneDNN computes behind a convolution, with its numbers.
_BEHIND: dict[type[nn.Module], tuple[str, list[float]]] = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}


def packed(module: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return a module that predicts as this one does, as `folded` does, on a CPU faster still; it has no gradients.

    Arguments:
        module: a net of Striate's, or one with such nets as direct children; others come back as they are.
        dtype: what the convolutions compute in; in torch.bfloat16 the rest is to be run under autocast.
    """
    return folded(module, partial(_packed_layers, dtype=dtype))


def _packed_layers(module: NetModule, dtype: torch.dtype) -> list[nn.Module]:
    """Return the layers of a net, each convolution packed, with the activation that alone reads it inside."""
    layers = folded_layers(module)
    if not (torch.backends.mkldnn.enabled and torch.backends.mkldnn.is_available()):
        return layers
    for i, layer in enumerate(layers):
        if _is_plain(layer.conv if isinstance(layer, FoldedConv) else layer):
            behind = _activation_behind(module, layers, i)
            told = ("none", []) if behind is None else _BEHIND[type(layers[behind])]
            layers[i] = PackedConv(layer, told, dtype)
            if behind is not None:
                layers[behind] = nn.Identity()
    return layers


def _is_plain(conv: nn.Module) -> bool:
    """Return whether a layer is a convolution of float32 on a CPU, and nothing else beside."""
    if type(conv) not in (nn.Conv2d, SameConv):
        return False
    weight: Any = conv.weight
    return weight.dtype == torch.float32 and weight.device.type == "cpu"


def _activation_behind(module: NetModule, layers: list[nn.Module], i: int) -> int | None:
    """Return the number of the activation that a convolution goes into and nothing else does, of those known here."""
    while True:
        readers = [n for n, node in enumerate(module.graph.nodes) for source in node.inputs if source == i]
        if len(readers) != 1:
            return None
        (i,) = readers
        if type(layers[i]) in _BEHIND:
            return i
        if not isinstance(layers[i], nn.Identity):  # a norm that the convolution has taken in is passed over
            return None


class PackedConv(nn.Module):
    """A convolution with the norm and the activation behind it, its weights as oneDNN wants them for the first input.

    Arguments:
        layer: the convolution, or one with its norm.
        behind: oneDNN's word for the activation, and its numbers.
        dtype: what it computes in, whatever it is given.
    """

    def __init__(self, layer: nn.Module, behind: tuple[str, list[float]], dtype: torch.dtype) -> None:
        super().__init__()
        self.layer, self.behind, self.dtype = layer, behind, dtype
        self._laid_out: tuple[Tensor, Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of the normalised convolution."""
        conv: Any = self.layer.conv if isinstance(self.layer, FoldedConv) else self.layer
        x, padding = conv.padded(x) if isinstance(conv, SameConv) else (x, conv.padding)
        x, where = x.to(self.dtype), (list(padding), list(conv.stride), list(conv.dilation), conv.groups)
        if self._laid_out is None:
            self._laid_out = self._lay_out(conv, where, list(x.shape))
        weight, bias = self._laid_out
        return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *where, *self.behind, "")

    def _lay_out(self, conv: Any, where: tuple[Any, ...], shape: list[int]) -> tuple[Tensor, Tensor | None]:
        weight, bias = self.layer.filters() if isinstance(self.layer, FoldedConv) else (conv.weight, conv.bias)
        weight = weight.detach().to(self.dtype, memory_format=torch.channels_last)
        bias = None if bias is None else bias.detach().to(self.dtype)
        return torch.ops.mkldnn._reorder_convolution_weight(weight, *where, shape), bias
