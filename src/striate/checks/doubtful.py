"""Labels that are probably wrong, images of no class, and what to label next, as findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.checks.examined import JUDGING
from striate.checks.finding import Finding, Mark, Severity, counted, is_or_are, points
from striate.units import percent

if TYPE_CHECKING:
    from striate.checks.odd_ones import OddOnes
    from striate.checks.suspects import Suspects
    from striate.checks.unlabelled import ToLabel
    from striate.data.imageset import ImageSet

# From this share on, wrong labels are serious: they teach, and they blur every comparison by as much.
SERIOUS_WRONG = 0.02
# Among the first so many suspects the share of wrong ones is told.
_TOLD_AT = (10, 100, 1000)


@dataclass(frozen=True)
class Wanted:
    """An unlabelled picture whose label would teach much: its name, what it probably is, how probably."""

    image: str
    likely: str
    probability: float


def describe_suspects(images: ImageSet, suspects: Suspects) -> list[Finding]:
    """Return the labels that are probably wrong, the most probable first."""
    if not len(suspects):
        return []
    marks = tuple(
        Mark(
            str(images.names[i]),
            f"labelled {images.classes[given]}, more probably {images.classes[likely]}; wrong with {percent(p, 0)}",
            p > 0.5 and images.splits[i] not in JUDGING,
            images.classes[likely],
        )
        for i, given, likely, p in zip(
            suspects.positions.tolist(), suspects.given.tolist(), suspects.likely.tolist(),
            suspects.probability.tolist(), strict=True,
        )
    )  # fmt: skip
    share = suspects.expected / max(1, suspects.judged)
    severity: Severity = "serious" if share >= SERIOUS_WRONG else "warning"
    told = sorted({min(count, len(marks)) for count in _TOLD_AT})
    return [Finding(
        "wrong-labels", severity,
        suspects.sentence or f"{counted(len(marks), 'label')} {is_or_are(len(marks))} probably wrong",
        f"where test labels are wrong, no model can be right: figures are off by up to {points(share)}, and training "
        "is taught as much that is false", "look at them, the surest first, and correct them; --without findings.csv "
        "leaves those of training images out", marks, 100 * share,
        {"expected_wrong": float(suspects.expected),
         "precision": {str(count): float(suspects.precision(count)) for count in told}},
    )]  # fmt: skip


def describe_odd_ones(images: ImageSet, odd: OddOnes) -> list[Finding]:
    """Return the images that are like none of the classes, the oddest first."""
    if not len(odd):
        return []
    marks = tuple(
        Mark(str(images.names[i]), f"number {rank} by how far the images nearest to it are")
        for rank, i in enumerate(odd.positions.tolist(), 1)
    )
    share, chance = len(marks) / len(images), odd.by_chance
    return [Finding(
        "odd-one-out", "warning" if len(marks) > 2 * chance else "note", odd.sentence,
        f"what is of no class teaches a class what it is not, and a test on it says nothing; about {chance} would be "
        "named where there are none", "look at them: leave out what is of no class, keep what is rare",
        marks, 100 * share,
    )]  # fmt: skip


def describe_wanted(pool: ImageSet, chosen: ToLabel, classes: tuple[str, ...]) -> tuple[Wanted, ...]:
    """Return the unlabelled images to label first."""
    rows = zip(chosen.positions.tolist(), chosen.likely.tolist(), chosen.probability.tolist(), strict=True)
    return tuple(Wanted(str(pool.names[i]), str(classes[likely]), float(p)) for i, likely, p in rows)


def wanted_json(wanted: Sequence[Wanted]) -> list[dict[str, Any]]:
    """Return plain values."""
    return [{"image": one.image, "likely": one.likely, "probability": round(one.probability, 4)} for one in wanted]
