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

from striate.data.grouping.alignment import lack_between
from striate.data.grouping.chains import SUPPORT, supported
from striate.data.grouping.looks import Looks
from striate.data.grouping.neighbours import FARTHEST, SAMPLE, Surroundings, close_pairs, survey
from striate.data.grouping.sketches import INNER, blocks, sketch_waves
from striate.data.grouping.turns import SIDEWAYS, UPRIGHT, turned_images, turned_sketches
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
# So many candidates of an image are compared, the nearest: in a burst they tie all to all. And so many however late.
FEW, SURE = 10, 2
# Where copies are common, what passes however common they are is not laid over the other better.
SURELY = -5.0
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
        margin: float32 (m,), by how many decades (log10 of odds) a pair shows more evidence than it takes.
        held_back: int (h,), those that only unsupported ties would have tied_together to a large group.
        hurried: whether views were left out, or candidates judged by their sketches alone, for want of time.
    """

    first: np.ndarray
    second: np.ndarray
    turn: np.ndarray
    zoom: np.ndarray
    margin: np.ndarray
    held_back: np.ndarray
    hurried: bool = False


class _Pairs(NamedTuple):
    """Candidates: positions i < j (m,), log10 of chance, how to lay j over i, what they lack (nan: not compared).

    By how many decades they show more evidence than it takes, and the rank of each pair, 0 where it is the least likely
    by chance of either image.
    """

    first: np.ndarray
    second: np.ndarray
    chance: np.ndarray
    turn: np.ndarray
    zoom: np.ndarray
    lack: np.ndarray
    margin: np.ndarray
    rank: np.ndarray

    def at(self, rows: np.ndarray) -> _Pairs:
        return _Pairs(*(column[rows] for column in self))


def find_ties(
    looks: Looks, turns: Sequence[int] = UPRIGHT, progress: Progress = silent, until: float = math.inf
) -> Ties:
    """Return the pairs of near copies among n images.

    All pairs of sketches are compared, by matrix products. Where there is no time for that in every view, the whole
    images come first; where there is none to lay all candidates over each other, the nearest of each image.

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
        usual, passes = _usual_lack(looks), _passes(looks, turns)
        found, hurried = _candidates(passes, FURTHEST_FIRST, progress, until)
        # What is nearest to each tells how common copies are.
        sure, before, _ = _confirmed(looks.small, _nearest_few(found, FEW), usual, -math.inf)
        common = len(np.unique([sure.first, sure.second])) >= COMMON * n
        if common:
            further, hurried = _candidates(passes, FURTHEST, progress, until)
            found = _nearest([further, before]) if hurried else further
        pairs = _compared_before(_nearest_few(found, FEW), before)
        pairs, _, late = _confirmed(looks.small, pairs, usual, until, SURELY if common else -math.inf)
        hurried |= late
    # In a hurry most ties are not found, and none that are can be spared: a torn burst flatters, a chain does not.
    kept, apart = supported(n, pairs.first, pairs.second, 0 if hurried else SUPPORT)
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


def _candidates(passes: Sequence[_Pass], furthest: float, progress: Progress, until: float) -> tuple[_Pairs, bool]:
    """Return the near pairs of the passes that end in half of the time, and whether these are not all."""
    began, found = time.perf_counter(), []
    for done, one in enumerate(passes):
        now = time.perf_counter()
        if done and now + (now - began) / done > (began + until) / 2:
            return _nearest(found), True
        heard = partial(_hear, progress, done, len(passes), len(one.sketches))
        others = turned_sketches(one.others, one.turn) if one.turn else one.others
        first, second, distance = close_pairs(one.sketches, others, one.around.radius(furthest), heard)
        chance = np.maximum(one.around.expected(first, distance), one.around.expected(second, distance))
        same, unknown = np.ones(len(first), np.float32), np.full(len(first), np.nan, np.float32)
        turn, zoom = (same * one.turn).astype(np.int8), same * one.zoom
        pairs = _Pairs(first, second, chance, turn, zoom, unknown, unknown, same * 0)
        if one.colourless is not None:
            pairs = pairs.at(np.flatnonzero(one.colourless[first] != one.colourless[second]))
        found.append(pairs)
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
    rank = np.full(len(pairs.first), few)
    np.minimum.at(rank, which, np.arange(len(ends)) - np.searchsorted(ends, ends))
    return pairs._replace(rank=rank).at(np.flatnonzero(rank < few))


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
    pairs = _Pairs(first, second, same, (same * 0).astype(np.int8), same, same, same, same).at(
        np.flatnonzero(different)
    )
    return float(np.quantile(_lack(small, pairs, pairs.lack * 0), 0.1)) / 4


def _lack(small: np.ndarray, pairs: _Pairs, enough: np.ndarray, until: float = math.inf) -> np.ndarray:
    """Return float32 (m,), the share of detail that the images of each pair do not share; see `lack_between`.

    Not a number where it was too late to look, by `time.perf_counter`.
    """

    def compare(start: int) -> np.ndarray:
        rows = np.arange(start, min(start + _AT_ONCE, len(pairs.first)))
        some = pairs.at(rows)
        if time.perf_counter() > until:
            return some.lack * np.nan
        return lack_between(*laid_for_comparison(small, some.first, some.second, some.turn), some.zoom, enough[rows])

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


def _confirmed(
    small: np.ndarray, pairs: _Pairs, usual: float, until: float, surely: float = -math.inf
) -> tuple[_Pairs, _Pairs, bool]:
    """Return the pairs whose detail agrees, given how common copies are, all with what they lack, and if it got late.

    Prior odds times the odds of sketch and detail: the share of images with a copy is found by going round until it
    stays. Only pairs that can still pass are compared at all, the nearest of each image however late it is: they tell
    that share. Others for which it gets too late are judged by their sketches alone, as if they lacked what is usual.

    Arguments:
        surely: log10 of odds; a pair that shows so much, laid over roughly, is not laid over better.
    """
    lack, kept, late = pairs.lack.copy(), np.zeros(len(pairs.first), bool), False
    margin = pairs.margin
    needed, most = EVIDENCE, POWER * -np.log10(FLOOR)
    enough = 10 ** ((surely - pairs.chance) / POWER)
    enough = usual * np.where(enough < FLOOR, 0, np.minimum(enough, MOST))
    for _ in range(8):
        todo = np.flatnonzero(np.isnan(lack) & (pairs.chance < needed + most))
        todo = todo[np.lexsort((pairs.chance[todo], pairs.rank[todo]))]
        for some, by in ((todo[pairs.rank[todo] < SURE], math.inf), (todo[pairs.rank[todo] >= SURE], until)):
            if time.perf_counter() < by:
                lack[some] = _lack(small, pairs.at(some), enough[some], by)
        late = bool(np.isnan(lack[todo]).any())
        relative = np.where(np.isnan(lack), 1, lack / max(usual, 1e-6))
        evidence = pairs.chance + POWER * np.log10(np.maximum(relative, FLOOR))
        margin = (needed - evidence).astype(np.float32)
        kept = (relative < MOST) & (margin > 0)
        having = len(np.unique(np.concatenate([pairs.first[kept], pairs.second[kept]]))) / len(small)
        share = min(max(having, 1e-3), 0.9)
        before, needed = needed, EVIDENCE + np.log10(share / (1 - share) * 99)
        if abs(before - needed) < 0.05:
            break
    pairs = pairs._replace(lack=lack, margin=margin)
    return pairs.at(np.flatnonzero(kept)), pairs, late
