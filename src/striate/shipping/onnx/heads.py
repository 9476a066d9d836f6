"""Heads on features in ONNX: each gives log-probabilities (n, k), as its torch module does."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import torch

from striate.classifier.heads.constant import Constant
from striate.classifier.heads.head import LEAST_PROBABILITY, Head
from striate.classifier.heads.linear import Linear
from striate.classifier.heads.neighbours import Neighbours
from striate.classifier.heads.svm import Vectors
from striate.classifier.heads.trees import Trees
from striate.errors import ArgumentError
from striate.shipping.onnx.builder import ML, GraphBuilder
from striate.shipping.onnx.layers import array

# At most so many numbers are compared at once when the sum of absolute differences is taken, some 1 MB an image.
_AT_ONCE = 1 << 18
# One against one needs a column for each pair of classes; more numbers than these are too many for a file.
_MOST_DUAL = 1 << 26


@singledispatch
def emit_head(head: Head, b: GraphBuilder, features: str) -> str:
    """Add a head to features, float (n, d), and return the name of its log-probabilities (n, k).

    Raises:
        ArgumentError: it cannot be carried; the message says why.
    """
    raise ArgumentError(f"a head of {head.word} has no counterpart in ONNX that Striate knows. Export another model")


def log_probabilities_of(b: GraphBuilder, shares: str) -> str:
    """Add the logarithms of probabilities, of which none is less than 1e-9."""
    return b.op("Log", b.op("Max", shares, b.constant(LEAST_PROBABILITY)))


@emit_head.register
def _(head: Constant, b: GraphBuilder, features: str) -> str:
    count = b.op("Shape", features, end=1)
    row = b.constant(array(head.shares.clamp_min(LEAST_PROBABILITY).log())[None])
    return b.op("Expand", row, b.op("Concat", count, b.ints(len(head.shares)), axis=0))


@emit_head.register
def _(head: Linear, b: GraphBuilder, features: str) -> str:
    weight, bias = b.constant(array(head.weight), name="weight"), b.constant(array(head.bias))
    return b.op("LogSoftmax", b.op("Gemm", features, weight, bias, transB=1), axis=1)


@emit_head.register
def _(head: Neighbours, b: GraphBuilder, features: str) -> str:
    whole = head.vectors.dtype == torch.uint8
    if head.metric == "l1":
        distances = _absolute(head, b, features)
    elif whole:
        distances = _whole_squares(head, b, features)
    else:
        distances = squared_distances_of(b, features, array(head.vectors))
    # Of equals the one with the lower index comes first, in ONNX as in `nearest`.
    _, places = b.ops("TopK", distances, b.ints(head.k), outputs=2, axis=1, largest=0)
    voters = b.op("Gather", b.constant(array(head.labels), np.int64), places)
    ballots = b.op("OneHot", voters, b.constant(head.classes, np.int64), b.constant([0, 1]), axis=-1)
    return log_probabilities_of(b, b.reduce("Mean", ballots, 1))


def _rounded(b: GraphBuilder, features: str) -> str:
    return b.op("Clip", b.op("Round", features), b.constant(0), b.constant(255))


def _whole_squares(head: Neighbours, b: GraphBuilder, features: str) -> str:
    """Add Σb² − 2 Σab, int32 (n, m), exact: the square of the query is the same for all."""
    vectors = array(head.vectors)
    queries = b.cast(_rounded(b, features), 2)  # uint8
    products = b.op("MatMulInteger", queries, b.constant(np.ascontiguousarray(vectors.T), None, "vectors"))
    squares = (vectors.astype(np.int64) ** 2).sum(1)
    if squares.max(initial=0) * 2 >= 2**31:
        raise ArgumentError("neighbours of so many pixels overflow whole numbers of 32 bits. Train at a smaller --size")
    return b.op("Sub", b.constant(squares, np.int32), b.op("Mul", products, b.constant(2, np.int32)))


def squared_distances_of(b: GraphBuilder, points: str, references: np.ndarray) -> str:
    """Add the squared distances of points (n, d) to constant references (m, d), float32 (n, m)."""
    half = references.dtype == np.float16
    exact = references.astype(np.float32)
    kept = b.constant(np.ascontiguousarray(references.T), None, "references")
    products = b.op("MatMul", points, b.cast(kept) if half else kept)
    own = b.reduce("Sum", b.op("Mul", points, points), 1, keep=True)
    total = b.op("Add", b.op("Sub", own, b.op("Mul", products, b.constant(2))), b.constant(np.square(exact).sum(1)))
    return b.op("Relu", total)


def _absolute(head: Neighbours, b: GraphBuilder, features: str) -> str:
    """Add Σ|a − b|, (n, m), some of the vectors at a time."""
    vectors = array(head.vectors)
    whole = vectors.dtype == np.uint8
    queries = b.op("Unsqueeze", _rounded(b, features) if whole else features, b.ints(1))
    rows = max(1, _AT_ONCE // vectors.shape[1])
    kept = b.constant(vectors, None, "vectors")
    # Places that seem to depend on the images: else a runtime would keep all vectors as floats when it loads the graph.
    nothing = b.op("Mul", b.op("Shape", features, end=1), b.ints(0))
    parts = []
    for start in range(0, len(vectors), rows):
        first, last = (b.op("Add", nothing, b.ints(place)) for place in (start, min(start + rows, len(vectors))))
        some = b.op("Slice", kept, first, last, b.ints(0))
        away = b.op("Abs", b.op("Sub", queries, b.cast(some) if whole else some))
        parts.append(b.reduce("Sum", away, 2))
    return b.op("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


@emit_head.register
def _(head: Vectors, b: GraphBuilder, features: str) -> str:
    k, owner, dual = len(head.intercept), array(head.owner), array(head.dual)
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
    if len(owner) * len(pairs) > _MOST_DUAL:
        raise ArgumentError(
            f"support vectors of {k:,} classes need {len(owner) * len(pairs):,} numbers in ONNX, too many. "
            "Export a linear model or a net"
        )
    columns = np.zeros((len(owner), len(pairs)), np.float32)
    for place, (i, j) in enumerate(pairs):
        columns[:, place] = np.where(owner == i, dual[j - 1], 0) + np.where(owner == j, dual[i], 0)
    squares = squared_distances_of(b, features, array(head.vectors))
    kernel = b.op("Exp", b.op("Mul", squares, b.constant(-head.gamma)))
    shifts = array(head.intercept)[[i for i, _ in pairs], [j for _, j in pairs]]
    decisions = b.op("Gemm", kernel, b.constant(columns, name="dual"), b.constant(shifts))
    if k == 2:
        scores = b.op("Concat", decisions, b.op("Sub", decisions, decisions), axis=1)
    else:
        scores = _soft_votes(b, decisions, pairs, head) if head.slope else _votes(b, decisions, pairs, k)
    return b.op("LogSoftmax", b.op("Mul", scores, b.constant(head.sharpness)), axis=1)


def _soft_votes(b: GraphBuilder, decisions: str, pairs: list[tuple[int, int]], head: Vectors) -> str:
    """Add the sum of the log of σ(slope · decision) over the pairs of each class, (n, k)."""
    against = np.zeros((2, len(pairs), len(head.intercept)), np.float32)
    for place, (i, j) in enumerate(pairs):
        against[0, place, j] = against[1, place, i] = -1
    steep = b.op("Mul", decisions, b.constant(head.slope))
    # log σ(x) = −softplus(−x): a decision for the first speaks against the second, and the other way round.
    first, second = (b.op("Softplus", one) for one in (steep, b.op("Neg", steep)))
    parts = [b.op("MatMul", one, b.constant(side)) for one, side in zip((first, second), against, strict=True)]
    return b.op("Add", *parts)


def _votes(b: GraphBuilder, decisions: str, pairs: list[tuple[int, int]], k: int) -> str:
    """Add the votes of all pairs, ties broken by the sums of their decisions, (n, k)."""
    signs = np.zeros((len(pairs), k), np.float32)
    for place, (i, j) in enumerate(pairs):
        signs[place, i], signs[place, j] = 1, -1
    sides = b.constant(signs)
    for_first = b.cast(b.op("GreaterOrEqual", decisions, b.constant(0)))
    # A vote that is not for the first is for the second.
    votes = b.op("Add", b.op("MatMul", for_first, sides), b.constant((signs < 0).sum(0)))
    sums = b.op("MatMul", decisions, sides)
    ties = b.op("Mul", b.op("Add", b.op("Abs", sums), b.constant(1)), b.constant(3))
    return b.op("Add", votes, b.op("Div", sums, ties))


@emit_head.register
def _(head: Trees, b: GraphBuilder, features: str) -> str:
    width = len(head.bias)
    total = b.op(
        "TreeEnsembleRegressor", features, domain=ML, n_targets=width, aggregate_function="SUM",
        post_transform="NONE", base_values=array(head.bias).tolist(), **_tree_tables(head, width),
    )  # fmt: skip
    if head.combine == "shares":
        return log_probabilities_of(b, total)
    if width == 1:
        total = b.op("Concat", b.op("Sub", total, total), total, axis=1)
    return b.op("LogSoftmax", total, axis=1)


def _tree_tables(head: Trees, width: int) -> dict[str, list]:
    """Return the attributes by which ONNX describes trees."""
    feature, threshold, left, right = (array(getattr(head, n)) for n in ("feature", "threshold", "left", "right"))
    value = array(head.value)
    nodes: dict[str, list] = {name: [] for name in (
        "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
        "nodes_falsenodeids", "target_treeids", "target_nodeids", "target_ids", "target_weights")}  # fmt: skip
    for tree, root in enumerate(array(head.roots).tolist()):
        numbers = {root: 0}
        waiting = [root]
        for node in waiting:  # grows while it is walked
            leaf = left[node] == node
            children = [] if leaf else [int(left[node]), int(right[node])]
            for child in children:
                numbers.setdefault(child, len(numbers))
            waiting += children
            row = (tree, numbers[node], int(feature[node]), float(threshold[node]), "LEAF" if leaf else "BRANCH_LEQ",
                   *([0, 0] if leaf else [numbers[child] for child in children]))  # fmt: skip
            for name, cell in zip(nodes, row, strict=False):
                nodes[name].append(cell)
            if leaf:
                targets = [(tree % width, value[node, 0])] if value.shape[1] < width else list(enumerate(value[node]))
                for target, weight in targets:
                    if weight or target == targets[0][0]:
                        nodes["target_treeids"].append(tree)
                        nodes["target_nodeids"].append(numbers[node])
                        nodes["target_ids"].append(target)
                        nodes["target_weights"].append(float(weight))
    return nodes
