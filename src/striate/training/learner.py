"""What a training step changes: the weights, their moving average, the optimisers' moments."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from striate.errors import ModelFileError
from striate.nets import auxiliary_loss
from striate.training.optimisers import Optimisers
from striate.training.precision import autocast
from striate.training.recipe import Recipe


class Learner:
    """A module with the optimisers and the average of its weights that a recipe asks for.

    Arguments:
        module: maps float (n, c, h, w) to logits (n, k); trained in place.
        recipe: what decides the updates.
        device: where to train.
        precision: float32, or bfloat16 for the forward pass.
    """

    def __init__(self, module: torch.nn.Module, recipe: Recipe, device: torch.device, precision: str):
        self.module = module.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.device, self.recipe, self.precision = device, recipe, precision
        self.optimisers = Optimisers(recipe, self.module.parameters())
        self.average = None
        if recipe.average:
            self.average = AveragedModel(
                self.module, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True
            )

    @property
    def kept(self) -> torch.nn.Module:
        """The module that is validated and kept: the average where there is one."""
        return self.average.module if self.average else self.module

    def update(self, batch: torch.Tensor, labels: torch.Tensor, share: float) -> tuple[float, int]:
        """Take one step on float (n, c, h, w) at `share` of the learning rate; return the mean loss and the hits.

        Labels are int64 (n,), or float (n, k) where images are mixed; a hit is then the class with the larger share.
        """
        loss_sum, hits = 0.0, 0
        parts = zip(batch.chunk(self.recipe.accumulate), labels.chunk(self.recipe.accumulate), strict=True)
        for images, targets in parts:
            with autocast(self.precision, self.device):
                logits = self.module(images)
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=self.recipe.label_smoothing)
            loss = (loss + auxiliary_loss(self.module, targets)) * (len(images) / len(batch))
            loss.backward()
            loss_sum += loss.item()
            hits += int((logits.argmax(1) == (targets if targets.ndim == 1 else targets.argmax(1))).sum())
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.optimisers.parameters, self.recipe.clip_norm)
        self.optimisers.step(share)
        if self.average:
            self.average.update_parameters(self.module)
        return loss_sum, hits

    def weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of the kept weights on the CPU."""
        return {name: value.detach().to("cpu", copy=True) for name, value in self.kept.state_dict().items()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all that a checkpoint must hold."""
        found = {f"module.{name}": value for name, value in self.module.state_dict().items()}
        if self.average:
            found |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        return found | {f"optimiser.{name}": value for name, value in self.optimisers.tensors().items()}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put the tensors of a checkpoint in place.

        Raises:
            ModelFileError: they belong to another net or recipe.
        """
        parts: dict[str, dict[str, torch.Tensor]] = {"module": {}, "average": {}, "optimiser": {}}
        try:
            for key, value in tensors.items():
                kind, _, name = key.partition(".")
                parts[kind][name] = value
            self.module.load_state_dict(parts["module"])
            self.optimisers.load(parts["optimiser"])
            if self.average:
                self.average.load_state_dict(parts["average"])
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            raise ModelFileError(f"the checkpoint does not belong to this net and recipe: {error}") from None
