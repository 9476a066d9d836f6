"""What of a net is trained and what stays as it is."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from striate.errors import ArgumentError
from striate.nets import NetModule
from striate.nets.modules.folding import keep_statistics
from striate.nets.modules.timm_models import TimmModule
from striate.nets.modules.windows import Whitening
from striate.training.recipe import Recipe


def freeze(module: torch.nn.Module, recipe: Recipe) -> torch.nn.Module:
    """Keep the first layers' weights, and the batch norms' statistics, as they are where the recipe says so.

    Arguments:
        module: changed in place, and returned.
        recipe: its `freeze` and `norms`.

    Raises:
        ArgumentError: nothing is left to be trained, or the batch norms are of a module of the user's own.
    """
    if recipe.norms == "kept":
        if isinstance(module, NetModule):
            keep_statistics(module)
        elif isinstance(module, TimmModule):
            hold_statistics(module)
        else:
            raise ArgumentError('norms must be "batch" for a module of your own: set its batch norms to eval itself')
    parameters = list(module.parameters())
    frozen = int(recipe.freeze * len(parameters))
    if frozen == len(parameters):
        raise ArgumentError(
            f"freeze must leave something to train; got {recipe.freeze}. epochs=0 trains only a new head"
        )
    for parameter in parameters[:frozen]:
        parameter.requires_grad_(False)
    return module


def hold_statistics(module: torch.nn.Module) -> None:
    """Let the batch norms of any module stay in evaluation, with the statistics that they have, from now on."""
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.__class__ = _held(type(part))
            part.eval()


@cache
def _held(kind: type[_BatchNorm]) -> type[_BatchNorm]:
    """Return the class of batch norms that do not follow when their net is told to train."""
    return type(f"Held{kind.__name__}", (kind,), {"train": lambda self, mode=True: kind.train(self, False)})


def hold_whitening(module: torch.nn.Module) -> None:
    """Let the biases of whitening layers stay as they are from now on.

    They settle early, and without them no gradient is wanted at the first layer, where the images are largest
    (bench/growing.py; K. Jordan, cifar10-airbench, 2024, does so after three of eight epochs).
    """
    for part in module.modules():
        if isinstance(part, Whitening) and part.bias is not None:
            part.bias.requires_grad_(False)
