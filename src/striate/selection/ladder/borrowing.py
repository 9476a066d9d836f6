"""Nets with published weights, borrowed to look at the ladder's images: which of them, at how many pixels a side."""

from __future__ import annotations

from collections.abc import Sequence

from striate.classifier.feature_bank import FeatureBank
from striate.classifier.features import net_features
from striate.selection.ladder.ground import Borrowed, Ground, Lent
from striate.training.transfer import at_side

# Of the time left, what features of all images may take before the images are made smaller, and the smallest that they
# are made.
FEATURES_SHARE, LEAST_SIDE_PX = 0.4, 128
_ANY_SIDE_PX = 1 << 14
# Up to this side pictures are small.
SMALL_PX, MANY_SMALL = 64, 5_000
# Of few images a trial says nothing of which net suits them, and there is time for the one that is published as the
# most accurate (77.5, 75.1, 71.9 % of ImageNet). Of the time left, its features of all of them may take so much.
MOST_ACCURATE, FEW_SHARE = ("efficientnet_lite2", "efficientnet_lite0", "mobilenet_v2"), 0.15
# What a look in full precision takes beside one for features.
EXACT = 2.0


def most_accurate(ground: Ground, lent: Sequence[Lent]) -> Sequence[Lent]:
    """Return the most accurate of the nets that are lent whose features of all images take little of the time.

    Where not all are known by their names, all are tried.
    """
    if not {one.name for one in ground.lent} <= set(MOST_ACCURATE):
        return lent
    known = [one for name in MOST_ACCURATE for one in ground.lent if one.name == name]
    for one in known[:-1]:
        image_s = borrow(one, ground, _ANY_SIDE_PX).bank.image_s
        if image_s * (len(ground.images) + EXACT * ground.judged) < FEW_SHARE * ground.clock.left_s:
            return [one]
    return known[-1:]


def worth_borrowing(ground: Ground) -> bool:
    """Return whether nets that have learned photographs may help: not where there are very many small pictures.

    Enlarged to what those nets know, each takes a hundred times what it takes a net of its own size, which learns more
    from so many (CIFAR-10 in five minutes: 91 % by swift, 86 % by features of what could be looked at).
    """
    return bool(ground.lent) and (ground.detail_px > SMALL_PX or len(ground.images) < MANY_SMALL)


def borrow_first(ground: Ground) -> Borrowed:
    """Return the preferred net that is lent, where there is no time to compare."""
    return borrow(ground.lent[0], ground, side_for(ground.lent[0], ground, ground.clock.left_s))


def side_for(lent: Lent, ground: Ground, left_s: float) -> int:
    """Return at how many pixels a side a net looks: as many as it was trained for, if the time carries them.

    Smaller images are enlarged to that: it tells nothing new, but parts of things are then as large as the net knows
    them.
    """
    if ground.sized:
        return ground.side
    whole = borrow(lent, ground, _ANY_SIDE_PX)
    all_s = whole.bank.image_s * len(ground.images)
    carried = int(whole.side * (FEATURES_SHARE * left_s / max(all_s, 1e-9)) ** 0.5)
    least = min(LEAST_SIDE_PX, max(1, ground.detail_px))
    return whole.side if carried >= whole.side else max(least, carried // 32 * 32)


def borrow(lent: Lent, ground: Ground, side: int) -> Borrowed:
    """Return what was lent, looking at the ground's images at a side in pixels, as near as it can; made once."""
    start = at_side(lent.load(), side, ground.fit)
    key = "borrowed", lent.name, start.preprocessing.size, id(ground.images)  # which the features hold on to
    if key not in ground.known:
        start = start.to(ground.device)
        tapped = net_features(start, lent.name).model
        assert tapped is not None
        ground.known[key] = Borrowed(lent.name, start, FeatureBank(tapped, ground.images))
    return ground.known[key]
