"""An explanation in a notebook: the image, its maps side by side, and what each is worth."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from striate.explanation.drawing import drawn, shown
from striate.notebook.tables import html_table
from striate.units import percent

_JPEG_QUALITY = 86
_PICTURE = "height:11em;margin:.3em .6em .3em 0;vertical-align:top"


def explanation_html(said: Any) -> str:
    """Return an `Explanation` as HTML for notebooks."""
    answer = said.prediction
    share = percent(answer.probability, 1)
    rows = [(one.title, one.verdict.tells, one.place if one.verdict.tells else "", one.verdict.words)
            for one in said.maps]  # fmt: skip
    pictures = [
        ("the image", shown(said.pixels)),
        *((one.title, drawn(said.pixels, one.values, one.verdict.tells)) for one in said.maps),
    ]
    told = [("yes" if tells else "no", place, words) for _, tells, place, words in rows]
    table = html_table(
        f"{'none of these, else ' if answer.known is False else ''}{answer.label} {share}: {said.sentence}",
        ("map", "tells", "where", "why"), [(row[0], *rest) for row, rest in zip(rows, told, strict=True)],
        [said.changes.sentence],
    )  # fmt: skip
    drawings = "".join(
        f'<img style="{_PICTURE}" alt="{title}" title="{title}" src="{picture_uri(picture)}">'
        for title, picture in pictures
    )
    return f"<div>{drawings}{table}</div>"


def picture_uri(picture: np.ndarray) -> str:
    """Return a picture, uint8 (h, w, 3), as JPEG that stands in a page."""
    stored = io.BytesIO()
    Image.fromarray(picture).save(stored, "jpeg", quality=_JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stored.getvalue()).decode()}"
