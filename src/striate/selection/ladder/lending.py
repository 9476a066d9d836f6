"""The nets with published weights that are at hand, for the rungs that start from them."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

from striate.nets import ZOO
from striate.nets.zoo.downloads import weights_at_hand
from striate.observer import Observer
from striate.selection.ladder.ground import Lent
from striate.training.transfer import load_start

DEFAULT_NET = "mobilenet_v2"


def lend(weights: str | Path | None, observer: Observer) -> list[Lent]:
    """Return the nets with published weights that are at hand, the preferred one first.

    Arguments:
        weights: "imagenet", which may download them, or a file, whose name tells the net; None takes those that are
            on this machine.

    Raises:
        StriateError: weights that were asked for are not there or do not fit.
    """
    found = []
    if weights in (None, "imagenet"):  # a budget is not for downloads that nobody asked for
        found = [file for _, file in weights_at_hand(observer.warn, observer.prepare, download=weights is not None)]
    if not found and weights is not None:
        found = [weights]
    lent = [Lent(_name(one), cache(partial(load_start, _net_of(one), one, observer.prepare))) for one in found]
    if weights is not None:
        lent[0].load()  # now, should they not be what they are called
    return lent


def _name(weights: str | Path) -> str:
    """Return what people call a net with these weights."""
    return _net_of(weights) or Path(weights).name


def _net_of(weights: str | Path) -> str | None:
    """Return the net that a file of weights is named after; a .striate file has its own."""
    stem = Path(weights).stem.lower().replace("-", "_")
    if Path(weights).suffix == ".striate":
        return None
    named = [name for name, one in ZOO.items() if one.published and stem.startswith(name)]
    return max(named, key=len, default=DEFAULT_NET)
