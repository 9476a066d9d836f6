"""Batch norms with kept statistics, computed inside the convolution before them: the same function, much faster."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from striate.nets.modules.module import NetModule
from striate.nets.modules.windows import Whitening

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def keep_statistics(module: NetModule) -> NetModule:
    """Let the batch norms of a net use the statistics that they have, in training too, and return the net.

    Each is then a fixed scale and shift a channel, but for γ and β. Where it alone reads a convolution, the filters
    are scaled instead of the activations: a few numbers rather than every pixel. Everything is trained as before, and
    the state keeps its names. `activations` of such a convolution include the norm.

    Source: Jacob et al. 2018, "Quantization and Training of Neural Networks", section 3.2.
    """
    module._layers = folded_layers(module)
    module._layers = [KeptNorm(layer) if isinstance(layer, Norm) else layer for layer in module._layers]
    return module


def folded_layers(module: NetModule) -> list[nn.Module]:
    """Return the layers of a net, with each norm that alone reads a convolution inside that."""
    nodes, layers = module.graph.nodes, list(module._layers)
    sources = [source for node in nodes for source in node.inputs]
    for i, norm in enumerate(layers):
        if isinstance(norm, Norm):
            before = nodes[i].inputs[0]
            conv = layers[before] if before >= 0 and sources.count(before) == 1 else None
            if isinstance(conv, nn.Conv2d) and not isinstance(conv, Whitening):
                layers[before], layers[i] = FoldedConv(conv, norm), nn.Identity()
    return layers


def folded(module: nn.Module, layers: Callable[[NetModule], list[nn.Module]] = folded_layers) -> nn.Module:
    """Return a module that predicts as this one does, faster where norms follow convolutions; it shares all tensors.

    Arguments:
        module: a net of Striate's, or one with such nets as direct children; others come back as they are.
        layers: what a net's layers become.
    """
    if isinstance(module, NetModule):
        view = copy.copy(module)
        view._layers = layers(module)
        return view
    if not any(isinstance(child, NetModule) for child in module.children()):
        return module
    view = copy.copy(module)
    view._modules = {name: child and folded(child, layers) for name, child in module._modules.items()}
    return view


class FoldedConv(nn.Module):
    """A convolution with the scale and shift of the batch norm behind it."""

    def __init__(self, conv: nn.Conv2d, norm: Norm) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised convolution: γ (w∗x + b − μ) / √(σ² + ε) + β."""
        return self.conv._conv_forward(x, *self.filters())

    def filters(self) -> tuple[Tensor, Tensor]:
        """Return the weight and bias of the convolution that norms as well."""
        scale, shift = _scale_and_shift(self.norm)
        bias = shift if self.conv.bias is None else shift + scale * self.conv.bias
        # In the weight's type: with float32 statistics beside bfloat16 weights the product would be float32.
        weight = self.conv.weight
        return (weight * scale[:, None, None, None]).to(weight.dtype), bias.to(weight.dtype)


class KeptNorm(nn.Module):
    """A batch norm that uses its running statistics whatever the mode."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Return γ (x − μ) / √(σ² + ε) + β."""
        scale, shift = (value.reshape(-1, *(1 for _ in x.shape[2:])) for value in _scale_and_shift(self.norm))
        return x * scale.to(x.dtype) + shift.to(x.dtype)


def _scale_and_shift(norm: Norm) -> tuple[Tensor, Tensor]:
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    return scale, norm.bias - mean * scale
