"""From a file's bytes to pixels: what is read of it before it is decoded, and that a file is opened once."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from tests.data.oddities import encoded, photo

from striate.shipping.service.intake import pixels_of, tiny_area
from striate.shipping.service.limits import RefusedError

LIMIT_PX = 10_000


def saved(pixels, kind):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def stating(width, height):
    """A PNG whose header says another size than its pixels have."""
    content = bytearray(encoded(photo(8, 8)))
    content[16:24] = struct.pack(">II", width, height)
    return bytes(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_small_files_are_told_from_large_ones_by_their_header(kind):
    assert tiny_area(saved(photo(12, 20), kind)) == 240
    assert tiny_area(saved(np.zeros((200, 200, 3), np.uint8), kind)) is None
    assert tiny_area(saved(photo(12, 20), kind)[:10]) is None
    assert tiny_area(b"nothing at all") is None


def test_a_png_is_opened_once(digits_model, monkeypatch):
    opened, ours = [], Image.open
    monkeypatch.setattr(Image, "open", lambda *told, **more: opened.append(1) or ours(*told, **more))
    content = encoded(photo(8, 8))
    pixels = pixels_of(content, digits_model.preprocessing, LIMIT_PX, tiny_area(content))
    assert (pixels.shape, len(opened)) == ((8, 8, 1), 1)


@pytest.mark.parametrize(
    ("width", "height", "status"), [(200, 200, 413), (65_536, 65_536, 413), (0, 8, 422), (9, 9, 422), (1 << 31, 8, 413)]
)
def test_a_header_that_lies_costs_nothing_and_is_refused(digits_model, width, height, status):
    content = stating(width, height)
    assert (tiny_area(content) is None) == (width * height > 128 * 128)
    with pytest.raises(RefusedError) as refused:
        pixels_of(content, digits_model.preprocessing, LIMIT_PX, tiny_area(content))
    assert refused.value.status == status
