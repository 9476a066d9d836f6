"""`write_walkthrough`: one page that computes a net by itself, checked against torch before it is written."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.prediction import Prediction, image_name
from striate.classifier.views import view_count
from striate.data.catalog import Catalog
from striate.errors import ArgumentError
from striate.explanation.walk.check import TOLERANCE, compare_with_torch, torch_values
from striate.explanation.walk.document import Document, make_document
from striate.explanation.walk.numbers import EXACT_BITS, to_text
from striate.explanation.walk.plan import LEAST_BITS, choose_carried
from striate.explanation.walk.steps import WalkStep, model_steps
from striate.observer import Progress, silent
from striate.pages.page import render_page
from striate.pages.policy import page_policy
from striate.system.files import write_atomically
from striate.units import say_bytes

LIMIT_BYTES = 8_000_000
PACKAGE = "striate.explanation.walk"
SCRIPTS = (
    "trace.js",
    "draw.js",
    "told.js",
    "picture.js",
    "sums.js",
    "maps.js",
    "stages.js",
    "runner.js",
    "panel.js",
    "view.js",
)
# How often a page that came out too large is tried again with less.
_TRIES = 8


@dataclass(frozen=True)
class Walkthrough:
    """A page that was written.

    Arguments:
        path: where it is.
        size_bytes: how large.
        computed: how many layers it computes by itself.
        kept: of how many it keeps the numbers of this picture, with the weights of some units.
        absent: of how many in the middle of a large net it has nothing.
        difference: the largest difference from torch, as a share of the largest value of a layer.
        compared: how many numbers were compared.
        prediction: what the model says of the picture.
    """

    path: Path
    size_bytes: int
    computed: int
    kept: int
    absent: int
    difference: float
    compared: int
    prediction: Prediction

    def to_json(self) -> dict[str, Any]:
        """Return the result for programs."""
        return {
            "path": str(self.path), "bytes": self.size_bytes, "computed": self.computed, "kept": self.kept,
            "absent": self.absent, "difference": self.difference, "compared": self.compared,
            "image": self.prediction.image, "class": self.prediction.label, "probability": self.prediction.probability,
        }  # fmt: skip


def write_walkthrough(
    model: Classifier,
    image: Any,
    path: str | Path = "walk.html",
    *,
    number: int = 0,
    limit_bytes: int = LIMIT_BYTES,
    progress: Progress = silent,
) -> Walkthrough:
    """Write a self-contained page in which every number of a net can be followed, for this picture and for others.

    Arguments:
        model: a net, or a linear classifier on pixels or on the features of one.
        image: a path, bytes, a PIL image, an array (h, w) or (h, w, c); or a catalog, of which `number` is taken.
        path: the page.
        number: which image of a catalog, from 0.
        limit_bytes: how large the page may be; where the weights do not fit, some numbers are kept of this picture.

    Returns:
        What was written, and how near its numbers are to torch's.

    Raises:
        ArgumentError: the model cannot be walked, or does not fit; the message says why and what to do.
        DecodingError: the image cannot be read.
        StorageError: the page cannot be written.
    """
    steps = model_steps(model)
    pixels, name = _pixels(model, image, number)
    values = torch_values(model, pixels, steps)
    progress("computing by torch", 1, 3)
    prediction = _prediction(model, pixels, name)
    page, document, difference = _fitted(model, pixels, steps, values, prediction, limit_bytes)
    progress("checked against torch", 2, 3)
    write_atomically(path, page)
    progress("written", 3, 3)
    state = [_state(step) for step in document.said["steps"]]
    compared = sum(one.size for one, how in zip(values, state, strict=True) if how != "absent")
    computed, kept, absent = (state.count(how) for how in ("computed", "kept", "absent"))
    return Walkthrough(Path(path), len(page), computed, kept, absent, difference, compared, prediction)


def _state(step: dict[str, Any]) -> str:
    return "absent" if "absent" in step else "kept" if "kept" in step["tensors"] else "computed"


def _pixels(model: Classifier, image: Any, number: int) -> tuple[np.ndarray, str]:
    """Return uint8 (h, w, c) as the net is given it, and the picture's name."""
    if isinstance(image, Catalog):
        if not 0 <= number < len(image):
            raise ArgumentError(f"number must be from 0 to {len(image) - 1}; got {number}")
        return model.block(image, number, number + 1)[0], image.names[number]
    return model.block([image], 0, 1)[0], image_name(image)


def _prediction(model: Classifier, pixels: np.ndarray, name: str) -> Prediction:
    # Of this size and these channels already: what was cut from a larger picture is not cut again.
    own = replace(model, preprocessing=replace(model.preprocessing, resize=None, window=None))
    (said,) = own.predict(pixels[None])  # pyright: ignore[reportGeneralTypeIssues]
    return replace(said, image=name)


def _fitted(
    model: Classifier,
    pixels: np.ndarray,
    steps: Sequence[WalkStep],
    values: Sequence[np.ndarray],
    prediction: Prediction,
    limit: int,
) -> tuple[bytes, Document, float]:
    """Return the page, no larger than the limit, its content, and its largest difference from torch."""
    plain = len(_rendered(Document({"steps": []}, np.zeros(0, np.float32)), prediction, model, steps))
    room = float(limit - plain - 1200 * len(steps) - 3 * pixels.size)
    bits = LEAST_BITS
    for _ in range(_TRIES):
        plan = choose_carried(steps, values, room, limit, bits)
        document = make_document(model, pixels, steps, values, plan)
        difference = compare_with_torch(document, values)
        if difference.share > TOLERANCE / 2 and plan.bits < EXACT_BITS:  # deep nets amplify what rounding leaves
            bits = min(EXACT_BITS, plan.bits + math.ceil(math.log2(2 * difference.share / TOLERANCE)))
            continue
        difference.require(document)
        page = _rendered(document, prediction, model, steps)
        if len(page) <= limit:
            return page, document, difference.share
        room -= 1.05 * (len(page) - limit)
    raise ArgumentError(
        f"a walkthrough must fit in {say_bytes(limit)}; this net comes out larger, or less exact than torch, however "
        "little is carried. Walk a smaller net"
    )


def _rendered(document: Document, prediction: Prediction, model: Classifier, steps: Sequence[WalkStep]) -> bytes:
    name = prediction.image.replace("\\", "/").rstrip("/").rpartition("/")[2]
    title = name if name not in ("", "-") else "the picture"
    told = {
        "image": title,
        "net": str(model.net),
        "says": prediction.label,
        "probability": prediction.probability,
        "known": prediction.known,
        "views": view_count(model.views),
    }
    described = document.said["steps"]
    engine, worker, *scripts = map(_script, ("engine.js", "worker.js", *SCRIPTS))
    page = render_page(
        PACKAGE, "walk.html", title=title, said=prediction, model=model, views=view_count(model.views),
        layers=len(steps), absent=sum("absent" in one for one in described),
        kept=[f"{i + 1} · {one['layer']}" for i, one in enumerate(described) if one.get("units")],
        data=_in_script(document.said | told), numbers=to_text(document.numbers), engine=engine,
        worker=worker, scripts=scripts,
        policy=page_policy([engine, worker, *scripts], worker_src="blob:", img_src="data: blob:"),
    )  # fmt: skip
    return page.encode("utf-8", "replace")


def _in_script(value: Any) -> str:
    """Return JSON that no name can break out of: the parser of HTML sees no tag in it.

    >>> _in_script({"class": "</script>"})
    '{"class":"\\\\u003c/script>"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _script(name: str) -> str:
    return (resources.files(PACKAGE) / name).read_text("utf-8")
