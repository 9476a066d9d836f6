"""The head of support vectors with a kernel: one decision for every pair of classes, which vote."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from striate.classifier.heads.head import Head, must, must_be_below, must_have_shape


class Vectors(Head):
    """Support vectors with the kernel exp(−gamma · |x − v|²), one against one, as libsvm fits them.

    `vectors` (m, d) belong to the classes `owner` (m,). For the pair of classes i < j the decision, positive for i, is
    Σ over the vectors of i: dual[j − 1] · kernel + Σ over those of j: dual[i] · kernel + intercept[i, j], with `dual`
    (k − 1, m) and `intercept` (k, k), 0 but above its diagonal.

    Every pair votes. A class's score is its votes plus, to break ties, s / (3 (|s| + 1)) for the sum s of its
    decisions (scikit-learn's rule for one against one); of two classes the decision is the score. Whole votes say
    nothing of how sure each was: with a `slope` above 0 a class's score is Σ log σ(slope · decision) over its pairs.
    The probabilities are softmax(sharpness · scores); slope and sharpness are chosen on validation images.
    """

    word = "vectors"
    tensors: ClassVar = {
        "vectors": ((torch.float32,), 2),
        "owner": ((torch.int64,), 1),
        "dual": ((torch.float32,), 2),
        "intercept": ((torch.float32,), 2),
    }
    plain: ClassVar = {"gamma": float, "sharpness": float, "slope": float}
    vectors: Tensor
    owner: Tensor
    dual: Tensor
    intercept: Tensor
    gamma: float
    sharpness: float
    slope: float

    @classmethod
    def rebuild(cls, arguments: Any, tensors: dict[str, Tensor], features: int, classes: int) -> Head:
        """See `Head.rebuild`; files of before there were slopes have none."""
        if isinstance(arguments, dict):
            arguments = {"slope": 0.0, **arguments}
        return super().rebuild(arguments, tensors, features, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Return log-probabilities (n, k)."""
        return (self.sharpness * self.scores(features)).log_softmax(1)

    def scores(self, features: Tensor) -> Tensor:
        """Return the score of each class, (n, k)."""
        decisions = self.decisions(features)
        if len(self.intercept) == 2:
            return functional.pad(decisions[:, 0, 1:], (0, 1))
        if self.slope:
            votes = functional.logsigmoid(self.slope * (decisions - decisions.transpose(1, 2)))
            return votes.sum(2) - votes.diagonal(dim1=1, dim2=2)
        upper = torch.ones_like(self.intercept).triu(1)
        for_first = (decisions >= 0) * upper
        votes = for_first.sum(2) + (upper - for_first).sum(1)
        sums = decisions.sum(2) - decisions.sum(1)
        return votes + sums / (3 * (sums.abs() + 1))

    def decisions(self, features: Tensor) -> Tensor:
        """Return the decision of each pair of classes, (n, k, k), 0 but above the diagonal."""
        squares = (features * features).sum(1, keepdim=True) + (self.vectors * self.vectors).sum(1)
        kernel = (-self.gamma * (squares - 2 * features @ self.vectors.T).relu()).exp()
        rows = []
        for i in range(len(self.intercept)):
            mine = self.owner == i
            others = kernel[:, mine] @ self.dual[:, mine].T  # (n, k − 1): against each of the other classes
            rows.append(torch.cat([others[:, :i], torch.zeros_like(others[:, :1]), others[:, i:]], 1))
        against = torch.stack(rows, 1)
        return (against + against.transpose(1, 2) + self.intercept).triu(1)

    def check(self, features: int, classes: int) -> None:
        """See `Head.check`."""
        must_have_shape("vectors", self.vectors, len(self.owner), features)
        must_have_shape("dual", self.dual, classes - 1, len(self.owner))
        must_have_shape("intercept", self.intercept, classes, classes)
        must_be_below("owner", self.owner, classes)
        for name in self.plain:
            value = getattr(self, name)
            must(0 <= value < float("inf"), f"{name} must be a number that is not negative; got {value!r}")
