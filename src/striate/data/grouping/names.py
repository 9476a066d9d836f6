"""Bursts told by names: a stem and a counter, as 00012_00003.png or img-0007.jpg, where neighbours look alike.

A counter alone proves nothing: most cameras count. Names are believed only where images of neighbouring counters
are far nearer to each other than images of one class usually are, over the whole set.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# A pair is alike if it is nearer than all but this share of the pairs of its class that chance draws.
ALIKE = 0.05
# This share of the neighbouring pairs must be alike, of all of them and of those of a run that is taken whole.
BELIEVED = 0.5
FEWEST_PAIRS = 10
_DRAWN = 400


class Runs(NamedTuple):
    """Pairs (m,) of images that follow each other in a burst, and how many bursts were believed."""

    first: np.ndarray
    second: np.ndarray
    bursts: int


def stem_and_counter(name: str) -> tuple[str, int]:
    """Return what comes before the last number of a name, with what follows it, and that number; −1 without one.

    >>> stem_and_counter("stop/00012_00003.png"), stem_and_counter("cat.png")
    (('stop/00012_#.png', 3), ('cat.png', -1))
    """
    folder, slash, file = name.rpartition("/")
    base, dot, extension = file.rpartition(".")
    base, extension = (base, dot + extension) if dot else (file, "")
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", base, re.DOTALL)
    if not found:
        return name, -1
    return f"{folder}{slash}{found[1]}#{found[3]}{extension}", int(found[2][-15:])


def find_bursts(names: Sequence[str], labels: np.ndarray, sketches: np.ndarray) -> Runs:
    """Return the pairs of images that names and looks put into one burst.

    Arguments:
        names: (n,) as in the catalog.
        labels: int64 (n,), −1 where there is none.
        sketches: float32 (n, d).
    """
    parts = [stem_and_counter(name) for name in names]
    stems = np.unique([stem for stem, _ in parts], return_inverse=True)[1] if parts else np.zeros(0, np.int64)
    counters = np.array([counter for _, counter in parts], np.int64)
    order = np.lexsort((counters, stems))
    first, second = order[:-1], order[1:]
    next_to = (stems[first] == stems[second]) & (counters[first] >= 0) & (labels[first] == labels[second])
    first, second = first[next_to], second[next_to]
    nothing = Runs(first[:0], first[:0], 0)
    if len(first) < FEWEST_PAIRS:
        return nothing
    alike = _is_alike(sketches, labels, stems, (first, second))
    if alike.mean() < BELIEVED:
        return nothing
    run, inverse = np.unique(stems[first], return_inverse=True)
    share = np.bincount(inverse, alike) / np.bincount(inverse)
    # A stem that is most of a class is a name for the class, not for one object: only its alike neighbours are tied.
    of_class = np.bincount(labels[labels >= 0], minlength=1)[labels[first]] if (labels >= 0).any() else len(labels)
    small = np.bincount(stems)[stems[first]] * 2 <= of_class
    tied = np.where(small, share[inverse] >= BELIEVED, alike)
    return Runs(first[tied], second[tied], len(np.unique(run[inverse][tied])))


def _is_alike(
    sketches: np.ndarray, labels: np.ndarray, stems: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return bool (m,), whether each pair is nearer than all but a few of the pairs that chance draws of its class."""
    rng, (first, second) = np.random.default_rng(0), pairs
    distance, alike = _distance(sketches, first, second), np.zeros(len(first), bool)
    for label in np.unique(labels[first]):
        members, own = np.flatnonzero(labels == label), labels[first] == label
        one, other = rng.choice(members, (2, _DRAWN))
        # Of different stems, where there are several: few objects would else be compared with themselves.
        apart = stems[one] != stems[other]
        drawn = apart if apart.any() else one != other
        usual = _distance(sketches, one[drawn], other[drawn])
        alike[own] = distance[own] < (np.quantile(usual, ALIKE) if len(usual) else 0.0)
    return alike


def _distance(sketches: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.sqrt(((sketches[first] - sketches[second]) ** 2).sum(1))
