"""Distances from many vectors to many, and the nearest; in blocks, so that little memory is needed.

Pixels (uint8) are compared in whole numbers, exactly, by the processor's 8-bit products:

    L2²  Σ(a − b)² = Σa² + Σb² − 2 Σab
    L1   Σ|a − b|  = 2 Σmax(a, b) − Σa − Σb, the largest of each pair in 8 bits, summed as a product with ones

which is several times faster than 32-bit floats. Other features are compared in float32.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor

Metric = Literal["l1", "l2"]
METRICS: tuple[str, ...] = get_args(Metric)

BLOCK = 4096  # vectors compared at once
_PAIRS_BYTES = 768 << 10  # of largest values made at once: they should stay in a core's second-level cache
# Products of 1,024 pairs of 8-bit numbers sum to at most 2^24: float32 holds that exactly.
_EXACT = 1024


def nearest(queries: Tensor, vectors: Tensor, k: int, metric: str = "l2") -> Tensor:
    """Return which `vectors` are nearest to each query, nearest first; of equally near ones the earlier is first.

    Arguments:
        queries: float (n, d); where the vectors are uint8, values are rounded to 0…255.
        vectors: uint8 or float32 (m, d), m below 2^31.
        k: how many, at most m.
        metric: l1 (sum of absolute differences) or l2 (Euclidean).

    Returns:
        int64 (n, k), indices of vectors.
    """
    whole = vectors.dtype == torch.uint8
    measure = (_whole_distances if whole else _float_distances)(queries, metric)
    best = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        # The bits of a float that is not negative are ordered like the float: one number holds distance and place.
        distances = measure(block).view(torch.int32).long()
        places = torch.arange(start, start + len(block), device=queries.device)
        keys = torch.cat([best, (distances << 32) | places], 1)
        best = keys.topk(min(k, keys.shape[1]), largest=False).values
    return best & 0xFFFFFFFF


def _float_distances(queries: Tensor, metric: str):
    squares = (queries * queries).sum(1, keepdim=True)

    def measure(block: Tensor) -> Tensor:
        block = block.to(queries.dtype)
        if metric == "l1":
            return torch.cdist(queries, block, p=1)
        return (squares + (block * block).sum(1) - 2 * (queries @ block.T)).relu()

    return measure


def _whole_distances(queries: Tensor, metric: str):
    """Return a function from uint8 vectors (m, d) to int32 distances (n, m) from the queries."""
    ours = (queries.round().clamp(0, 255) - 128).to(torch.int8)
    # Differences are the same with 128 subtracted from both, and then 8 bits with a sign are enough.
    sums, squares = _sums(ours)

    def measure(block: Tensor) -> Tensor:
        theirs = (block ^ 128).view(torch.int8)
        their_sums, their_squares = _sums(theirs)
        if metric == "l2":
            return squares[:, None] + their_squares - 2 * _products(ours, theirs.T)
        return 2 * _sums_of_largest(ours, theirs) - sums[:, None] - their_sums

    return measure


def _sums(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sum and the sum of squares of each of the int8 vectors (m, d), int32 (m,)."""
    wide = vectors.to(torch.int32)
    return wide.sum(1, dtype=torch.int32), (wide * wide).sum(1, dtype=torch.int32)


def _sums_of_largest(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return Σ max(a, b) for each pair of int8 vectors (n, d) and (m, d), int32 (n, m)."""
    n, d = ours.shape
    result = torch.empty((n, len(theirs)), dtype=torch.int32, device=ours.device)
    ones = torch.ones((d, 1), dtype=torch.int8, device=ours.device)
    rows = max(1, min(len(theirs), _PAIRS_BYTES // d))
    queries = max(1, min(n, _PAIRS_BYTES // (rows * d)))
    buffer = torch.empty((queries, rows, d), dtype=torch.int8, device=ours.device)
    for start in range(0, len(theirs), rows):
        part = theirs[start : start + rows]
        for i in range(0, n, queries):
            some = ours[i : i + queries, None]
            largest = torch.maximum(part, some, out=buffer[: len(some), : len(part)])
            sums = _products(largest.reshape(-1, d), ones)
            result[i : i + queries, start : start + rows] = sums.reshape(len(some), len(part))
    return result


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product of int8 (n, d) and (d, m), exact, as int32."""
    # torch 2.13 has products over a single column wrong.
    if a.device.type == "cpu" and a.shape[1] > 1 and _multiplies_exactly():
        return torch.ops.aten._int_mm(a, b)
    result = torch.zeros((len(a), b.shape[1]), dtype=torch.int32, device=a.device)
    for start in range(0, a.shape[1], _EXACT):
        part = slice(start, start + _EXACT)
        result += (a[:, part].float() @ b[part].float()).to(torch.int32)
    return result


@cache
def _multiplies_exactly() -> bool:
    """Return whether this machine's 8-bit products are exact: without VNNI some add up in 16 bits that overflow."""
    extremes = torch.tensor([-128, 127], dtype=torch.int8)
    a, b = extremes.repeat(8, 64), extremes.repeat(8, 64).T
    try:
        return torch.equal(torch.ops.aten._int_mm(a, b), (a.int() @ b.int()).to(torch.int32))
    except RuntimeError:
        return False
