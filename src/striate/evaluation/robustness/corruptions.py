"""What the card shows a classifier: each corruption with its five steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from striate.evaluation.robustness import degrading, hiding, light, viewpoint
from striate.units import percent

FAMILIES = ("viewpoint", "light", "hidden parts", "clutter", "noise", "blur", "compression", "glare")


@dataclass(frozen=True)
class Corruption:
    """One way in which images are shown otherwise.

    Arguments:
        name, family: what it is called, and what it belongs to.
        apply: function of uint8 images (n, h, w, c) and an amount.
        amounts: from weak to strong.
        words: how an amount is said, as "rotation by {:g}°"; {percent} and {fine_percent} are a share in per cent.
        channels: how many images must have; empty: any number.
        meaning: whether the class is sure to stay the same; what may change it counts in no mean.
    """

    name: str
    family: str
    apply: Callable[..., np.ndarray]
    amounts: tuple[float, ...]
    words: str
    channels: tuple[int, ...] = ()
    meaning: bool = True

    def say(self, step: int) -> str:
        """Return a step in words: rotation by 45°."""
        amount = self.amounts[step]
        return self.words.format(amount, percent=percent(amount, 0), fine_percent=percent(amount, 1))

    @property
    def lacking(self) -> str:
        """Why it is left out where the channels are not those that it needs."""
        return f"{self.name}: it is for images of {' or '.join(map(str, self.channels))} channels"


SIDES = (0.2, 0.3, 0.4, 0.5, 0.6)
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
# Hidden about the most important region, which has to be found first: `apply` takes the centres, too.
IMPORTANT = Corruption(
    "important part",
    "hidden parts",
    hiding.hidden_about,
    SIDES,
    "hiding {percent} of each side where it matters most",
)

CORRUPTIONS = (
    Corruption(
        "shift", "viewpoint", viewpoint.shifted, (0.05, 0.1, 0.15, 0.2, 0.3), "a shift by {percent} of the side"
    ),
    Corruption("rotation", "viewpoint", viewpoint.turned, (5, 10, 20, 30, 45), "rotation by {:g}°"),
    Corruption("zoom", "viewpoint", viewpoint.zoomed, (1.1, 1.2, 1.35, 1.5, 1.8), "a zoom in or out by {:g}"),
    Corruption("shear", "viewpoint", viewpoint.sheared, (0.1, 0.2, 0.3, 0.45, 0.6), "shear by {:g}"),
    Corruption("perspective", "viewpoint", viewpoint.tilted, (0.15, 0.3, 0.45, 0.6, 0.7), "perspective of depth {:g}"),
    Corruption("mirror", "viewpoint", viewpoint.reflected, (1,), "the mirror", meaning=False),
    Corruption("dark", "light", light.darkened, (0.7, 0.5, 0.35, 0.25, 0.15), "darkness (pixels × {:g})"),
    Corruption("bright", "light", light.brightened, (1.3, 1.6, 2, 2.5, 3.5), "over-exposure (pixels × {:g})"),
    Corruption("contrast", "light", light.flattened, (0.7, 0.5, 0.35, 0.25, 0.15), "contrast × {:g}"),
    Corruption("gamma", "light", light.bent, (1.3, 1.6, 2, 2.5, 3.2), "a gamma of {:g} or its inverse"),
    Corruption("colour cast", "light", light.cast, (0.15, 0.3, 0.45, 0.6, 0.8), "a colour cast of {:g}", (3,)),
    Corruption(
        "random part", "hidden parts", hiding.hidden_at_random, SIDES, "hiding {percent} of each side at random"
    ),
    IMPORTANT,
    Corruption(
        "background noise", "clutter", hiding.among_noise, SHARES, "noise in the background (a share of {percent})"
    ),
    Corruption(
        "background stripes",
        "clutter",
        hiding.among_stripes,
        SHARES,
        "stripes in the background (a share of {percent})",
    ),
    Corruption("pasted patches", "clutter", hiding.among_patches, (1, 2, 3, 5, 8), "{:g} pasted patches"),
    Corruption("noise", "noise", degrading.noisy, (8, 16, 28, 44, 64), "noise of {:g} gray values"),
    Corruption(
        "specks", "noise", degrading.specked, (0.02, 0.05, 0.1, 0.17, 0.27), "black and white specks ({percent})"
    ),
    Corruption(
        "blur", "blur", degrading.blurred, (0.015, 0.023, 0.032, 0.047, 0.065), "blur of {fine_percent} of the side"
    ),
    Corruption("motion", "blur", viewpoint.smeared, (0.08, 0.12, 0.18, 0.25, 0.35), "motion by {percent} of the side"),
    Corruption("JPEG", "compression", degrading.compressed, (50, 30, 18, 10, 5), "JPEG of quality {:g}", (1, 3)),
    Corruption("glare", "glare", light.glared, (0.4, 0.7, 1.0, 1.5, 2.5), "glare of strength {:g}"),
)
