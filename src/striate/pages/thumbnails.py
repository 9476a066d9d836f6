"""Pictures small enough to stand in a page by the hundred."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np

# A picture of a page is drawn about this large, in CSS pixels; photographs are kept at this side.
SIDE_PX = 120
# Pictures up to this side are kept as they are and enlarged by the browser, pixel by pixel.
_SMALL_PX = 64


@dataclass(frozen=True)
class Thumbnail:
    """A picture in a page.

    Arguments:
        uri: the picture itself, as `data:image/…`.
        pixels: whether its pixels are to be seen as such when it is enlarged.
    """

    uri: str
    pixels: bool


def thumbnail(image: np.ndarray, side_px: int = SIDE_PX) -> Thumbnail:
    """Return an image for a page, at most `side_px` a side; small ones as they are.

    Arguments:
        image: uint8 (h, w) or (h, w, c) of 1, 3 or 4 channels; of any other number the first three are shown, or the
            first.

    >>> thumbnail(np.zeros((8, 8, 3), np.uint8)).uri[:22]
    'data:image/png;base64,'
    """
    from PIL import Image

    pixels = image if image.ndim == 2 else image[..., 0] if image.shape[2] < 3 else image[..., :3]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    small = max(picture.size) <= _SMALL_PX
    if not small:
        picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
    stored = io.BytesIO()
    if small:
        picture.save(stored, "png", optimize=True)
    else:
        picture.save(stored, "jpeg", quality=80)
    kind = "png" if small else "jpeg"
    return Thumbnail(f"data:image/{kind};base64,{base64.b64encode(stored.getvalue()).decode()}", small)
