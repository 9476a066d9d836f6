"""A contact sheet: pictures in rows, each above its words."""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from striate.data.decoding.alone import decode_alone
from striate.errors import ArgumentError, DecodingError

MOST_SHOWN, CELL_PX = 400, 112
_GAP_PX, _LINE_PX, _COLUMNS = 8, 17, 8
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (110, 110, 110)
_MISSING = (225, 225, 225)


def contact_sheet(ways: Sequence[Any], words: Sequence[tuple[str, str]], heading: str = "") -> Image.Image:
    """Return pictures on one sheet, each whole in a square cell; what cannot be read is a gray cell that says so.

    Arguments:
        ways: to the pixels, as `Catalog.images`.
        words: for each the line below it, and a fainter one.
    """
    columns = max(1, min(_COLUMNS, len(ways)))
    step_x, step_y = CELL_PX + _GAP_PX, CELL_PX + 2 * _LINE_PX + _GAP_PX
    top = _GAP_PX + (_LINE_PX + _GAP_PX if heading else 0)
    rows = math.ceil(len(ways) / columns)
    sheet = Image.new("RGB", (_GAP_PX + max(columns, 3) * step_x, top + rows * step_y), PAPER)
    pen = ImageDraw.Draw(sheet)
    write_line(pen, (_GAP_PX, _GAP_PX), heading, sheet.width - 2 * _GAP_PX, INK)
    for i, (way, (line, faint)) in enumerate(zip(ways, words, strict=True)):
        x, y = _GAP_PX + i % columns * step_x, top + i // columns * step_y
        try:
            picture = _fitted(decode_alone(way).pixels)
        except DecodingError as error:
            picture, faint = Image.new("RGB", (CELL_PX, CELL_PX), _MISSING), str(error)
        sheet.paste(picture, (x + (CELL_PX - picture.width) // 2, y + (CELL_PX - picture.height) // 2))
        write_line(pen, (x, y + CELL_PX), line, CELL_PX, INK)
        write_line(pen, (x, y + CELL_PX + _LINE_PX), faint, CELL_PX, FAINT)
    return sheet


def choose_rows(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the places of at most `count` images, drawn at random, by turns one from each class.

    Raises:
        ArgumentError: the count is none that can be shown.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_SHOWN:
        raise ArgumentError(f"the number of images to show must be 1 to {MOST_SHOWN}; got {count!r}")
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(order), int)
    for label in np.unique(labels):
        members = np.flatnonzero(labels[order] == label)
        turn[members] = np.arange(len(members))
    return order[np.lexsort((labels[order], turn))][:count]


def _fitted(pixels: np.ndarray) -> Image.Image:
    """Return an image as a picture that fits a cell; small ones are enlarged pixel by pixel."""
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]  # of many bands the first three
    picture = Image.fromarray(np.ascontiguousarray(shown))
    scale = CELL_PX / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX).convert("RGB")


def write_line(
    pen: ImageDraw.ImageDraw, where: tuple[int, int], text: str, width: int, ink: tuple[int, int, int]
) -> None:
    """Write one line, cut to `width`; any name is taken, also one with line breaks or undecodable bytes."""
    text = "".join(" " if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter for letter in text)
    font = _font()
    if pen.textlength(text, font) > width:
        while text and pen.textlength(text + "…", font) > width:
            text = text[:-1]
        text += "…"
    pen.text(where, text, ink, font)


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    import matplotlib as mpl

    # DejaVu knows many more scripts than Pillow's own font.
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 11)
