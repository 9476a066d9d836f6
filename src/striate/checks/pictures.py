"""Single images that are unlike the others of their set: blank, dark, bright, blurred, enlarged, plain, odd in shape.

Each is judged twice: by what a picture is at all (a dark one has no bright pixels), and against the set, by median and
quartile of all its images. In a set of night scenes the first is true of every image and the second of none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from striate.checks.appearance import ENDS, LOOKED_AT_PX
from striate.checks.examined import Examined
from striate.checks.finding import Finding, Kind, Mark, Severity, counted, is_or_are
from striate.checks.look import Appearance
from striate.checks.outliers import far_above, far_below
from striate.data.preparing.detail import BANDS

# Standard deviations, in gray values, of a picture that shows nothing; and of one that shows next to nothing if others
# show far more.
BLANK_SPREAD, NEARLY_SPREAD, NEARLY_SHARE = 1.5, 5.0, 0.1
# 95 % of a dark image lie in the lowest quarter of the scale, 95 % of a bright one in the highest.
DARK_BELOW, BRIGHT_ABOVE = 64, 191
# Gray values that a fault may be by chance: small differences of black images mean nothing.
_OFFSET = 4.0
# A blurred image loses nothing when it is halved: its steps become twice as long (log2: −1); and it is softer than
# most of the set.
BLURRED_RATIO, SOFTER_BY = -0.65, 0.25
BLURRED_FAR, DETAIL_FAR = 3.5, 4.5
LOW_DETAIL_BITS, FEWEST_PX = 3.0, 400
# Power falls by so many bits where an enlarged image ends, and so many deviations more than is usual in the set: of
# 2,022 photographs and 10,000 images of CIFAR-10 as they are, 5 and 8 are told (scratch; `bench check` plants some).
ENLARGED_FALL, ENLARGED_FAR, FALL_SPREAD = 5.5, 4.0, 0.5
# An image is tiny if its shorter side is at most a quarter of the typical one's.
TINY_SHARE = 0.25
ODD_ASPECT_TIMES = 2.0
# From this share of the images on, blanks are serious.
SERIOUS_SHARE = 0.01
# A class of which so many are blank is meant to be: "empty", "background".
BLANK_CLASS_SHARE = 0.5


def find_odd_pictures(examined: Examined) -> list[Finding]:
    """Return what single images are found to be; each image at most one of those of its pixels."""
    looks = examined.appearance
    found, taken = [], np.zeros(len(looks), bool)
    judges = [(is_blank, _tell_blank), *((fault.judge, fault.tell) for fault in _FAULTS)]
    for judge, tell in judges:
        odd = judge(looks, taken) & ~taken
        taken |= odd
        if odd.any():
            found.append(tell(examined, odd))
    for shape in (_odd_aspect, _tiny):
        found += shape(examined)
    return found


def is_blank(looks: Appearance, taken: np.ndarray | None = None) -> np.ndarray:
    """Return bool (n,): which images show nothing, or next to nothing where the others of the set do."""
    spread = looks["spread"]
    nearly = np.minimum(NEARLY_SPREAD, NEARLY_SHARE * np.median(spread) if len(spread) else 0.0)
    return spread < np.maximum(BLANK_SPREAD, nearly)


def _is_dark(looks: Appearance, taken: np.ndarray) -> np.ndarray:
    # by the brightest percent: of white strokes on black, 95 % may be black too
    return (looks["highlights"] < DARK_BELOW) & _far_below(np.log2(looks["top"] + _OFFSET), ~taken)


def _is_bright(looks: Appearance, taken: np.ndarray) -> np.ndarray:
    return (looks["shadows"] > BRIGHT_ABOVE) & _far_below(np.log2(255 - looks["bottom"] + _OFFSET), ~taken)


def _is_blurred(looks: Appearance, taken: np.ndarray) -> np.ndarray:
    soft = softness(looks)
    softer = soft < min(BLURRED_RATIO, np.median(soft[~taken]) - SOFTER_BY) if (~taken).any() else taken
    return softer & _far_below(sharpness(looks), ~taken, BLURRED_FAR, 0.15)


def _is_low_detail(looks: Appearance, taken: np.ndarray) -> np.ndarray:
    # of a few hundred pixels, bits are no measure
    if (looks.heights * looks.widths).min() < FEWEST_PX:
        return np.zeros(len(looks), bool)
    return (looks["activity"] < LOW_DETAIL_BITS) & _far_below(looks["activity"], ~taken, DETAIL_FAR, 0.15)


def _is_enlarged(looks: Appearance, taken: np.ndarray) -> np.ndarray:
    found = np.zeros(len(looks), bool)
    for end in ENDS:
        fall = looks[f"fall_{end}"]
        known = ~taken & (fall != 0)
        found |= _far_below(-fall, known, ENLARGED_FAR, FALL_SPREAD) & (fall > ENLARGED_FALL)
    return found


def _detail_end(looks: Appearance, i: int) -> str:
    """Return where the detail of an enlarged image ends, and at how many pixels it was looked at."""
    side = min(LOOKED_AT_PX, int(min(looks.heights[i], looks.widths[i])))
    end = max(ENDS, key=lambda one: looks[f"fall_{one}"][i])
    return f"no detail beyond some {end * side // BANDS} of {side} pixels"


def softness(looks: Appearance) -> np.ndarray:
    """Return log2 (n,) of the strongest steps in parts of those in the image at half its size; −1 is blurred."""
    return np.log2((looks["edge"] + 0.25) / (looks["edge_half"] + 0.25))


def sharpness(looks: Appearance) -> np.ndarray:
    """Return log2 (n,) of the strongest steps, in parts of the contrast."""
    return np.log2((looks["edge"] + 0.25) / (looks["contrast"] + 1))


def _far_below(values: np.ndarray, of: np.ndarray, far: float = 4.0, least_spread: float = 0.2) -> np.ndarray:
    return far_below(np.where(of, values, np.nan), far, least_spread)


def _marks(
    positions: np.ndarray, examined: Examined, detail: Callable[[int], str], leave_out: bool = False
) -> tuple[Mark, ...]:
    """Return the marks of images, of which those that teach may be left out."""
    teaches = examined.teaches
    return tuple(
        Mark(str(examined.images.names[i]), detail(i), leave_out and bool(teaches[i])) for i in positions.tolist()
    )


def _tell_blank(examined: Examined, odd: np.ndarray) -> Finding:
    positions, looks = np.flatnonzero(odd), examined.appearance
    share, meant = len(positions) / len(odd), _meant_blank(examined, odd)
    severity: Severity = "note" if meant else "serious" if share >= SERIOUS_SHARE else "warning"
    effect = "whatever the label of a blank image, there is nothing in it to learn it from, and no way to judge it"
    if meant:
        effect = f"most of them are in {meant}, of which blank images seem to be the very sign"
    teach = int(examined.teaches[positions].sum())
    advice = "leave blank images out: --without findings.csv does"
    if teach < len(positions):
        advice = "those that judge stay: mend them where they came from"
        advice += f". --without findings.csv leaves {teach:,} out of training" if teach else ""
    return Finding(
        "blank", severity, f"{counted(len(positions))} {is_or_are(len(positions))} blank", effect,
        advice if not meant else "look whether they are meant to be",
        _marks(positions, examined, lambda i: f"gray {looks['mean'][i]:.0f} ± {looks['spread'][i]:.1f} throughout",
               not meant),
        100 * share,
    )  # fmt: skip


def _meant_blank(examined: Examined, odd: np.ndarray) -> str:
    """Return the class that most blanks are in, if it is mostly of blanks; "" otherwise."""
    labels = examined.labels[odd]
    known = labels[labels >= 0]
    if not len(known):
        return ""
    most = int(np.bincount(known).argmax())
    own = int((known == most).sum())
    meant = own > BLANK_CLASS_SHARE * (examined.labels == most).sum() and own > BLANK_CLASS_SHARE * len(labels)
    return examined.images.classes[most] if meant else ""


@dataclass(frozen=True)
class _Fault:
    """One kind of odd picture: how it is told, and what is said of it. A person decides whether it is left out."""

    kind: Kind
    what: str
    effect: str
    judge: Callable[[Appearance, np.ndarray], np.ndarray]
    detail: Callable[[Appearance, int], str]
    advice: str = (
        "if such images will come in use as well, keep them, and add more; if they are accidents, leave them out"
    )
    severity: Severity = "warning"

    def tell(self, examined: Examined, odd: np.ndarray) -> Finding:
        """Return the finding on the images of `odd`, bool (n,)."""
        looks, positions = examined.appearance, np.flatnonzero(odd)
        title = f"{counted(len(positions))} {is_or_are(len(positions))} {self.what}"
        marks = _marks(positions, examined, lambda i: self.detail(looks, i))
        weight = 100 * len(positions) / len(odd)
        return Finding(self.kind, self.severity, title, self.effect, self.advice, marks, weight)


_FAULTS = (
    _Fault(
        "dark",
        "far darker than the others",
        "what can hardly be seen teaches little, and errors on it are hardly the model's",
        _is_dark,
        lambda looks, i: f"95 % of it darker than {looks['highlights'][i]:.0f} of 255",
    ),
    _Fault(
        "bright",
        "far brighter than the others",
        "what is burnt out is gone: it teaches little, and errors on it are hardly the model's",
        _is_bright,
        lambda looks, i: f"95 % of it brighter than {looks['shadows'][i]:.0f} of 255",
    ),
    _Fault(
        "blurred",
        "far less sharp than the others: out of focus, or enlarged",
        "details that tell classes apart may be gone",
        _is_blurred,
        lambda looks, i: f"its strongest edges are some {2 ** -sharpness(looks)[i]:.0f} pixels wide",
    ),
    _Fault(
        "enlarged",
        "enlarged or out of focus, as the others are not: there is no detail in their last pixels",
        "what the others show is not on them: they teach and judge coarse shapes alone",
        _is_enlarged,
        _detail_end,
        "look for the originals; if such images will come in use as well, keep them, and add more",
    ),
    _Fault(
        "low-detail",
        "of far less detail than the others",
        "there may be nothing in such an image that tells its class",
        _is_low_detail,
        lambda looks, i: f"{looks['activity'][i]:.1f} bits a pixel",
        "look at them: plain walls and sky are fine where they are meant",
        "note",
    ),
)


def _odd_aspect(examined: Examined) -> list[Finding]:
    looks = examined.appearance
    aspect = np.log2(looks.widths / looks.heights)
    low, high = np.quantile(aspect, (0.1, 0.9))
    # upright and lying ones are the same shape where a set has both
    shape = aspect if low * high > 0 else np.abs(aspect)
    odd = (far_below(shape, 4.0) | far_above(shape, 4.0)) & (
        np.abs(shape - np.median(shape)) >= np.log2(ODD_ASPECT_TIMES)
    )
    if not odd.any():
        return []
    positions = np.flatnonzero(odd)
    marks = _marks(positions, examined, lambda i: f"{looks.widths[i]}×{looks.heights[i]} pixels")
    return [Finding(
        "odd-aspect", "note", f"{counted(len(positions))} {'has' if len(positions) == 1 else 'have'} another shape "
        f"than the others", "brought to the others' shape, they are cut, padded or distorted",
        "crop them by hand, or choose what is done with --fit", marks, 100 * len(positions) / len(odd),
    )]  # fmt: skip


def _tiny(examined: Examined) -> list[Finding]:
    looks = examined.appearance
    side = np.minimum(looks.widths, looks.heights)
    odd = (side <= TINY_SHARE * np.median(side)) & far_below(np.log2(side), 4.0, 0.2)
    if not odd.any():
        return []
    positions = np.flatnonzero(odd)
    marks = _marks(positions, examined, lambda i: f"{looks.widths[i]}×{looks.heights[i]} pixels")
    return [Finding(
        "tiny", "note", f"{counted(len(positions))} {is_or_are(len(positions))} far smaller than the others (typically "
        f"{np.median(side):.0f} pixels)", "they are enlarged to the size of training and stay blurred",
        "look for the originals: these may be previews", marks, 100 * len(positions) / len(odd),
    )]  # fmt: skip
