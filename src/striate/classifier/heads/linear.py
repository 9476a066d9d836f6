"""The head of logistic regression and of linear support vectors: softmax(W x + b)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from striate.classifier.heads.head import Head, must_have_shape


class Linear(Head):
    """softmax(W x + b): `weight` (k, d), `bias` (k,)."""

    word = "linear"
    tensors: ClassVar = {"weight": ((torch.float32,), 2), "bias": ((torch.float32,), 1)}
    weight: Tensor
    bias: Tensor

    def forward(self, features: Tensor) -> Tensor:
        """Return log-probabilities (n, k)."""
        return functional.linear(features, self.weight, self.bias).log_softmax(1)

    def check(self, features: int, classes: int) -> None:
        """See `Head.check`."""
        must_have_shape("weight", self.weight, classes, features)
        must_have_shape("bias", self.bias, classes)
