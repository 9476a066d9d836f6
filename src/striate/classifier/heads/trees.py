"""The head of decision trees, one or many: flat arrays, walked from all roots at once by a fixed number of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from striate.classifier.heads.head import Head, log_probabilities, must, must_be_below, must_have_shape

DEEPEST = 64
_MOST_AT_ONCE = 1 << 22  # numbers looked up in one step


class Trees(Head):
    """Decision trees: at each node left if x[feature] ≤ threshold, else right; what the leaves hold is summed.

    `roots` (t,) are nodes; `feature`, `threshold`, `left`, `right` (m,) describe every node. A leaf is a node whose
    children are itself; other children come after their parent, so that every walk ends. `value` is (m, k), or (m, 1)
    where tree i adds to score i mod k only (of two classes, to the second one's score).

    What is summed are shares of classes (`combine` = "shares": decision tree, random forest) or, with `bias`, scores
    of which the softmax is taken ("scores": boosted trees).
    """

    word = "trees"
    tensors: ClassVar = {
        "roots": ((torch.int32,), 1),
        "feature": ((torch.int32,), 1),
        "threshold": ((torch.float32,), 1),
        "left": ((torch.int32,), 1),
        "right": ((torch.int32,), 1),
        "value": ((torch.float32,), 2),
        "bias": ((torch.float32,), 1),
    }
    plain: ClassVar = {"combine": str}
    roots: Tensor
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    bias: Tensor
    combine: str

    def forward(self, features: Tensor) -> Tensor:
        """Return log-probabilities (n, k)."""
        width = len(self.bias)
        total = self.bias.expand(len(features), width)
        # Trees that add to one score each stay together, a round of `width` of them.
        per_round = width // self.value.shape[1]
        block = max(1, _MOST_AT_ONCE // max(1, len(features) * width)) * per_round
        for start in range(0, len(self.roots), block):
            leaves = self._leaves(features, self.roots[start : start + block])
            total = total + self.value[leaves].reshape(len(features), -1, width).sum(1)
        if self.combine == "shares":
            return log_probabilities(total)
        if width == 1:
            total = functional.pad(total, (1, 0))
        return total.log_softmax(1)

    def _leaves(self, features: Tensor, roots: Tensor) -> Tensor:
        """Return the leaf (n, t) in which each of the features (n, d) ends in each tree."""
        node = roots.expand(len(features), -1)
        for _ in range(self.depth):
            goes_left = features.gather(1, self.feature[node].long()) <= self.threshold[node]
            node = torch.where(goes_left, self.left[node], self.right[node])
        return node

    @property
    def depth(self) -> int:
        """The longest way from a root to a leaf."""
        if not hasattr(self, "_depth"):
            self._depth = sum(1 for _ in self._levels())
        return self._depth

    def _levels(self) -> Iterator[Tensor]:
        """Yield the inner nodes, level by level."""
        node = self.roots.long().unique()
        while len(node := node[self.left[node] != node]):
            yield node
            node = torch.cat([self.left[node], self.right[node]]).long().unique()

    def check(self, features: int, classes: int) -> None:
        """See `Head.check`."""
        nodes = len(self.feature)
        for name in ("threshold", "left", "right"):
            must_have_shape(name, getattr(self, name), nodes)
        for name, limit in (("roots", nodes), ("feature", features), ("left", nodes), ("right", nodes)):
            must_be_below(name, getattr(self, name), limit)
        must(self.combine in ("shares", "scores"), f"combine must be shares or scores; got {self.combine!r:.40}")
        width = 1 if self.combine == "scores" and classes == 2 else classes
        must_have_shape("bias", self.bias, width)
        columns = self.value.shape[1] if self.combine == "scores" and self.value.shape[1] == 1 else width
        must_have_shape("value", self.value, nodes, columns)
        must(len(self.roots) > 0 and len(self.roots) % (width // columns) == 0, "roots must be a tree for each class")
        own = torch.arange(nodes, dtype=torch.int32)
        leaf = (self.left == own) & (self.right == own)
        must(bool((leaf | ((self.left > own) & (self.right > own))).all()), "children must come after their parent")
        for level, _ in enumerate(self._levels()):
            must(level < DEEPEST, f"trees must be at most {DEEPEST} deep")
