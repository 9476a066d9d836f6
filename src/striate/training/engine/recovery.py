"""Going back: a loss that is not finite in a precision that was chosen by itself is our doing, not the user's.

bfloat16 keeps eight bits of a number: rarely, as on flat colours, what float32 learns diverges in it. The run then
goes back to the state in which the epoch began, and on in float32. That state is in each checkpoint too, so that a
resumed run goes back to the same one. If that state was spoilt already, the run begins anew (`train_plan`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from striate.training.engine.learner import Learner

GOOD = "good."


class Recovery:
    """What a run can go back to.

    Arguments:
        learner: as it is before its first step in this process.
        wanted: whether it may go back: its precision was chosen by itself, and is another than float32.
        good: the tensors of the state in which the epoch under way began, from a checkpoint; empty if there are none.
    """

    def __init__(self, learner: Learner, wanted: bool, good: Mapping[str, torch.Tensor]):
        self._learner, self._wanted, self._good = learner, wanted, dict(good)
        # Some parameters are held from some epoch on: to go back is to learn them again.
        self._trainable = [parameter.requires_grad for parameter in learner.module.parameters()]

    @property
    def possible(self) -> bool:
        """Whether there is something to go back to."""
        return bool(self._good)

    def remember(self) -> None:
        """Keep the state as it is, at the start of an epoch."""
        if self._wanted:
            self._good = {name: value.detach().clone() for name, value in self._learner.tensors().items()}

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what a checkpoint in the middle of an epoch must hold beside the learner's tensors."""
        return {GOOD + name: value for name, value in self._good.items()}

    def go_back(self) -> None:
        """Put the state back in which the epoch began; from here on everything is computed in float32."""
        for parameter, trainable in zip(self._learner.module.parameters(), self._trainable, strict=True):
            parameter.requires_grad_(trainable)
        self._learner.load(self._good)
        self._learner.compute_in("float32")
        self._wanted, self._good = False, {}


def parted(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the tensors of a checkpoint: the learner's, and those of the state to go back to."""
    good = {name.removeprefix(GOOD): value for name, value in tensors.items() if name.startswith(GOOD)}
    return {name: value for name, value in tensors.items() if not name.startswith(GOOD)}, good
