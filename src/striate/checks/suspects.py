"""Labels that are probably wrong, and how many of those that are told are expected to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.checks.evidence import Evidence
from striate.checks.held_out import held_out
from striate.checks.noise import fit_noise
from striate.errors import some
from striate.observer import Progress, silent

# From this probability on a label is told: a few more than are more probably wrong than right, as looking is cheap.
DOUBTFUL_FROM = 0.3
# Of the first so many the sentence tells how many are expected to be wrong, or of all if there are fewer.
TOLD = 100
# With fewer labelled images nothing can be said.
FEWEST_IMAGES = 10


@dataclass(frozen=True, eq=False)
class Suspects:
    """Images whose label is doubtful, the most probably wrong first.

    Arguments:
        positions: int64 (m,), which of the set's images.
        given: int64 (m,), the class that the label says.
        likely: int64 (m,), the class that it more probably is.
        probability: float64 (m,), that the label is wrong; descending.
        expected: how many wrong labels are expected in the whole set, listed or not; where the head knows little, most
            of them are not to be told from right ones.
        judged: of how many images the label was judged.
        notes: what could not be judged, and why.
    """

    positions: np.ndarray
    given: np.ndarray
    likely: np.ndarray
    probability: np.ndarray
    expected: float
    judged: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)

    def precision(self, count: int) -> float:
        """Return the share of the first `count` that is expected to be truly wrong, 0 if there are none.

        >>> Suspects(*[np.arange(3)] * 3, np.array([0.75, 0.5, 0.4]), 2.6, 50).precision(2)
        0.625
        """
        first = self.probability[:count]
        return float(first.mean()) if len(first) else 0.0

    @property
    def sentence(self) -> str:
        """What a user is told.

        >>> Suspects(*[np.arange(3)] * 3, np.array([0.9, 0.8, 0.4]), 4.6, 50).sentence
        '3 of 50 labels are doubtful, and about 2 of them wrong; in the whole set about 5 are'
        >>> none = np.zeros(0, np.int64)
        >>> Suspects(none, none, none, np.zeros(0), 0.2, 50).sentence
        'none of 50 labels seems wrong'
        """
        if not self.judged:
            return "no label could be judged"
        if not len(self):
            return f"none of {self.judged:,} labels seems wrong"
        told = min(TOLD, len(self))
        first = f"the first {told}" if told < len(self) else "them"
        return (
            f"{len(self):,} of {self.judged:,} labels {'is' if len(self) == 1 else 'are'} doubtful, and about "
            f"{told * self.precision(told):.0f} of {first} wrong; in the whole set about {self.expected:,.0f} "
            f"{'is' if round(self.expected) == 1 else 'are'}"
        )


def find_suspects(evidence: Evidence, seed: int = 0, progress: Progress = silent) -> Suspects:
    """Return the images whose label is probably wrong.

    Each is judged by linear discriminants that neither it nor an image of its group has taught. The precision to
    expect among the first of them is the mean of their probabilities; how far it holds is measured in
    `bench/suspects.py`.

    Arguments:
        evidence: from `gather_evidence`; images without a label are passed over.
        seed: of the folds.
        progress: told how far it is.
    """
    images = evidence.images
    labelled = np.flatnonzero(images.labels >= 0)
    if why := _why_not(images.labels[labelled], len(labelled)):
        return _nothing(why)
    groups = None if images.groups is None else images.groups[labelled]
    answers = held_out(
        evidence.features[labelled], images.labels[labelled], images.hashes[labelled], groups,
        seed=seed, progress=progress,
    )  # fmt: skip
    judged = np.flatnonzero(answers.taught)
    if len(judged) < FEWEST_IMAGES:
        return _nothing("labels cannot be judged: hardly a class has two images that are no copies of each other")
    noise = fit_noise(answers.only(judged))
    rows, expected = labelled[judged], float(noise.wrong.sum())
    order = np.argsort(-noise.wrong, kind="stable")[: int((noise.wrong >= DOUBTFUL_FROM).sum())]
    notes = _alone(images.labels[labelled][~answers.taught], images.classes)
    return Suspects(
        rows[order], images.labels[rows[order]], noise.likely[order], noise.wrong[order], expected, len(judged), notes
    )


def _why_not(labels: np.ndarray, count: int) -> str:
    if count < FEWEST_IMAGES:
        return f"labels cannot be judged: there must be at least {FEWEST_IMAGES} labelled images; got {count}"
    if len(np.unique(labels)) < 2:
        return "labels cannot be judged: all images are of one class"
    return ""


def _nothing(why: str) -> Suspects:
    none = np.zeros(0, np.int64)
    return Suspects(none, none, none, np.zeros(0), 0.0, 0, (why,))


def _alone(labels: np.ndarray, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Say of which classes labels could not be judged, as no other image shows what the class is."""
    if not len(labels):
        return ()
    named = some([classes[c] for c in np.unique(labels)], 5)
    count = f"{len(labels):,} label{'s' * (len(labels) > 1)}"
    return (f"{count} could not be judged, as no other image shows the class: {named}",)
