"""The head that remembers: the k nearest training vectors vote."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from striate.classifier.heads.distances import METRICS, nearest
from striate.classifier.heads.head import Head, log_probabilities, must, must_be_below, must_have_shape


class Neighbours(Head):
    """The share of each class among the `k` nearest of `vectors` (m, d) by `metric`, l1 or l2.

    Of equally near vectors the earlier ones vote; of classes with equally many votes the first is predicted.
    `labels` is int64 (m,). Vectors of pixels are uint8.
    """

    word = "neighbours"
    tensors: ClassVar = {"vectors": ((torch.uint8, torch.float32), 2), "labels": ((torch.int64,), 1)}
    plain: ClassVar = {"k": int, "metric": str, "classes": int}
    vectors: Tensor
    labels: Tensor
    k: int
    metric: str
    classes: int

    def forward(self, features: Tensor) -> Tensor:
        """Return log-probabilities (n, k)."""
        voters = self.labels[nearest(features, self.vectors, self.k, self.metric)]
        return log_probabilities(functional.one_hot(voters, self.classes).float().mean(1))

    def check(self, features: int, classes: int) -> None:
        """See `Head.check`."""
        must(self.metric in METRICS, f"metric must be one of {', '.join(METRICS)}; got {self.metric!r:.40}")
        must(self.classes == classes, f"neighbours must be of {classes} classes; got {self.classes}")
        must(1 <= self.k <= len(self.vectors), f"k must be from 1 to {len(self.vectors)}; got {self.k}")
        must_have_shape("vectors", self.vectors, len(self.labels), features)
        must_be_below("labels", self.labels, classes)
