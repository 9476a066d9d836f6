"""Large photographs are decoded at a part of their size, and become what they would have become of the whole."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.oddities import encoded

import striate
from striate.classifier.blocks import pixel_block
from striate.classifier.preprocessing import Preprocessing
from striate.data.decoding.decode import decode, fit_pixels
from striate.data.decoding.fitted import decode_to, picture_digest
from striate.data.decoding.pixels import LARGE_PX
from striate.data.preparing import prepare as preparing
from striate.data.preparing.ahead import Shape, decode_ways
from striate.errors import DecodingError


def photograph(height: int, width: int) -> bytes:
    """Return a JPEG with edges of all lengths, as photographs have."""
    rng = np.random.default_rng(0)
    cloud = np.zeros((height, width, 3), np.float32)
    for cells in (3, 12, 48, 192):
        small = Image.fromarray(rng.integers(0, 256, (cells * 3 // 4, cells, 3), np.uint8))
        cloud += np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32) / cells**0.5
    cloud = (cloud - cloud.min()) / np.ptp(cloud) * 240
    return encoded(np.ascontiguousarray(cloud.astype(np.uint8)), "JPEG", quality=90)


def differences(content: bytes, shape: Shape) -> np.ndarray:
    pixels, decoded = decode_to(content, shape)
    assert not decoded.whole
    whole = fit_pixels(decode(content).pixels, shape.size, shape.fit, shape.resize)
    whole = whole if whole.shape == pixels.shape else np.repeat(whole, 3, 2)
    return np.abs(pixels.astype(int) - whole)


@pytest.mark.parametrize(
    ("height", "width", "shape"),
    [
        (1536, 2048, Shape((64, 64), 3, "crop")),
        (1536, 2048, Shape((64, 96), 3, "pad")),
        (1536, 2048, Shape((48, 80), 3, "stretch")),
        (1536, 2048, Shape((56, 56), 3, "crop", 64)),
        (1441, 1283, Shape((32, 32), 3, "crop")),  # no whole number of blocks: shrunk after decoding
    ],
)
def test_the_result_is_that_of_the_whole_within_a_grey_level(height, width, shape):
    found = differences(photograph(height, width), shape)
    assert found.max() <= 1
    assert found.mean() < 0.3


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_turned_and_gray_ones_too(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(io.BytesIO(photograph(1536, 2048))) as image, io.BytesIO() as file:
        image.convert("L").save(file, "JPEG", exif=exif)
        content = file.getvalue()
    assert differences(content, Shape((64, 48), 3, "crop")).max() <= 1
    assert decode_to(content, Shape((64, 48), 3, "crop"))[1].repairs == (f"rotated by EXIF orientation {orientation}",)


def test_less_is_decoded_of_a_large_one_and_all_of_others():
    to = Shape((64, 64), 3, "crop")
    large, small = photograph(1536, 2048), photograph(768, 1024)
    assert LARGE_PX > 768 * 1024
    assert decode_to(large, to)[1].pixels.shape == (192, 256, 3)  # an eighth: still three times 64
    assert decode_to(small, to)[1].pixels.shape == (768, 1024, 3)
    assert decode_to(decode(large).pixels, to)[1].whole  # an array is resized as ever
    whole = decode(large).pixels
    assert np.array_equal(decode_to(whole, to)[0], fit_pixels(whole, (64, 64)))
    assert decode_to(large, Shape((600, 600), 3, "crop"))[1].pixels.shape == (1536, 2048, 3)


def test_a_truncated_large_one_is_refused_as_ever():
    content = photograph(1536, 2048)
    with pytest.raises(DecodingError, match="truncated"):
        decode_to(content[: len(content) // 2], Shape((64, 64), 3, "crop"))


def test_training_and_prediction_are_given_the_same_pixels_and_digests_hold_for_every_size(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    contents = [photograph(1536, 2048), photograph(1200, 1600)]
    contents.append(contents[0])
    paths: list[Path] = []
    for i, content in enumerate(contents):
        paths.append(tmp_path / "photos" / "ab"[i % 2] / f"{i}.jpg")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_bytes(content)
    catalog = striate.read(tmp_path / "photos")
    images, smaller = preparing.prepare(catalog, (64, 64)), preparing.prepare(catalog, (32, 32))
    ways = [tmp_path / "photos" / name for name in images.names]
    ahead, refused = decode_ways(ways, Shape((64, 64), 3, "crop"))
    scale = np.ones(3, np.float32)
    block = pixel_block(Preprocessing((64, 64), 3, "crop", scale, scale), ways, 0, 3)
    assert not refused
    assert np.array_equal(ahead, images.images)
    assert np.array_equal(block, images.images)
    assert np.array_equal(images.hashes, smaller.hashes)
    assert len(np.unique(images.hashes)) == 2  # copies are known as such


def test_a_photograph_with_other_tags_is_the_same_one_unless_it_is_turned(tmp_path):
    content, kept = photograph(1536, 2048), {}
    image = Image.open(io.BytesIO(content))
    for name, orientation in (("plain", None), ("told", 1), ("turned", 6)):
        exif = Image.Exif()
        if orientation:
            exif[0x0112], exif[0x010E] = orientation, "a walk by the sea"
        target = io.BytesIO()
        image.save(target, "JPEG", quality="keep", exif=exif, comment=name)
        kept[name] = target.getvalue()
    to = Shape((64, 64), 3, "crop")
    digests = {name: picture_digest(data, decode_to(data, to)[1].repairs) for name, data in kept.items()}
    assert digests["plain"] == digests["told"] != digests["turned"]
    assert picture_digest(content[:-1] + b"\0", ()) != picture_digest(content, ())
    for broken in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\xff", content[:50]):
        assert picture_digest(broken, ()) >= 0
