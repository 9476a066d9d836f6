"""The head that says the same of every image: what anything else must beat."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from striate.classifier.heads.head import Head, log_probabilities, must, must_have_shape


class Constant(Head):
    """Gives every image the same probabilities, `shares` (k,).

    >>> Constant(shares=torch.tensor([0.25, 0.75]))(torch.zeros(1, 5)).exp()
    tensor([[0.2500, 0.7500]])
    """

    word = "constant"
    tensors: ClassVar = {"shares": ((torch.float32,), 1)}
    shares: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Return log-probabilities (n, k)."""
        return log_probabilities(self.shares).expand(len(features), -1)

    def check(self, features: int, classes: int) -> None:
        """See `Head.check`."""
        must_have_shape("shares", self.shares, classes)
        must(bool((self.shares >= 0).all()) and abs(float(self.shares.sum()) - 1) < 1e-3, "shares must sum to 1")
