"""What copies do: they flatter across splits, contradict under different labels, and weigh double within a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from striate.checks.examined import JUDGING, Examined
from striate.checks.finding import Finding, Mark, Severity, counted, is_or_are, points
from striate.checks.pictures import is_blank

if TYPE_CHECKING:
    from striate.checks.copies import Copies

# From this share on of the test images, of the labels, of all images, copies are more than a blemish.
SERIOUS_LEAK, SERIOUS_CONFLICTS, MANY_COPIES = 0.01, 0.01, 0.05
# Among near copies a label is probably wrong that another is so many times as frequent as.
MINORITY = 2


def describe_copies(examined: Examined, copies: Copies) -> list[Finding]:
    """Return the findings on copies: leaks, contradicting labels, exact and near copies.

    Blank images are told as such, and are no copies of each other here.
    """
    blank = is_blank(examined.appearance)

    def told(groups: Sequence[np.ndarray]) -> list[np.ndarray]:
        kept = (group[~blank[group]] for group in groups)
        return [group for group in kept if len(group) > 1]

    groups = told(copies.groups)
    kind_of = {int(group[0]): copies.kind_of(group) for group in copies.groups}
    findings = [_leak(examined, groups, judged) for judged in JUDGING]
    findings.append(_conflicts(examined, groups))
    findings.append(_exact(examined, told(copies.exact_groups)))
    findings.append(_near(examined, told(copies.near_groups), kind_of))
    return [one for one in findings if one]


def _learned_from(examined: Examined, group: np.ndarray, judged: str = "valid") -> np.ndarray:
    """Return bool (k,): which of some images train, as far as the source says.

    Arguments:
        judged: by which images; what is chosen by has taught a model, and is often learned from, before it is tested.
    """
    return ~np.isin(examined.images.splits[group], JUDGING if judged == "valid" else ("test",))


def _name(examined: Examined, position: int) -> str:
    return str(examined.images.names[position])


def _leak(examined: Examined, groups: Sequence[np.ndarray], judged: str) -> Finding | None:
    """Return what a judging split shares with what is trained on; None of nothing."""
    splits, marks, touched, number = examined.images.splits, [], 0, 0
    total = int((splits == judged).sum())
    for group in groups:
        own, taught = group[splits[group] == judged], group[_learned_from(examined, group, judged)]
        if not len(own) or not len(taught):
            continue
        touched, number = touched + len(own), number + 1
        for i in (*own, *taught):
            there = splits[i] == judged
            twin = taught[0] if there else own[0]
            marks.append(Mark(_name(examined, i), f"copy of {_name(examined, twin)}", not there, group=number))
    if not marks:
        return None
    share = touched / total
    test = judged == "test"
    severity: Severity = "serious" if share >= SERIOUS_LEAK and test else "warning"
    what = "test figure" if test else "choice by the validation images"
    return Finding(
        "leak", severity,
        f"{touched:,} of the {total:,} {judged} images {is_or_are(touched)} copies of images that are trained on"
        + (" or chosen by" if test and "valid" in splits else ""),
        f"the {what} flatters by up to {points(share)}: they were seen before",
        f"leave their twins out of training: --without findings.csv does; the {judged} images stay",
        tuple(marks), 100 * share, {"split": judged, "share": share},
    )  # fmt: skip


def _conflicts(examined: Examined, groups: Sequence[np.ndarray]) -> Finding | None:
    """Return the copies that carry different labels; None of nothing."""
    labels, marks = examined.labels, []

    def differ(group: np.ndarray) -> bool:
        return len(np.unique(labels[group][labels[group] >= 0])) > 1

    found = [group for group in groups if differ(group)]
    for number, group in enumerate(found, 1):
        classes = sorted({examined.class_of(i) for i in group if labels[i] >= 0})
        wrong = _probably_wrong(labels[group], examined.images.hashes[group])
        for i, out in zip(group, wrong & _learned_from(examined, group), strict=True):
            detail = f"labelled {examined.class_of(i)}; its copies are labelled {' and '.join(classes)}"
            marks.append(Mark(_name(examined, i), detail, bool(out), group=number))
    if not marks:
        return None
    share = len(marks) / len(examined.images)
    severity: Severity = "serious" if share >= SERIOUS_CONFLICTS else "warning"
    return Finding(
        "conflicting-labels", severity,
        f"{counted(len(marks))} in {counted(len(found), 'group')} of copies carry different labels",
        "at least one label of each group is wrong: training is taught both, and what is judged by one of them cannot "
        "be right on all", "correct the labels; --without findings.csv leaves out of training what contradicts most of "
        "its group, and all equal images and pairs. Larger groups that are of two minds stay: look at them",
        tuple(marks), 100 * share,
    )  # fmt: skip


def _probably_wrong(labels: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Return bool (k,), whose label a group of copies speaks against: those that few of it have; of a pair both.

    Near copies of two labels may be of classes that look alike, and the more there are the likelier. Equal images have
    one label, and which of two it is nobody can say: none of them is kept.

    >>> _probably_wrong(np.array([3, 3, 3, 5]), np.arange(4)).tolist()
    [False, False, False, True]
    >>> _probably_wrong(np.array([0, 0, 1, 1]), np.array([7, 8, 8, 9])).tolist()
    [False, True, True, False]
    """
    known, image = labels >= 0, np.unique(hashes, return_inverse=True)[1]
    if known.sum() == 2:
        return known
    counts = np.bincount(labels[known])
    pairs = np.unique(np.stack([image[known], labels[known]], 1), axis=0)
    two_minds = np.bincount(pairs[:, 0], minlength=image.max() + 1)[image] > 1
    return known & (two_minds | (MINORITY * counts[np.maximum(labels, 0)] <= counts.max()))


def _exact(examined: Examined, groups: Sequence[np.ndarray]) -> Finding | None:
    """Return the equal images; None of nothing. One of each group stays in training."""
    marks, spare = [], 0
    for number, group in enumerate(groups, 1):
        learned = _learned_from(examined, group)
        first = group[np.argmax(learned)]
        spare += len(group) - 1
        for i, learns in zip(group, learned, strict=True):
            detail = f"the same pixels as {_name(examined, group[0] if i != group[0] else group[1])}"
            marks.append(Mark(_name(examined, i), detail, bool(learns and i != first), group=number))
    if not marks:
        return None
    share, judged = spare / len(examined.images), not examined.teaches[np.concatenate(groups)].all()
    return Finding(
        "exact-copies", "warning" if share >= MANY_COPIES else "note",
        f"{counted(len(marks))} in {counted(len(groups), 'group')} are the same, pixel by pixel",
        f"{counted(spare)} {is_or_are(spare)} nothing new: what is shown twice weighs double",
        "leave all but one of each group out: --without findings.csv does"
        + (", of those that are trained on" if judged else ""), tuple(marks), 100 * share,
    )  # fmt: skip


def _near(examined: Examined, groups: Sequence[np.ndarray], kind_of: dict[int, str]) -> Finding | None:
    """Return the images that are nearly the same; None of nothing. All of them stay in training."""
    marks = []
    for number, group in enumerate(groups, 1):
        how = kind_of.get(int(group[0]), "alike")
        marks += [Mark(_name(examined, i), how, group=number) for i in group]
    if not marks:
        return None
    share = (len(marks) - len(groups)) / len(examined.images)
    torn = sum(len(np.unique(examined.groups[group])) > 1 for group in groups)
    kept = "keeps each group on one side of its own splits and counts groups in its intervals"
    advice = "nothing needs to be done; if you split by yourself, keep groups together"
    if torn:
        kept = f"does not keep {torn:,} of the {counted(len(groups), 'group')} on one side of its own splits"
        advice = (
            "--groups COLUMN, folder or a pattern on names says what belongs together; what is turned, or most of a "
            "class, is not kept together unasked"
        )
    return Finding(
        "near-copies", "warning" if share >= MANY_COPIES else "note",
        f"{counted(len(marks))} in {counted(len(groups), 'group')} are nearly the same",
        f"there are {len(examined.alone):,} images that are independent of each other, not {len(examined.images):,}; "
        f"Striate {kept}", advice, tuple(marks), 100 * share,
    )  # fmt: skip
