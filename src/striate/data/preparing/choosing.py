"""What images are brought to, where nobody says: size, fit, channels, window, from headers and a few values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from striate.data.decoding.decode import Header
from striate.data.decoding.deep import Deep
from striate.data.decoding.pixels import Fit
from striate.data.decoding.windows import FEW_LEVELS, MOST_SAMPLES, PixelWindow, choose_window
from striate.units import percent, say_count

DEFAULT_SIDE_PX = 128
LARGE_SIDE_PX, LARGE_TO_PX = 512, 224
# Of large images fewer choose a window.
FEWEST_SAMPLES, SAMPLED_PX = 16, 400_000_000
# Where a cut to the shape wanted would show less than this of the typical image, it is padded instead, or said.
PADDED_SHARE, SAID_SHARE = 0.5, 0.6
# From this share of images on that lose half of themselves, it is said.
SAID_CUT = 0.05
# Padded to a square, a strip is as thin as this at least; thinner ones are stretched.
THINNEST_PX = 16
_GRAY_OR_RGB = (1, 3)

Sample = Callable[[Sequence[int]], Sequence[Deep]]
WindowWish = PixelWindow | Literal["choose"] | None


class Wish(NamedTuple):
    """What `prepare` was asked for; None is chosen, of a window "choose"."""

    size: tuple[int, int] | None
    fit: Fit | None
    channels: int | None
    resize: int | None
    window: WindowWish = "choose"


@dataclass(frozen=True, slots=True)
class Target:
    """What every image becomes.

    Arguments:
        size: (height, width) in pixels.
        fit: how it is fitted.
        channels: of all.
        resize: what it is cut from.
        window: which values become 0 and 255, where there are deep ones.
        later: how images of other sizes are fitted.
    """

    size: tuple[int, int]
    fit: Fit
    channels: int
    resize: int | None = None
    window: PixelWindow | None = None
    later: Fit = "crop"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c)."""
        return *self.size, self.channels


@dataclass(frozen=True, slots=True)
class Choice:
    """The target, what a user should be told of it, and {position: reason} of images that cannot come to it."""

    target: Target
    notes: tuple[str, ...]
    refused: dict[int, str]


def choose_target(headers: Sequence[Header | None], wish: Wish, learning: np.ndarray, sample: Sample) -> Choice:
    """Choose what was not asked for; see `prepare`.

    Arguments:
        headers: of each image; None of those that cannot be read.
        learning: bool (n,), which of them are no validation or test images of the source's own.
        sample: reads the values of the images at some positions.
    """
    channels, refused, notes = _choose_channels(headers, wish.channels, learning)
    kept = [header for i, header in enumerate(headers) if header and i not in refused]
    size, fit, told = _choose_size(kept, wish)
    window, more = wish.window, ()
    if window == "choose":
        deep = [i for i, header in enumerate(headers) if header and header.wide and i not in refused]
        window, more = _choose_window(headers, deep, len(kept), learning, sample)
    sizes = {(header.height, header.width) for header in kept}
    now: Fit = "crop" if sizes == {size} else fit
    return Choice(Target(size, now, channels, wish.resize, window, fit), (*told, *notes, *more), refused)


def _choose_channels(
    headers: Sequence[Header | None], asked: int | None, learning: np.ndarray
) -> tuple[int, dict[int, str], tuple[str, ...]]:
    """Return the channels, {position: why it has others}, and the notes; gray and RGB go together, no others do."""
    found = {i: header.channels for i, header in enumerate(headers) if header}
    if asked is not None:
        return asked, {}, ()  # what does not fit is told by whoever converts it
    if all(count in _GRAY_OR_RGB for count in found.values()):
        return max(found.values()), {}, ()
    kind = {i: 3 if count in _GRAY_OR_RGB else count for i, count in found.items()}
    counts = Counter(kind[i] for i in found if learning[i]) or Counter(kind.values())
    most = max(counts, key=lambda count: (counts[count], count))
    refused = {i: f"{count} bands, where most images have {most}" for i, count in found.items() if kind[i] != most}
    channels = max(count for i, count in found.items() if i not in refused)
    if not refused:
        return channels, {}, (f"images have {channels} bands, all of which are used",)
    others = ", ".join(map(str, sorted({found[i] for i in refused})))
    return (
        channels,
        refused,
        (f"images differ in bands: those of {most} are used, the most; left out: {len(refused):,} of {others}",),
    )


def _choose_size(found: Sequence[Header], wish: Wish) -> tuple[tuple[int, int], Fit, tuple[str, ...]]:
    sizes = sorted({(header.height, header.width) for header in found}, key=lambda side: (side[0] * side[1], side))
    size, notes = wish.size, ()
    if size is None and len(sizes) == 1 and min(sizes[0]) <= LARGE_SIDE_PX:
        size = sizes[0]
    elif size is None:
        side = min(DEFAULT_SIDE_PX, int(np.median([min(header.height, header.width) for header in found])))
        side = LARGE_TO_PX if len(sizes) == 1 else side
        shapes = [(one.height, one.width) for one in found]
        size = _oblong(shapes, side) if wish.fit is None else None
        if size is None and wish.fit in (None, "pad") and shown_share(shapes, (1, 1)) < PADDED_SHARE:
            # strips that lie both ways: a square of as many pixels as they have, for each is small in it
            side = max(side, min(DEFAULT_SIDE_PX, round(np.sqrt(np.median([h * w for h, w in shapes])))))
        size = size or (side, side)
        (low_h, low_w), (high_h, high_w) = sizes[0], sizes[-1]
        what = f"images are {low_h}×{low_w}"
        if len(sizes) > 1:
            what = f"sizes differ ({low_h}×{low_w} … {high_h}×{high_w} pixels, height×width)"
        notes = (f"{what}; prepared at {size[0]}×{size[1]}; --size changes that",)
    fit = wish.fit or choose_fit([(one.height, one.width) for one in found], size)
    return size, fit, notes + _told_fit(found, size, fit, chosen=wish.fit is None)


def shown_share(sides: Sequence[tuple[int, int]], size: tuple[int, int]) -> float:
    """Return the share of the typical image (h, w) that a cut to the shape of `size` shows.

    >>> shown_share([(24, 200)], (24, 24))
    0.12
    """
    aspects = np.array([w / h for h, w in sides]) * size[0] / size[1]
    return float(np.median(np.minimum(aspects, 1 / aspects)))


def choose_fit(sides: Sequence[tuple[int, int]], size: tuple[int, int] | None = None) -> Fit:
    """Return how images of these sizes (h, w) are best fitted: cut, unless that would lose half of the typical one.

    Arguments:
        size: to what; None is a square.
    """
    h, w = np.median([side[0] for side in sides]), np.median([side[1] for side in sides])
    target = size or (1, 1)
    # Images of just the wanted shape lose nothing, but others that come later may be nets' squares.
    shown = min(shown_share(sides, target), shown_share(sides, (1, 1)))
    if shown >= PADDED_SHARE:
        return "crop"
    if size is None:
        return "pad"
    scale = min(size[0] / h, size[1] / w)
    return "pad" if min(h, w) * scale >= min(THINNEST_PX, *size, h, w) else "stretch"


def _oblong(sides: Sequence[tuple[int, int]], side: int) -> tuple[int, int] | None:
    """Return the typical shape (h, w) of strips that lie all one way, in about as many pixels as a square of theirs.

    None where images are about square, or lie both ways.
    """
    aspects = np.array([w / h for h, w in sides])
    low, middle, high = np.quantile(aspects, (0.1, 0.5, 0.9))
    if min(middle, 1 / middle) >= PADDED_SHARE or (low < 1) != (high < 1):
        return None
    long = side * max(middle, 1 / middle)
    scale = min(1.0, DEFAULT_SIDE_PX / np.sqrt(side * long))
    short_px, long_px = max(1, round(side * scale)), max(4, round(long * scale / 4) * 4)
    return (short_px, long_px) if middle > 1 else (long_px, short_px)


def _told_fit(found: Sequence[Header], size: tuple[int, int], fit: Fit, *, chosen: bool) -> tuple[str, ...]:
    sides = [(one.height, one.width) for one in found]
    if set(sides) == {size}:
        return ()
    shown = shown_share(sides, size)
    square = shown_share(sides, (1, 1))
    if fit == "crop" and shown < SAID_SHARE:
        return (f"crop shows {percent(shown, 0)} of each image; --fit pad shows all",)
    if fit == "crop":
        cut = float(np.mean([shown_share([side], size) < PADDED_SHARE for side in sides]))
        return (
            (f"crop shows less than half of {percent(cut, 0)} of the images; --fit pad shows all",)
            if cut >= SAID_CUT
            else ()
        )
    if not chosen:
        return ()
    return (f"fit {fit} shows all of each image; crop to a square would show {percent(square, 0)}; --fit changes that",)


def _choose_window(
    headers: Sequence[Header | None], deep: Sequence[int], count: int, learning: np.ndarray, sample: Sample
) -> tuple[PixelWindow | None, tuple[str, ...]]:
    """Return the window of the images at `deep`, None where there are none or 8-bit ones are the most."""
    rows = [i for i in deep if learning[i]] or list(deep)
    if not rows:
        return None, ()
    area_px = float(np.median([headers[i].height * headers[i].width for i in rows]))  # pyright: ignore[reportOptionalMemberAccess]
    most = int(min(MOST_SAMPLES, max(FEWEST_SAMPLES, SAMPLED_PX // max(1, area_px))))
    values = sample([rows[i] for i in np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))])
    if not values:
        return None, ()
    window = choose_window([one.values for one in values], [one.top for one in values])
    return window_for(window, values[0].name, len(deep), count)


def window_for(window: PixelWindow, name: str, deep: int, count: int) -> tuple[PixelWindow | None, tuple[str, ...]]:
    """Return the window that a set gets of which `deep` images of `count` have more than 8 bits, and what is told."""
    if window.takes_bytes:
        return window, ()
    if 2 * deep < count:
        return None, (
            f"{deep:,} of {count:,} images, {name} with values {window}, left out: on another scale than the "
            "others' 8 bits",
        )
    told = f"{name}: values {window} become 0 … 255 in all images, one window that the model keeps"
    few = f"; that leaves only {window.levels:.0f} levels" if window.levels < FEW_LEVELS else ""
    mixed = (
        f"; {say_count(count - deep, 'image of 8 bits is', 'images of 8 bits are')} left out" if deep < count else ""
    )
    return window, (told + few + mixed,)
