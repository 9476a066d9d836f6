"""Near copies among images, found by what they show.

1. Each image is sketched in a few views; pairs whose sketches are nearer than chance would bring them are candidates.
2. Candidates are laid over each other; their detail must agree far better than that of neighbours in this set does.
3. How much evidence a pair needs depends on how common copies are in this set: in one made of bursts nearly every image
   has some, among handwritten digits nearly none.
4. Ties that no third image supports are cut where they would make large groups: chains must not swallow a class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from striate.data.grouping.alignment import grays, lack_between
from striate.data.grouping.neighbours import FARTHEST, SAMPLE, close_pairs, survey
from striate.data.grouping.sketches import BLOCK, INNER, VIEWS, blocks, sketch_images, sketch_waves
from striate.data.grouping.turns import SIDEWAYS, UPRIGHT, turned_images, turned_sketches
from striate.data.imageset import ImageSet
from striate.data.preparing.parallel import in_order
from striate.observer import Progress, silent

# With fewer images nothing can be said of what is usual among them.
FEWEST = 16
# log10 of the odds against chance that a pair must show where one image in a hundred has a copy.
EVIDENCE = -4.0
# A lack of detail this many times smaller than usual counts to this power, down to a floor; a pair that lacks so
# many times more is none.
POWER, FLOOR, MOST = 10.0, 0.2, 2.5
# Pairs as near as so many unrelated images (log10) are candidates: where more than half of all images have copies, as
# in bursts, and before that is known.
FURTHEST, FURTHEST_FIRST, COMMON = 1.0, 0.3, 0.5
# So many candidates of an image are compared at least, the nearest: in a burst they tie all to all.
FEW = 10
# In groups of more images a tie needs this many images that are tied to both.
LARGE, SUPPORT = 12, 3
# Sketches whose colours are all smaller are of gray pictures, which are compared with coloured ones too.
COLOURLESS = 0.05
# Images of less contrast (standard deviation, of 255) show nothing to compare.
BLANK = 2.0
_USUAL_IMAGES, _USUAL_PAIRS = 200, 5
_AT_ONCE = 256
DOING = "looking for near copies"


class Ties(NamedTuple):
    """Pairs of near copies.

    Arguments:
        first, second: int (m,), positions of the images.
        turn: int8 (m,), how the second must be turned to lie as the first; see `turns`.
        zoom: float32 (m,), about how much wider the first is than the second, where that was looked for; else 1.
        held_back: int (h,), those that only unsupported ties would have tied_together to a large group.
    """

    first: np.ndarray
    second: np.ndarray
    turn: np.ndarray
    zoom: np.ndarray
    held_back: np.ndarray


class _Pairs(NamedTuple):
    """Candidates: positions i < j (m,), log10 of the unrelated images expected as near, how to lay j over i, and what
    they lack of each other's detail: nan where that was not compared yet.
    """

    first: np.ndarray
    second: np.ndarray
    chance: np.ndarray
    turn: np.ndarray
    zoom: np.ndarray
    lack: np.ndarray

    def at(self, rows: np.ndarray) -> _Pairs:
        return _Pairs(*(column[rows] for column in self))


class Looks(NamedTuple):
    """What is kept of each of n images while they are compared.

    Arguments:
        small: uint8 (n, h, w), gray, at most 64 × 64 pixels.
        views: float32 (n, d), a sketch of each view: the whole image, its centre, and all but its rim.
    """

    small: np.ndarray
    views: tuple[np.ndarray, ...]

    def at(self, rows: np.ndarray) -> Looks:
        """Return the looks of the images at `rows`."""
        return Looks(self.small[rows], tuple(view[rows] for view in self.views))


def look_at(images: ImageSet, progress: Progress = silent) -> Looks:
    """Return what is kept of the images, each read once."""

    def look(some: slice) -> tuple[np.ndarray, ...]:
        pixels = images.pixels[images.rows[some]]
        return grays(pixels), *(sketch_images(pixels, view) for view in (*VIEWS, INNER))

    parts = []
    for done in in_order(look, blocks(len(images)), 1, heavy=True):
        parts += done
        progress("looking at images", min(len(parts) * BLOCK, len(images)), len(images))
    small, *views = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Looks(small, tuple(views))


def find_ties(looks: Looks, turns: Sequence[int] = UPRIGHT, progress: Progress = silent) -> Ties:
    """Return the pairs of near copies among n images.

    All pairs of sketches are compared, by matrix products.

    Arguments:
        turns: the ways in which a copy may lie.
    """
    contrast = np.concatenate([looks.small[some].std((1, 2)) for some in blocks(len(looks.small))] or [np.zeros(0)])
    shown = np.flatnonzero(contrast >= BLANK)
    looks = looks.at(shown)
    n, nothing = len(shown), np.zeros(0, np.int64)
    if n < FEWEST:
        return Ties(nothing, nothing, nothing.astype(np.int8), nothing.astype(np.float32), nothing)
    with threadpool_limits(1, "blas"):
        usual, before = _usual_lack(looks), None
        for furthest in (FURTHEST_FIRST, FURTHEST):
            pairs = _nearest_few(_nearest(list(_candidates(looks, turns, furthest, progress))))
            pairs, before = _confirmed(looks.small, _compared_before(pairs, before), usual)
            if len(np.unique([pairs.first, pairs.second])) < COMMON * n:
                break
    kept, apart = _supported(n, pairs.first, pairs.second)
    pairs = pairs.at(kept)
    return Ties(shown[pairs.first], shown[pairs.second], pairs.turn, pairs.zoom, shown[apart])


def _candidates(looks: Looks, turns: Sequence[int], furthest: float, progress: Progress) -> Iterator[_Pairs]:
    """Yield the near pairs of each pass.

    The whole images in each turn, their centres, one in the middle of another, and without colour.
    """
    (whole, centre, inner), n = looks.views, len(looks.small)
    square = looks.small.shape[1] == looks.small.shape[2]
    turns = [turn for turn in turns if square or not turn & SIDEWAYS]
    within = 1 - 2 * INNER
    there, centres = survey(whole), survey(centre)
    passes = [(whole, turned_sketches(whole, turn), there, turn, 1.0) for turn in turns]
    passes += [(centre, centre, centres, 0, 1.0)]
    passes += [(whole, inner, there, 0, within), (inner, whole, there, 0, 1 / within)]
    gray, colour = np.split(whole, [len(sketch_waves(whole.shape[1])[0])], 1)
    colourless = np.abs(colour).max(1, initial=0) < COLOURLESS
    if 0 < colourless.sum() < n:
        passes.append((gray, gray, survey(gray), 0, 1.0))
    for done, (sketches, others, around, turn, zoom) in enumerate(passes):

        def heard(rows: int, _: int, before: int = done * n) -> None:
            progress(DOING, before + rows, len(passes) * n)

        first, second, distance = close_pairs(sketches, others, around.radius(furthest), heard)
        chance = np.maximum(around.expected(first, distance), around.expected(second, distance))
        same = np.ones(len(first), np.float32)
        pairs = _Pairs(first, second, chance, (same * turn).astype(np.int8), same * zoom, same * np.nan)
        yield pairs.at(np.flatnonzero(colourless[first] != colourless[second])) if sketches is gray else pairs


def _nearest(found: list[_Pairs]) -> _Pairs:
    """Return each pair once, as the view shows it in which it is least likely by chance."""
    pairs = _Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))
    pairs = pairs.at(np.lexsort((pairs.chance, pairs.second, pairs.first)))
    new = np.ones(len(pairs.first), bool)
    new[1:] = (pairs.first[1:] != pairs.first[:-1]) | (pairs.second[1:] != pairs.second[:-1])
    return pairs.at(np.flatnonzero(new))


def _nearest_few(pairs: _Pairs) -> _Pairs:
    """Return the pairs that are among the `FEW` least likely by chance of either image."""
    ends, which = np.r_[pairs.first, pairs.second], np.tile(np.arange(len(pairs.first)), 2)
    order = np.lexsort((np.tile(pairs.chance, 2), ends))
    ends, which = ends[order], which[order]
    rank = np.arange(len(ends)) - np.searchsorted(ends, ends)
    return pairs.at(np.unique(which[rank < FEW]))


def _compared_before(pairs: _Pairs, before: _Pairs | None) -> _Pairs:
    """Return the pairs with what some of them were found to lack before."""
    if before is None:
        return pairs
    at = {which: (one.first << 32) + one.second for which, one in (("now", pairs), ("before", before))}
    _, now, then = np.intersect1d(at["now"], at["before"], assume_unique=True, return_indices=True)
    lack = pairs.lack.copy()
    lack[now] = before.lack[then]
    return pairs._replace(lack=lack)


def _usual_lack(looks: Looks) -> float:
    """Return the lack of detail that only unusually like neighbours fall below in this set.

    A quarter of what one neighbour in ten has, among neighbours so far away that a burst of thirty frames lies nearer.
    """
    small, sketches, rng = looks.small, looks.views[0], np.random.default_rng(0)
    some, sample = (rng.choice(len(small), min(len(small), many), replace=False) for many in (_USUAL_IMAGES, SAMPLE))
    squared = (sketches[sample] ** 2).sum(1) - 2 * sketches[some] @ sketches[sample].T
    last = max(2, min(FARTHEST, len(sample) // 4))
    ranks = np.unique(np.linspace(last // 2, last - 1, _USUAL_PAIRS).astype(int))
    near = sample[np.argsort(squared, 1)[:, ranks]]
    first, second = np.repeat(some, len(ranks)), near.ravel()
    different = first != second
    same = np.ones(len(first), np.float32)
    pairs = _Pairs(first, second, same, (same * 0).astype(np.int8), same, same).at(np.flatnonzero(different))
    return float(np.quantile(_lack(small, pairs), 0.1)) / 4


def _lack(small: np.ndarray, pairs: _Pairs) -> np.ndarray:
    """Return float32 (m,), the share of detail that the images of each pair do not share; see `alignment`."""

    def compare(start: int) -> np.ndarray:
        some = pairs.at(np.arange(start, min(start + _AT_ONCE, len(pairs.first))))
        return lack_between(*laid_for_comparison(small, some.first, some.second, some.turn), some.zoom)

    starts = range(0, len(pairs.first), _AT_ONCE)
    left = [part for done in in_order(compare, starts, 1, heavy=True) for part in done]
    return np.concatenate(left) if left else np.zeros(0, np.float32)


def laid_for_comparison(
    small: np.ndarray, first: np.ndarray, second: np.ndarray, turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 (m, h, w) twice: the small images of each pair, the second turned to lie as the first."""
    other = small[second]
    for way in np.unique(turn):
        some = turn == way
        other[some] = turned_images(other[some], int(way))
    return small[first].astype(np.float32), other.astype(np.float32)


def _confirmed(small: np.ndarray, pairs: _Pairs, usual: float) -> tuple[_Pairs, _Pairs]:
    """Return the pairs whose detail agrees, given how common copies are, and all with what they were found to lack.

    Prior odds times the odds of sketch and detail: the share of images with a copy is found by going round until it
    stays. Only pairs that can still pass are compared at all.
    """
    lack, kept = pairs.lack.copy(), np.zeros(len(pairs.first), bool)
    needed, most = EVIDENCE, POWER * -np.log10(FLOOR)
    for _ in range(8):
        todo = np.flatnonzero(np.isnan(lack) & (pairs.chance < needed + most))
        lack[todo] = _lack(small, pairs.at(todo))
        relative = lack / max(usual, 1e-6)
        evidence = pairs.chance + POWER * np.log10(np.maximum(relative, FLOOR))
        kept = (relative < MOST) & (evidence < needed)
        having = len(np.unique(np.concatenate([pairs.first[kept], pairs.second[kept]]))) / len(small)
        share = min(max(having, 1e-3), 0.9)
        before, needed = needed, EVIDENCE + np.log10(share / (1 - share) * 99)
        if abs(before - needed) < 0.05:
            break
    pairs = pairs._replace(lack=lack)
    return pairs.at(np.flatnonzero(kept)), pairs


def _supported(n: int, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which ties are kept, and which images are apart for want of the others.

    Cut are those that hold large groups together and that no other images support.
    """
    from scipy.sparse import coo_array

    group = tied_together(n, first, second)
    ties = coo_array((np.ones(2 * len(first), np.int32), (np.r_[first, second], np.r_[second, first])), (n, n)).tocsr()
    common = np.asarray((ties @ ties)[first, second]).ravel() if len(first) else np.zeros(0)
    kept = (np.bincount(group)[group[first]] <= LARGE) | (common >= SUPPORT)
    after = tied_together(n, first[kept], second[kept])
    sizes, largest = np.bincount(after)[after], np.zeros(n, np.int64)
    np.maximum.at(largest, group, sizes)
    apart = sizes < largest[group]
    return np.flatnonzero(kept), np.flatnonzero(apart)


def tied_together(n: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return int (n,), equal for images that are tied to each other, perhaps by way of others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    return connected_components(coo_array((np.ones(len(first), bool), (first, second)), (n, n)), directed=False)[1]
