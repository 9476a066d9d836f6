"""The page of a look inside a model, and its pictures as files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from striate.explanation.look.activity import LayerActivity
from striate.explanation.look.pictures import LookPicture, gallery_sheet
from striate.pages.page import render_page
from striate.pages.pictures import write_pictures
from striate.pages.thumbnails import SIDE_PX, Thumbnail, thumbnail
from striate.units import percent

# So many bytes of pictures, and so many layers a table.
MOST_BYTES, MOST_LAYERS = 6_000_000, 400


@dataclass(frozen=True)
class _Shown:
    picture: Thumbnail
    name: str
    detail: str


@dataclass(frozen=True)
class _LayerLine:
    """A layer's row: its figures as text, and where its mean and spread lie on the scale of all rows."""

    path: str
    layer: str
    shape: str
    mean: str
    std: str
    range: str
    silent: str
    saturated: str
    worry: bool
    bar: float


def look_page(found: Any) -> str:
    """Return the page of a `Look` as HTML."""
    room = _Room(MOST_BYTES)
    layers = [
        {"path": path, "word": own[0].word, "units": [(one, room.all_of(one.pictures)) for one in own]}
        for path, own in ((path, list(own)) for path, own in groupby(found.answers, lambda one: one.layer))
    ]
    ascents = [(one, room.of(LookPicture(one.target.name, one.pixels, ""), 200)) for one in found.ascents]
    galleries = [(one, room.all_of(one.pictures)) for one in found.galleries]
    return render_page(
        "striate.explanation.look", "look.html", found=found, galleries=galleries, answers=layers, ascents=ascents,
        lines=_lines(found.layers[:MOST_LAYERS]), more_layers=max(0, len(found.layers) - MOST_LAYERS),
        any_silent=any(one.silent is not None for one in found.layers), left_out=room.left_out,
        any_saturated=any(one.saturated is not None for one in found.layers),
    )  # fmt: skip


class _Room:
    """Makes pictures for the page until it has as many bytes of them as it may."""

    def __init__(self, left_bytes: int):
        self.left_bytes, self.left_out = left_bytes, 0

    def of(self, picture: LookPicture, side_px: int = SIDE_PX) -> _Shown | None:
        if self.left_bytes <= 0:
            self.left_out += 1
            return None
        made = thumbnail(np.ascontiguousarray(picture.pixels), side_px)
        self.left_bytes -= len(made.uri)
        return _Shown(made, picture.name, picture.detail)

    def all_of(self, pictures: Sequence[LookPicture]) -> list[_Shown]:
        return [shown for one in pictures if (shown := self.of(one)) is not None]


def _lines(layers: Sequence[LayerActivity]) -> list[_LayerLine]:
    widest = max((one.std for one in layers if np.isfinite(one.std)), default=0.0)
    return [
        _LayerLine(
            one.path, one.layer, "×".join(map(str, one.shape)), f"{one.mean:.3g}", f"{one.std:.3g}",
            f"{one.low:.3g} … {one.high:.3g}",
            "" if one.silent is None else f"{len(one.silent):,} of {one.units:,} ({percent(one.silent_share or 0, 0)})",
            "" if one.saturated is None else percent(one.saturated, 1),
            (one.silent_share or 0) > 0.5 or (one.saturated or 0) > 0.5,
            # A spread of a thousandth of the widest has a bar too: the scale is logarithmic over three decades.
            float(np.clip(1 + np.log10(max(one.std, 1e-12) / widest) / 3, 0, 1)) if widest > 0 else 0.0,
        )
        for one in layers
    ]  # fmt: skip


def write_look_pictures(found: Any, folder: Path) -> list[Path]:
    """Write a PNG for each kind of picture, each layer's units, and each image that was made; return their paths."""
    made: dict[str, np.ndarray] = {}
    for gallery in found.galleries:
        if gallery.pictures:
            made[gallery.key] = gallery_sheet(gallery.pictures)
    for one in found.answers:
        made[f"unit-{_plain(one.layer)}-{one.unit}"] = gallery_sheet(one.pictures)
    for one in found.ascents:
        made[f"raised-{_plain(one.target.name)}"] = _in_colour(one.pixels)
    return write_pictures({folder / f"{name}.png": pixels for name, pixels in made.items()})


def _plain(name: str) -> str:
    """Return a name as part of a file's name, whatever it holds.

    >>> _plain("../a b:5")
    'a-b-5'
    """
    return re.sub(r"[^\w.]+", "-", name).strip("-.")[:60] or "unnamed"


def _in_colour(pixels: np.ndarray) -> np.ndarray:
    shown = pixels if pixels.shape[2] in (1, 3) else pixels[..., :3] if pixels.shape[2] > 3 else pixels[..., :1]
    return np.broadcast_to(shown, (*shown.shape[:2], 3))
