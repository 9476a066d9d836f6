"""What a map is worth: told in words and numbers before anybody looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.explanation.shuffling import Learned
from striate.explanation.trial import MapTrial, Rivals
from striate.units import percent

# So many random maps may do as well as a map that tells something, counting itself among them: 1 of 19.
LEVEL = 0.1
# Log-odds that change by less are no evidence: from 50 % to 52.5 %.
LEAST_EVIDENCE = 0.1
# A map that a copy with shuffled weights gives as well shows the picture, whatever the model has learned.
MOST_ALIKE = 0.9
# Attributions that miss the difference which they should add up to by more than this share are not what they claim.
MOST_INCOMPLETE = 0.25
# A model that tells the validation images that it keeps as well as guessing does, with the first chance or a higher
# one, has learned nothing; with the second or a lower one it has, whatever shuffled copies do.
_GUESSES, _KNOWS = 0.2, 0.01
NOTHING = "This map tells nothing"


@dataclass(frozen=True)
class MapVerdict:
    """What a map is worth.

    Arguments:
        tells: whether it tells where the answer comes from.
        words: why, in a sentence or two.
        trial: how it did by deletion and insertion; None of a map that is the same everywhere.
        random: the median score of random maps.
        p_value: how often a random map does as well.
        middle: the score of a blob in the middle.
        contrast: the score of the picture's own contrast: of how much hiding changes each pixel.
        likeness: rank correlation with the map of a copy of the model with shuffled weights; None where nobody looked.
        incomplete: by which share attributions miss what they should add up to; None of other maps.
    """

    tells: bool
    words: str
    trial: MapTrial | None
    random: float | None
    p_value: float | None
    middle: float | None
    contrast: float | None = None
    likeness: float | None = None
    incomplete: float | None = None

    @property
    def beats_middle(self) -> bool | None:
        """Whether it does better than a blob in the middle, where most objects are; None where it was not tried."""
        return None if self.trial is None or self.middle is None else self.trial.score > self.middle

    @property
    def beats_contrast(self) -> bool | None:
        """Whether it does better than the picture's own contrast, which knows no model; None if untried."""
        return None if self.trial is None or self.contrast is None else self.trial.score > self.contrast

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "tells": self.tells, "verdict": self.words,
            "deletion": self.trial and self.trial.deletion, "insertion": self.trial and self.trial.insertion,
            "score": self.trial and self.trial.score, "random_score": self.random, "p_value": self.p_value,
            "middle_score": self.middle, "beats_middle": self.beats_middle,
            "contrast_score": self.contrast, "beats_contrast": self.beats_contrast,
            "shuffled_correlation": self.likeness, "incomplete": self.incomplete,
        }  # fmt: skip


def no_ground(learned: Learned, evidence: float, plain: bool, on_pixels: bool) -> str:
    """Return why no map of this answer can tell anything; empty where maps may.

    Arguments:
        evidence: what the class's log-odds lose when the image is hidden altogether.
        plain: whether the image is of one colour.
        on_pixels: whether the model was fitted to pixels: shuffled, such a one is as sure, and no net at first weights.
    """
    if plain:
        return "the image is of one colour, and no place in it differs from another"
    known = learned.guessing
    if known is not None and known > _GUESSES:
        return "the model tells the validation images that it keeps no better than guessing would"
    if min(evidence, learned.evidence) < LEAST_EVIDENCE:
        return "the class is about as probable with the image hidden, so that it does not come from the image"
    if not learned.stands_out and not on_pixels and not (known is not None and known <= _KNOWS):
        better, copies = sum(one >= learned.evidence for one in learned.shuffled), len(learned.shuffled)
        asked = f"{better} of {copies} copies" if better else f"the furthest of {copies} copies"
        return (
            f"{asked} of the model with shuffled weights, which know nothing, answer{'' if better else 's'} to this "
            f"image {'' if better else 'nearly '}as much as it does"
        )
    return ""


def judge(
    values: np.ndarray,
    trial: MapTrial,
    rivals: Rivals,
    ground: str,
    likeness: float | None = None,
    incomplete: float | None = None,
) -> MapVerdict:
    """Return the verdict on a map.

    Arguments:
        values: float (h, w).
        ground: why no map can tell anything, from `no_ground`.
        likeness, incomplete: see `MapVerdict`.
    """
    random, p = float(np.median([one.score for one in rivals.random])), rivals.p_value(trial)
    others = rivals.blob.score, rivals.contrast.score
    spread = float(values.max() - values.min())
    if not np.isfinite(spread) or spread <= 1e-9 * max(1.0, float(np.abs(values).max())):
        everywhere = "0 everywhere" if not values.any() else "the same everywhere"
        why = f"{NOTHING}: it is {everywhere}" + (f", and {ground}." if ground else ".")
        return MapVerdict(False, why, None, random, None, *others, None, incomplete)
    if ground:
        why = ground
    elif likeness is not None and likeness >= MOST_ALIKE:
        why = (f"a copy of the model with shuffled weights gives nearly the same (rank correlation {likeness:.2f}), "
               "so that it shows the picture, not what the model has learned")  # fmt: skip
    elif incomplete is not None and incomplete > MOST_INCOMPLETE:
        why = f"its parts miss what they should add up to by {percent(incomplete, 0)}"
    elif p > LEVEL:
        as_good = sum(one.score >= trial.score for one in rivals.random)
        why = f"{as_good} of {len(rivals.random)} random maps find the answer as well as it does"
    else:
        return MapVerdict(True, _told(trial, rivals), trial, random, p, *others, likeness, incomplete)
    return MapVerdict(False, f"{NOTHING}: {why}.", trial, random, p, *others, likeness, incomplete)


def _told(trial: MapTrial, rivals: Rivals) -> str:
    known = {"a blob in the middle": rivals.blob, "the picture's own contrast": rivals.contrast}
    beaten = [name for name, one in known.items() if trial.score > one.score]
    others = [name for name in known if name not in beaten]
    told = f"and better than {' and '.join(beaten)}" if beaten else ""
    told += f"{', ' if beaten else ''}but no better than {' or '.join(others)}" if others else ""
    return (
        f"It tells something: without what it marks {percent(trial.deletion, 0)} of the evidence is left, with that "
        f"alone {percent(trial.insertion, 0)} is there; better than {len(rivals.random) - _as_good(trial, rivals)} of "
        f"{len(rivals.random)} random maps, {told}."
    )


def _as_good(trial: MapTrial, rivals: Rivals) -> int:
    return sum(one.score >= trial.score for one in rivals.random)
