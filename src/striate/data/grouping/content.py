"""Near copies among images, found by what they show.

1. Each image is sketched in a few views; pairs whose sketches are nearer than chance would bring them are candidates.
2. Candidates are laid over each other; their detail must agree far better than that of neighbours in this set does.
3. How much evidence a pair needs depends on how common copies are in this set: in one made of bursts nearly every image
   has some, among handwritten digits nearly none.
4. Ties that no third image supports are cut where they would make large groups: chains must not swallow a class.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from striate.data.grouping.alignment import grays, lack_between
from striate.data.grouping.chains import supported
from striate.data.grouping.neighbours import FARTHEST, SAMPLE, Surroundings, close_pairs, survey
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
# So many candidates of an image are compared at least, the nearest: in a burst they tie all to all, and fewer most.
FEW, FEW_HURRIED = 10, 4
# Sketches whose colours are all smaller are of gray pictures, which are compared with coloured ones too.
COLOURLESS = 0.05
# Images of less contrast (standard deviation, of 255) show nothing to compare.
BLANK = 2.0
_USUAL_IMAGES, _USUAL_PAIRS = 200, 5
_AT_ONCE = 256
# Images are looked at in blocks of at most so many pixels; so many blocks tell how long all will take.
_BLOCK_PIXELS, _LEAST_BLOCK, _TOLD_BY = 1024 * 32 * 32, 32, 2
DOING = "looking for near copies"


class Ties(NamedTuple):
    """Pairs of near copies.

    Arguments:
        first, second: int (m,), positions of the images.
        turn: int8 (m,), how the second must be turned to lie as the first; see `turns`.
        zoom: float32 (m,), about how much wider the first is than the second, where that was looked for; else 1.
        margin: float32 (m,), by how many decades (log10 of odds) a pair shows more evidence than it takes.
        held_back: int (h,), those that only unsupported ties would have tied_together to a large group.
        hurried: whether views or candidates were left out for want of time.
    """

    first: np.ndarray
    second: np.ndarray
    turn: np.ndarray
    zoom: np.ndarray
    margin: np.ndarray
    held_back: np.ndarray
    hurried: bool = False


class TooSlowError(Exception):
    """There is no time to look at all images."""


class _Pairs(NamedTuple):
    """Candidates: positions i < j (m,), log10 of chance, how to lay j over i, what they lack (nan: not compared).

    And by how many decades they show more evidence than it takes.
    """

    first: np.ndarray
    second: np.ndarray
    chance: np.ndarray
    turn: np.ndarray
    zoom: np.ndarray
    lack: np.ndarray
    margin: np.ndarray

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
        """Return the looks of the images at `rows`, these themselves where they are all: they may fill the memory."""
        if len(rows) == len(self.small) and np.array_equal(rows, np.arange(len(rows))):
            return self
        return Looks(self.small[rows], tuple(view[rows] for view in self.views))


def look_at(images: ImageSet, progress: Progress = silent, until: float = math.inf) -> Looks:
    """Return what is kept of the images, each read once.

    Raises:
        TooSlowError: that would not be done until then, by `time.perf_counter`.
    """

    def look(some: slice) -> tuple[np.ndarray, ...]:
        pixels = images.pixels[images.rows[some]]
        return grays(pixels), *(sketch_images(pixels, view) for view in (*VIEWS, INNER))

    height, width = images.image_shape[:2]
    size = min(BLOCK, max(_LEAST_BLOCK, _BLOCK_PIXELS // (height * width)))
    kept: list[np.ndarray] = []
    done, began, todo = 0, time.perf_counter(), blocks(len(images), size)
    for looked in in_order(look, todo, 1, heavy=True):
        for columns in looked:
            # Room for all at once: blocks that are joined at the end would be in memory twice.
            kept = kept or [np.empty((len(images), *column.shape[1:]), column.dtype) for column in columns]
            for whole, column in zip(kept, columns, strict=True):
                whole[todo[done]] = column
            done += 1
        ends = began + (time.perf_counter() - began) * len(todo) / done
        if _TOLD_BY <= done < len(todo) and ends > until:
            raise TooSlowError
        progress("looking at images", min(done * size, len(images)), len(images))
    small, *views = kept
    return Looks(small, tuple(views))


def find_ties(
    looks: Looks, turns: Sequence[int] = UPRIGHT, progress: Progress = silent, until: float = math.inf
) -> Ties:
    """Return the pairs of near copies among n images.

    All pairs of sketches are compared, by matrix products. Where there is no time for that in every view, the whole
    images come first.

    Arguments:
        turns: the ways in which a copy may lie.
        until: when it is to be done, by `time.perf_counter`.
    """
    contrast = np.concatenate([looks.small[some].std((1, 2)) for some in blocks(len(looks.small))] or [np.zeros(0)])
    shown = np.flatnonzero(contrast >= BLANK)
    looks = looks.at(shown)
    n, nothing = len(shown), np.zeros(0, np.int64)
    if n < FEWEST:
        numbers = nothing.astype(np.float32)
        return Ties(nothing, nothing, nothing.astype(np.int8), numbers, numbers, nothing)
    with threadpool_limits(1, "blas"):
        began = time.perf_counter()
        usual, before, hurried = _usual_lack(looks), None, False
        pair_s = (time.perf_counter() - began) / (min(n, _USUAL_IMAGES) * _USUAL_PAIRS)
        passes = _passes(looks, turns)
        for furthest in (FURTHEST_FIRST, FURTHEST):
            began = time.perf_counter()
            found, left_out = _candidates(passes, furthest, progress, until, pair_s)
            if left_out and before is not None:  # those of the first round in the views that are left out now
                found = _nearest([found, before])
            pairs = _nearest_few(found, FEW)
            if time.perf_counter() + pair_s * len(pairs.first) > until:
                pairs, left_out = _nearest_few(found, FEW_HURRIED), True
            pairs, before = _confirmed(looks.small, _compared_before(pairs, before), usual)
            hurried |= left_out
            if len(np.unique([pairs.first, pairs.second])) < COMMON * n:
                break
            if furthest < FURTHEST and 2 * time.perf_counter() - began > until:
                hurried = True
                break
    kept, apart = supported(n, pairs.first, pairs.second)
    pairs = pairs.at(kept)
    first, second = shown[pairs.first], shown[pairs.second]
    return Ties(first, second, pairs.turn, pairs.zoom, pairs.margin, shown[apart], hurried)


class _Pass(NamedTuple):
    """One look for pairs: sketches, those that they are laid to once these are turned, how crowded it is."""

    sketches: np.ndarray
    others: np.ndarray
    around: Surroundings
    turn: int
    zoom: float
    colourless: np.ndarray | None = None


def _passes(looks: Looks, turns: Sequence[int]) -> list[_Pass]:
    """Return the looks for pairs: the whole images in each turn, centres, one in the middle of another, without colour.

    The last is for gray pictures among coloured ones alone.
    """
    (whole, centre, inner), n = looks.views, len(looks.small)
    square = looks.small.shape[1] == looks.small.shape[2]
    turns = [turn for turn in turns if square or not turn & SIDEWAYS]
    within = 1 - 2 * INNER
    there = survey(whole)
    passes = [_Pass(whole, whole, there, turn, 1.0) for turn in turns]
    passes += [_Pass(centre, centre, survey(centre), 0, 1.0)]
    passes += [_Pass(whole, inner, there, 0, within), _Pass(inner, whole, there, 0, 1 / within)]
    gray, colour = np.split(whole, [len(sketch_waves(whole.shape[1])[0])], 1)
    colourless = np.abs(colour).max(1, initial=0) < COLOURLESS
    if 0 < colourless.sum() < n:
        passes.append(_Pass(gray, gray, survey(gray), 0, 1.0, colourless))
    return passes


def _candidates(
    passes: Sequence[_Pass], furthest: float, progress: Progress, until: float, pair_s: float
) -> tuple[_Pairs, bool]:
    """Return the near pairs of the passes for which there is time, and whether that was not for all.

    Arguments:
        pair_s: seconds that comparing a pair will take.
    """
    began, found, count = time.perf_counter(), [], 0
    for done, one in enumerate(passes):
        now = time.perf_counter()
        if done and now + (now - began) / done + pair_s * count > until:
            return _nearest(found), True
        heard = partial(_hear, progress, done, len(passes), len(one.sketches))
        others = turned_sketches(one.others, one.turn) if one.turn else one.others
        first, second, distance = close_pairs(one.sketches, others, one.around.radius(furthest), heard)
        chance = np.maximum(one.around.expected(first, distance), one.around.expected(second, distance))
        same, unknown = np.ones(len(first), np.float32), np.full(len(first), np.nan, np.float32)
        pairs = _Pairs(first, second, chance, (same * one.turn).astype(np.int8), same * one.zoom, unknown, unknown)
        if one.colourless is not None:
            pairs = pairs.at(np.flatnonzero(one.colourless[first] != one.colourless[second]))
        found.append(pairs)
        count += len(pairs.first)
    return _nearest(found), False


def _hear(progress: Progress, done: int, passes: int, images: int, rows: int, _: int) -> None:
    progress(DOING, done * images + rows, passes * images)


def _nearest(found: list[_Pairs]) -> _Pairs:
    """Return each pair once, as the view shows it in which it is least likely by chance."""
    pairs = _Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))
    pairs = pairs.at(np.lexsort((pairs.chance, pairs.second, pairs.first)))
    new = np.ones(len(pairs.first), bool)
    new[1:] = (pairs.first[1:] != pairs.first[:-1]) | (pairs.second[1:] != pairs.second[:-1])
    return pairs.at(np.flatnonzero(new))


def _nearest_few(pairs: _Pairs, few: int) -> _Pairs:
    """Return the pairs that are among so many least likely by chance of either image."""
    ends, which = np.r_[pairs.first, pairs.second], np.tile(np.arange(len(pairs.first)), 2)
    order = np.lexsort((np.tile(pairs.chance, 2), ends))
    ends, which = ends[order], which[order]
    rank = np.arange(len(ends)) - np.searchsorted(ends, ends)
    return pairs.at(np.unique(which[rank < few]))


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
    pairs = _Pairs(first, second, same, (same * 0).astype(np.int8), same, same, same).at(np.flatnonzero(different))
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
    lack, kept, margin = pairs.lack.copy(), np.zeros(len(pairs.first), bool), pairs.margin
    needed, most = EVIDENCE, POWER * -np.log10(FLOOR)
    for _ in range(8):
        todo = np.flatnonzero(np.isnan(lack) & (pairs.chance < needed + most))
        lack[todo] = _lack(small, pairs.at(todo))
        relative = lack / max(usual, 1e-6)
        evidence = pairs.chance + POWER * np.log10(np.maximum(relative, FLOOR))
        margin = (needed - evidence).astype(np.float32)
        kept = (relative < MOST) & (margin > 0)
        having = len(np.unique(np.concatenate([pairs.first[kept], pairs.second[kept]]))) / len(small)
        share = min(max(having, 1e-3), 0.9)
        before, needed = needed, EVIDENCE + np.log10(share / (1 - share) * 99)
        if abs(before - needed) < 0.05:
            break
    pairs = pairs._replace(lack=lack, margin=margin)
    return pairs.at(np.flatnonzero(kept)), pairs
