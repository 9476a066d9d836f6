"""Near copies among images, found by what they show.

1. Each image is sketched in two views; all pairs whose sketches are nearer than chance would bring them are candidates.
2. A candidate must explain the other's pixels far better than neighbours in this set usually do.
3. How much evidence a pair needs depends on how common copies are in this set: in one made of bursts nearly every image
   has some, among handwritten digits nearly none.
4. Ties that no third image supports are cut where they would make large groups: chains must not swallow a class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from striate.data.grouping.alignment import grays, unexplained
from striate.data.grouping.neighbours import FARTHEST, SAMPLE, Surroundings, close_pairs, survey
from striate.data.grouping.sketches import BLOCK, VIEWS, blocks, mirrored, sketch_images
from striate.data.imageset import ImageSet
from striate.data.preparing.parallel import in_order
from striate.observer import Progress, silent

# With fewer images nothing can be said of what is usual among them.
FEWEST = 16
# log10 of the odds against chance that a pair must show where one image in a hundred has a copy.
EVIDENCE = -3.3
# A residual this many times smaller than usual counts to this power, down to a floor.
POWER, FLOOR = 2.8, 0.1
# Pairs this near the usual neighbour's distance are never candidates (log10 of unrelated images expected).
FURTHEST = 1.0
# In groups of more images a tie needs this many images that are tied to both.
LARGE, SUPPORT = 12, 3
_USUAL_IMAGES, _USUAL_PAIRS = 1000, 5
DOING = "looking for near copies"


class Copies(NamedTuple):
    """Pairs of near copies.

    Arguments:
        first, second: int (m,), positions of the images.
        held_back: int (h,), those that only unsupported ties would have tied_together to a large group.
    """

    first: np.ndarray
    second: np.ndarray
    held_back: np.ndarray


class _Pairs(NamedTuple):
    """Candidates: positions i < j (m,), log10 of the unrelated images expected as near, whether j is turned over."""

    first: np.ndarray
    second: np.ndarray
    chance: np.ndarray
    turned: np.ndarray


class Looks(NamedTuple):
    """What is kept of each of n images while they are compared.

    Arguments:
        small: uint8 (n, h, w), gray, at most 32 × 32 pixels.
        views: float32 (n, d), a sketch of each view: the whole image, its centre.
    """

    small: np.ndarray
    views: tuple[np.ndarray, ...]


def look_at(images: ImageSet, progress: Progress = silent) -> Looks:
    """Return what is kept of the images, each read once."""

    def look(some: slice) -> tuple[np.ndarray, ...]:
        pixels = images.pixels[images.rows[some]]
        return grays(pixels), *(sketch_images(pixels, view) for view in VIEWS)

    parts = []
    for done in in_order(look, blocks(len(images)), 1, heavy=True):
        parts += done
        progress("looking at images", min(len(parts) * BLOCK, len(images)), len(images))
    small, *views = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Looks(small, tuple(views))


def find_copies(looks: Looks, progress: Progress = silent) -> Copies:
    """Return the pairs of near copies among n images.

    All pairs of sketches are compared, by matrix products: about 15 s for 50,000 images on two cores.
    """
    (small, views), nothing = looks, np.zeros(0, np.int64)
    n = len(small)
    if n < FEWEST:
        return Copies(nothing, nothing, nothing)
    around = [survey(sketches) for sketches in views]
    # The whole image, the whole image against mirror images, the centre.
    passes = [(views[0], around[0], False), (views[0], around[0], True), (views[1], around[1], False)]
    found = []
    for turn, (sketches, there, mirror) in enumerate(passes):

        def heard(done: int, _: int, before: int = turn * n) -> None:
            progress(DOING, before + done, len(passes) * n)

        found.append(_candidates(sketches, there, mirror, heard))
    usual = _usual_residual(small, views[0])
    return _supported(n, *_confirmed(small, _nearest(found), usual))


def _candidates(sketches: np.ndarray, around: Surroundings, mirror: bool, heard: Callable[[int, int], None]) -> _Pairs:
    others = mirrored(sketches) if mirror else sketches
    first, second, distance = close_pairs(sketches, others, around.radius(FURTHEST), heard)
    chance = np.maximum(around.expected(first, distance), around.expected(second, distance))
    return _Pairs(first, second, chance, np.full(len(first), mirror))


def _nearest(found: list[_Pairs]) -> _Pairs:
    """Return each pair once, as the view shows it in which it is least likely by chance."""
    pairs = _Pairs._make(np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((pairs.chance, pairs.second, pairs.first))
    first, second = pairs.first[order], pairs.second[order]
    new = np.ones(len(order), bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return _Pairs(first[new], second[new], pairs.chance[order[new]], pairs.turned[order[new]])


def _usual_residual(small: np.ndarray, sketches: np.ndarray) -> float:
    """Return the residual that only unusually like neighbours fall below in this set.

    Half of what one neighbour in twenty has, among neighbours as far away as the surroundings are measured.
    """
    rng = np.random.default_rng(0)
    some, sample = (rng.choice(len(small), min(len(small), many), replace=False) for many in (_USUAL_IMAGES, SAMPLE))
    squared = (sketches[sample] ** 2).sum(1) - 2 * sketches[some] @ sketches[sample].T
    last = max(2, min(FARTHEST, len(sample) // 4))
    ranks = np.unique(np.linspace(last // 4, last - 1, _USUAL_PAIRS).astype(int))
    near = sample[np.argsort(squared, 1)[:, ranks]]
    first, second = np.repeat(some, len(ranks)), near.ravel()
    different = first != second
    residual = _residuals(small, first[different], second[different], np.zeros(int(different.sum()), bool))
    return float(np.quantile(residual, 0.05)) / 2


def _residuals(small: np.ndarray, first: np.ndarray, second: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Return float32 (m,), what is left unexplained of each pair of small images, the second turned over or not."""

    def compare(some: slice) -> np.ndarray:
        other = small[second[some]]
        other = np.where(turned[some, None, None], other[:, :, ::-1], other)
        return unexplained(small[first[some]].astype(np.float32), other.astype(np.float32))

    left = [part for done in in_order(compare, blocks(len(first)), 1, heavy=True) for part in done]
    return np.concatenate(left) if left else np.zeros(0, np.float32)


def _confirmed(small: np.ndarray, pairs: _Pairs, usual: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs (m,) whose pixels agree, given how common copies are; see the head of this file.

    Prior odds times the odds of sketch and pixels: the share of images with a copy is found by going round until it
    stays. Only pairs that can still pass are compared at all.
    """
    residual, kept = np.full(len(pairs.first), np.nan, np.float32), np.zeros(len(pairs.first), bool)
    needed, most = EVIDENCE, POWER * -np.log10(FLOOR)
    for _ in range(8):
        todo = np.flatnonzero(np.isnan(residual) & (pairs.chance < needed + most))
        residual[todo] = _residuals(small, pairs.first[todo], pairs.second[todo], pairs.turned[todo])
        relative = residual / max(usual, 1e-6)
        evidence = pairs.chance + POWER * np.log10(np.maximum(relative, FLOOR))
        kept = (relative < 1) & (evidence < needed)
        having = len(np.unique(np.concatenate([pairs.first[kept], pairs.second[kept]]))) / len(small)
        share = min(max(having, 1e-3), 0.9)
        before, needed = needed, EVIDENCE + np.log10(share / (1 - share) * 99)
        if abs(before - needed) < 0.05:
            break
    return pairs.first[kept], pairs.second[kept]


def _supported(n: int, first: np.ndarray, second: np.ndarray) -> Copies:
    """Return the pairs without those that hold large groups together and that no other images support."""
    group = tied_together(n, first, second)
    ties = coo_array((np.ones(2 * len(first), np.int32), (np.r_[first, second], np.r_[second, first])), (n, n)).tocsr()
    common = np.asarray((ties @ ties)[first, second]).ravel() if len(first) else np.zeros(0)
    kept = (np.bincount(group)[group[first]] <= LARGE) | (common >= SUPPORT)
    after = tied_together(n, first[kept], second[kept])
    sizes, largest = np.bincount(after)[after], np.zeros(n, np.int64)
    np.maximum.at(largest, group, sizes)
    apart = sizes < largest[group]
    return Copies(first[kept], second[kept], np.flatnonzero(apart))


def tied_together(n: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return int (n,), equal for images that are tied to each other, perhaps by way of others."""
    return connected_components(coo_array((np.ones(len(first), bool), (first, second)), (n, n)), directed=False)[1]
