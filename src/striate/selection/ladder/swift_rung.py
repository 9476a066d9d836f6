"""The rung of nets that are trained from nothing: the swift net, the size and the pixels that suit the seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.imageset import ImageSet
from striate.observer import Observers
from striate.selection.ladder.forecast import HIGHEST_POWER, Probe, carried_forward
from striate.selection.ladder.ground import Ground, parts_of, spread
from striate.selection.ladder.rungs import Rung, shape_of, shared, train_rung
from striate.training.budget import FEWEST_EPOCHS, SIZES, adapt_swift, choose_swift
from striate.training.engine.timing import epoch_seconds
from striate.training.plan import choose_net
from striate.training.recipe import Recipe, load_recipe
from striate.units import say_count, say_duration

# Photographs at more pixels cost a net that starts from nothing more than they tell it.
MOST_SIDE_PX = 128
# Sides to choose from. Up to `HURRIED_PX` a net needs to see all images but twice before more pixels are worth more
# than more looks: by one run of each on CIFAR-10, two epochs at 24 pixels end higher than one at 32 in the same time.
SIDES_PX, HURRIED_PX, HURRIED_EPOCHS, LEAST_SIDE_PX = (96, 64, 48, 32, 24, 16), 32, 2, 16
# With less time than this an image a look is taken at the fewest pixels: more would take too long to find out.
TIGHT_S = 0.0005
# A probe has two parts, the second longer: so the pace of learning is seen.
PROBE_SHARES = (0.25, 0.75)
PROBE_VALID = 500
# With fewer images than this the error falls with time by this power at most.
FEW, FEW_POWER = 5_000, 0.2


@dataclass(frozen=True)
class SwiftRung(Rung):
    """The swift net whose size suits the seconds; mirrored where that keeps the class."""

    def try_out(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Probe:
        """Train twice, a little and a little more, and carry on what the two came to."""
        began, points, told = time.perf_counter(), [], ""
        some = spread(valid, min(1.0, PROBE_VALID / max(1, len(valid))))
        quiet = replace(ground, observer=Observers([ground.observer], only=("prepare", "step")), folder=None, judged=0)
        for share in PROBE_SHARES:
            start = time.perf_counter()
            model = self.fit(quiet, train, some[:0], share * seconds)
            took = time.perf_counter() - start
            points.append((took, ground.error(self.probabilities(ground, model, some), some)))
            told = f"in {say_duration(took)} at {model.preprocessing.size[0]} pixels"
        took = time.perf_counter() - began
        return Probe(self.name, tuple(points), len(some), took, how=told, metric=ground.metric)

    def carry(self, probe: Probe, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> float:
        """Return the error to expect in so many seconds; few images are soon known by heart, and teach no more."""
        return carried_forward(probe.points, seconds, probe.judged, FEW_POWER if len(train) < FEW else HIGHEST_POWER)

    def fit(self, ground: Ground, train: np.ndarray, valid: np.ndarray, seconds: float) -> Classifier:
        """Train the largest that gets enough epochs, at the most pixels at which one of them does."""
        ends = time.perf_counter() + seconds
        images, classes = self._images(ground, train, seconds), len(ground.images.classes)
        recipe, shape = self._recipe(ground, images, len(train)), shape_of(images)
        left = ends - time.perf_counter()
        about = ""
        if ground.like is None:
            about = "about "  # the clock may end them sooner, or leave time for more
            name, epochs = choose_swift(left, recipe, shape, classes, len(train), ground.device, known=ground.known)
            net = choose_net(name, shape, classes)
        else:
            name, net, epochs = self.name, ground.like.net, ground.like.provenance.epoch or 1
        pixels = f" of {shape[1]}×{shape[2]} pixels" if shape_of(ground.images) != shape else ""
        ground.observer.note(f"{name}: {about}{say_count(epochs, 'epoch', 'epochs')} of {len(train):,} images{pixels}")
        recipe = recipe.replace(epochs=epochs)
        left = ends - time.perf_counter()
        return train_rung(ground, self.name, net, recipe, parts_of(images, train, valid), left)

    def _images(self, ground: Ground, train: np.ndarray, seconds: float) -> ImageSet:
        """Return the images at the most pixels, up to the detail they have, of which a small net gets enough epochs."""
        if ground.sized or not self._square(ground):
            return ground.images
        if ground.like is not None:
            return ground.at(ground.like.preprocessing.size[0])
        most = min(ground.detail_px, MOST_SIDE_PX)
        most = ground.side if most >= ground.side else max(LEAST_SIDE_PX, -(-most // 8) * 8)
        sides = [most, *(side for side in SIDES_PX if side < most)]
        if len(sides) == 1:
            return ground.at(most)
        measured = LEAST_SIDE_PX if seconds < TIGHT_S * len(train) else min(most, HURRIED_PX)
        pixel_s = self._epoch_s(ground, train, measured) / measured**2

        def needed_s(side: int) -> float:
            return (FEWEST_EPOCHS if side > HURRIED_PX else HURRIED_EPOCHS) * pixel_s * side**2

        return ground.at(next((side for side in sides if needed_s(side) <= seconds), sides[-1]))

    def _square(self, ground: Ground) -> bool:
        return ground.images.image_shape[0] == ground.images.image_shape[1]

    def _epoch_s(self, ground: Ground, train: np.ndarray, side: int) -> float:
        """Return the seconds of an epoch of a small net on images of so many pixels, measured once."""
        shape = (ground.images.image_shape[2], side, side)
        key = "epoch", shape, len(train)
        if key not in ground.known:
            net = choose_net(SIZES[1], shape, len(ground.images.classes))
            recipe = self._recipe(ground, ground.images, len(train))
            ground.known[key] = epoch_seconds(net, recipe, shape, len(train), ground.device)
        return ground.known[key]

    def _recipe(self, ground: Ground, images: ImageSet, count: int) -> Recipe:
        height, width, _ = images.image_shape
        recipe = adapt_swift(load_recipe("swift"), count, min(height, width)).replace(**shared(ground))
        if ground.mirrors:
            return recipe.replace(augment=("alternating_flip", *recipe.augment), views="mirror")
        return recipe


SWIFT = SwiftRung("swift")
