"""What the page is given: a plain value for JSON, and one long row of numbers that it points into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.decoding.pixels import shrinks_tall_first
from striate.explanation.walk.numbers import Store
from striate.explanation.walk.plan import INDICES, Carried
from striate.explanation.walk.steps import WalkStep

# So many values of each step are kept from torch, which the page compares with its own when it is opened.
CHECKED = 48


@dataclass(frozen=True, eq=False)
class Document:
    """A page's content.

    Arguments:
        said: for JSON; places in the numbers are [offset, count].
        numbers: float32 (n,).
    """

    said: dict[str, Any]
    numbers: np.ndarray

    def array(self, place: Sequence[int]) -> np.ndarray:
        """Return the numbers at [offset, count]."""
        return self.numbers[place[0] : place[0] + place[1]]


def make_document(
    model: Classifier, pixels: np.ndarray, steps: Sequence[WalkStep], values: Sequence[np.ndarray], plan: Carried
) -> Document:
    """Return the content of a page about one picture.

    Arguments:
        pixels: uint8 (h, w, c), as the net is given them.
        values: torch's, float32, of each step.
    """
    store, shape = Store(plan.bits), model.preprocessing
    said: dict[str, Any] = {
        "version": 1,
        "classes": list(model.classes),
        "temperature": model.trust.temperature,
        "input_shape": list(shape.input_shape),
        "pixels": store.add(pixels, exact=True),
        "preprocessing": {
            "fit": shape.fit,
            "resize": shape.resize,
            "deep": shape.window is not None,
            "tall_first": shrinks_tall_first(),
            "tensors": {"mean": store.add(shape.mean, exact=True), "std": store.add(shape.std, exact=True)},
        },
        "bits": plan.bits,
        "steps": [_described(step, i, values[i], plan, store) for i, step in enumerate(steps)],
    }
    said["checks"] = [_check(i, value, store) for i, value in enumerate(values) if i not in plan.absent]
    return Document(said, store.values)


def _described(step: WalkStep, number: int, value: np.ndarray, plan: Carried, store: Store) -> dict[str, Any]:
    said = {
        "path": step.path, "layer": step.layer, "kind": step.kind, **step.settings, "inputs": list(step.inputs),
        "in_shapes": [list(shape) for shape in step.in_shapes], "shape": list(step.shape), "formula": step.formula,
        "note": step.note, "weights": step.weights,
    }  # fmt: skip
    if number in plan.absent:
        return said | {"tensors": {}, "absent": True}
    if number not in plan.units:
        tensors = {name: store.add(one, exact=name in INDICES) for name, one in step.tensors.items()}
        return said | {"tensors": tensors}
    units = plan.units[number]
    if not len(units):
        return said | {"tensors": {"kept": store.add(value)}, "units": []}
    rows = step.tensors["weight"].reshape(step.shape[0], -1)[units]
    tensors = {"kept": store.add(value), "rows": store.add(rows)}
    if "bias" in step.tensors:
        tensors["bias"] = store.add(step.tensors["bias"])
    return said | {"tensors": tensors, "units": units.tolist()}


def _check(number: int, value: np.ndarray, store: Store) -> dict[str, Any]:
    flat = value.ravel()
    generator = np.random.default_rng(number)
    some = generator.choice(flat.size, min(CHECKED, flat.size), replace=False)
    places = np.unique(np.append(some, np.abs(flat).argmax()))
    scale = float(np.abs(flat).max()) or 1.0
    return {"step": number, "places": places.tolist(), "values": store.add(flat[places], exact=True), "scale": scale}
