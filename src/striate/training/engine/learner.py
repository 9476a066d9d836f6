"""What a training step changes: the weights, their moving average, the optimisers' moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from striate.errors import ModelFileError, TrainingError
from striate.nets import auxiliary_loss, image_loss
from striate.system.processes import ALONE, Processes
from striate.training.engine.freezing import freeze
from striate.training.engine.optimisers import Optimisers
from striate.training.engine.precision import in_precision
from striate.training.recipe import Recipe


class Learner:
    """A module with the optimisers and the average of its weights that a recipe asks for.

    Arguments:
        module: maps float (n, c, h, w) to logits (n, k); trained in place.
        recipe: what decides the updates.
        device: where to train.
        precision: of the forward and backward pass, float32, bfloat16 or bfloat16-pure; the weights stay float32.
        processes: those that train together.
        translate: makes a quicker module of the one that is computed, such as `Compiled`.
        class_weights: what an image of each class counts in the loss, (k,), 1 in the mean; None: all as much.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        recipe: Recipe,
        device: torch.device,
        precision: str,
        processes: Processes = ALONE,
        translate: Callable[[torch.nn.Module], torch.nn.Module] = lambda module: module,
        class_weights: np.ndarray | None = None,
    ):
        self.module = module.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.device, self.recipe, self.processes = device, recipe, processes
        if processes.count > 1 and device.type == "cuda" and recipe.norms == "batch":
            synchronise_norms(self.module)
        self._translate = translate
        freeze(self.module, recipe)
        self.compute_in(precision)
        self.class_weights = None if class_weights is None else torch.from_numpy(class_weights).float().to(device)
        self.optimisers = Optimisers(recipe, self.module.parameters())
        self.average = None
        if recipe.average:
            self.average = AveragedModel(
                self.module, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True
            )

    def compute_in(self, precision: str) -> None:
        """Compute forward and backward passes in `precision` from now on."""
        computed = self._translate(in_precision(self.module, precision))
        # Several processes average their gradients, and take the first one's batch-norm statistics, at each step.
        self._shared = computed if self.processes.count == 1 else _together(computed, self.recipe)

    @property
    def finite(self) -> bool:
        """Whether all weights and statistics are finite numbers."""
        values = (value for value in self.module.state_dict().values() if value.is_floating_point())
        return all(bool(value.isfinite().all()) for value in values)

    @property
    def kept(self) -> torch.nn.Module:
        """The module that is validated and kept: the average where there is one."""
        return self.average.module if self.average else self.module

    def update(
        self, batch: torch.Tensor, labels: torch.Tensor, share: float, total: int | None = None
    ) -> tuple[float, int]:
        """Take one step at `share` of the learning rate; return this process's part of the mean loss, and its hits.

        Arguments:
            batch: float (n, c, h, w).
            labels: int64 (n,), or float (n, k) where images are mixed; a hit is then the class with the larger share.
            share: of the highest learning rate.
            total: how many images the step has in all processes; n if there is one.
        """
        total = total or len(batch)
        loss_sum, hits = 0.0, 0
        for images, targets in zip(
            batch.chunk(self.recipe.accumulate), labels.chunk(self.recipe.accumulate), strict=True
        ):
            logits = self.computed(images)
            counts = self._counts(targets)
            loss = image_loss(logits.float(), targets, counts, self.recipe.label_smoothing)
            loss = (loss + auxiliary_loss(self.module, targets, counts)) * (len(images) / total)
            # The gradients of several processes are averaged; their losses are parts of one mean, to be summed.
            (loss * self.processes.count).backward()
            loss_sum += loss.item()
            hits += int((logits.argmax(1) == (targets if targets.ndim == 1 else targets.argmax(1))).sum())
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.optimisers.parameters, self.recipe.clip_norm)
        self.optimisers.step(share)
        if self.average:
            self.average.update_parameters(self.module)
        return loss_sum, hits

    def computed(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, k) of float images (n, c, h, w).

        Raises:
            TrainingError: batch norms get a single number of each channel, whose spread is none.
        """
        try:
            return self._shared(images)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise TrainingError(
                f"the net's batch norms need more than one image in a step; got {len(images)}. Give more images, or "
                "another batch_size, which leaves no image over"
            ) from None

    def _counts(self, targets: torch.Tensor) -> torch.Tensor | None:
        """Return what each image counts, (n,): what its class does, or the blend of those that it is mixed from."""
        if self.class_weights is None:
            return None
        return self.class_weights[targets] if targets.ndim == 1 else targets @ self.class_weights

    def synchronise(self) -> None:
        """Give all processes the first one's batch-norm statistics, so that they validate the model that is kept."""
        if self.processes.count > 1:
            for buffer in self.kept.buffers():
                torch.distributed.broadcast(buffer, src=0)

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


def _together(module: torch.nn.Module, recipe: Recipe) -> torch.nn.Module:
    """Return a module whose gradients are averaged over the processes.

    The first one's buffers, such as batch norms' statistics, are sent at each step. torch cannot send a single one that
    lies channels-last: that is a net without such norms, whose whitening filters never change.
    """
    several = len(list(module.buffers())) > 1
    held = recipe.whiten_until < 1  # then some parameters get no gradient from some step on
    return DistributedDataParallel(module, broadcast_buffers=several, find_unused_parameters=held)


def synchronise_norms(module: torch.nn.Module) -> None:
    """Let every batch norm of `module`, in place, take its statistics over the images of all processes (CUDA only).

    torch's own conversion makes new layers; ours are known by reference and may have a fixed gain.
    """
    for part in module.modules():
        if type(part) in (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d):
            part.__class__ = torch.nn.SyncBatchNorm
            part.process_group = None  # pyright: ignore[reportArgumentType]
