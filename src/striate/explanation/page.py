"""The page of explanations, one section an image, and their pictures as files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.explanation.drawing import crossed, drawn, drawn_template, shown
from striate.explanation.explanation import ExplainedMap, Explanation
from striate.explanation.explanation_html import picture_uri
from striate.explanation.similar import Similar
from striate.pages.page import render_page
from striate.pages.pictures import write_pictures
from striate.pages.thumbnails import Thumbnail, thumbnail
from striate.system.files import write_atomically

_TOP = 5


@dataclass(frozen=True)
class ShownMap:
    """A map in the page, with its picture as `data:image/…`."""

    one: ExplainedMap
    uri: str


@dataclass(frozen=True)
class ShownExplanation:
    """An explanation in the page, with its pictures.

    Arguments:
        image: the image as the model sees it.
        hiding: with the cells hidden that change the answer; empty where there are none.
        template: of a linear model; empty of others.
        similar, voters: training images with their pictures.
        changed: (what was done, picture).
        top: (class, probability), the most probable first.
    """

    said: Explanation
    image: str
    maps: tuple[ShownMap, ...]
    layers: tuple[ShownMap, ...]
    runner_up: ShownMap | None
    hiding: str
    template: str
    similar: tuple[tuple[Similar, Thumbnail | None], ...]
    voters: tuple[tuple[Similar, Thumbnail | None], ...]
    changed: tuple[tuple[str, str, float, Thumbnail], ...]
    top: tuple[tuple[str, float], ...]


def write_explanations(explanations: Sequence[Explanation], path: str | Path, model: str = "") -> Path:
    """Write explanations as one self-contained HTML page.

    Arguments:
        path: of the page.
        model: what people call the model.

    Raises:
        StorageError: the disk is full or the folder not writable; what was at `path` is kept.
    """
    page = explanations_page(explanations, model)
    write_atomically(path, page.encode("utf-8", "replace"))
    return Path(path)


def explanations_page(explanations: Sequence[Explanation], model: str = "") -> str:
    """Return explanations as one HTML page."""
    return render_page("striate.explanation", "explain.html", shown=[_shown(one) for one in explanations], model=model)


def write_explanation_pictures(explanations: Sequence[Explanation], folder: str | Path) -> list[Path]:
    """Write the pictures of explanations into a folder, as IMAGE-KIND.png; what tells nothing is hatched, and says so.

    Raises:
        ArgumentError: a picture that is not of Striate's making has one of these names; none is written.
        StorageError: the disk is full or the folder not writable.
    """
    made: dict[Path, np.ndarray] = {}
    taken: set[str] = set()
    for number, said in enumerate(explanations):
        stem = _stem(said.image) or f"image-{number + 1}"
        while stem in taken:
            stem = f"{stem}-{number + 1}"
        taken.add(stem)
        pictures = {"image": shown(said.pixels)}
        pictures |= {
            _stem(one.kind): drawn(said.pixels, one.values, one.verdict.tells) for one in (*said.maps, *said.layers)
        }
        if said.runner_up:
            pictures["second-class"] = drawn(said.pixels, said.runner_up.values, said.runner_up.verdict.tells)
        if said.changes.hiding:
            pictures["hiding"] = crossed(said.pixels, said.changes.hiding.mask(said.pixels.shape[:2]))
        if said.template is not None:
            pictures["weights"] = drawn_template(said.template)
        made |= {Path(folder) / f"{stem}-{kind}.png": picture for kind, picture in pictures.items()}
    return write_pictures(made)


def _stem(name: str) -> str:
    """Return a name that any file system takes.

    >>> _stem("photos/a b.jpg"), _stem("grad-cam:layer.3")
    ('a_b', 'grad-cam_layer.3')
    """
    last = re.split(r"[/\\]", name)[-1]
    stem = re.sub(r"\.(jpe?g|png|gif|bmp|webp|tiff?)$", "", last, flags=re.I)
    return re.sub(r"[^\w.-]+", "_", stem, flags=re.ASCII).strip("._")[:80]


def _shown(said: Explanation) -> ShownExplanation:
    def maps(several: tuple[ExplainedMap, ...]) -> tuple[ShownMap, ...]:
        return tuple(ShownMap(one, picture_uri(drawn(said.pixels, one.values, one.verdict.tells))) for one in several)

    hiding = said.changes.hiding
    return ShownExplanation(
        said, picture_uri(shown(said.pixels)), maps(said.maps), maps(said.layers),
        maps((said.runner_up,))[0] if said.runner_up else None,
        picture_uri(crossed(said.pixels, hiding.mask(said.pixels.shape[:2]))) if hiding else "",
        "" if said.template is None else picture_uri(drawn_template(said.template)),
        _pictured(said.similar.images if said.similar else ()), _pictured(said.voters),
        tuple((one.words, one.becomes, one.probability, thumbnail(one.pixels)) for one in said.changes.simple),
        tuple(said.prediction.top(_TOP)),
    )  # fmt: skip


def _pictured(images: Sequence[Similar]) -> tuple[tuple[Similar, Thumbnail | None], ...]:
    return tuple((one, None if one.picture is None else thumbnail(one.picture)) for one in images)
